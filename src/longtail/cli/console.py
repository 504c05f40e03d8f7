"""Where commands print to."""

from rich.console import Console


def plain_console() -> Console:
    """Standard output as it is: brackets are no markup, numbers no colours, colons no pictures."""
    return Console(highlight=False, markup=False, emoji=False)
