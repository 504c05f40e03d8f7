"""Reading predictions: files and objects, roles of columns, labels by name, kinds of scores."""
