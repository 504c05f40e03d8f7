"""Errors for renamed options."""

from collections.abc import Sequence

RENAMED = {("fix", "--goal"): "--metric", ("fix", "--page"): "--report"}


def refuse_renamed(arguments: Sequence[str]) -> None:
    """Raise for a renamed option.

    Raises:
        ValueError: the option was renamed; names the new one.

    Example:
        >>> refuse_renamed(["fix", "predictions.csv", "--goal", "macro-f1"])
        Traceback (most recent call last):
        ...
        ValueError: `--goal` of `longtail fix` is now `--metric`. Got --goal.
    """
    command = arguments[0] if arguments else ""
    for argument in arguments[1:]:
        option = argument.partition("=")[0]
        if (command, option) in RENAMED:
            raise ValueError(f"`{option}` of `longtail {command}` is now `{RENAMED[command, option]}`. Got {argument}.")
