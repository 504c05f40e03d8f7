"""Features as splits: numbers of each sample, in memory or read from their file."""
