"""Images, from their files or in memory: decoded, augmented, and made into batches."""
