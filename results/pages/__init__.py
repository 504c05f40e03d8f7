"""Pages of results: each a template of prose, NAME.md.jinja, and a module NAME.py that computes its numbers."""
