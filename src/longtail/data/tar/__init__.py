"""Tar files of images: shards of samples, and packed class folders; they stay on disk."""
