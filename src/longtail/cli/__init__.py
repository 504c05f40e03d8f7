"""The command line: parses, calls, prints."""

from longtail.cli.main import main

__all__ = ["main"]
