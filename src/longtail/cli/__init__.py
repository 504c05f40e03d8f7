"""The command line, `longtail COMMAND`: parses, calls, prints."""

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: by default those of the process.

    Returns:
        0 on success, 2 after an error, 130 if it was interrupted; 1 if `doctor` found something serious, or if the
        output was a pipe that was closed.

    Example:
        >>> main(["evaluate", "no-such-run"])
        2
    """
    try:
        from longtail.cli.commands import run
    except ModuleNotFoundError as error:
        print(f"longtail: the command line needs {error.name}. pip install 'longtail[train]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("longtail: Interrupted.", file=sys.stderr)
        return 130
    return run(sys.argv[1:] if arguments is None else list(arguments))
