"""Tables, from files or in memory: of paths, images, features or embeddings, and labels."""
