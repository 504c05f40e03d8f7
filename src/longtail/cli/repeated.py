"""Options that are given twice, of which the parser would silently take the last."""

from collections.abc import Sequence

WITH_COMMAS = ("--methods", "--class-names")
"""Options whose values are joined by commas."""


def refuse_repeated(arguments: Sequence[str]) -> None:
    """Raise if an option is given more than once.

    Raises:
        ValueError: names the option and its values.

    Example:
        >>> refuse_repeated(["compare", "digits-lt", "--seeds", "2", "--seeds=3"])
        Traceback (most recent call last):
        ValueError: --seeds must be given once. Got it 2 times: 2, 3. Keep one.
    """
    given: dict[str, list[str]] = {}
    option = None
    for argument in arguments:
        if argument.startswith("--") and len(argument) > 2:
            name, equals, value = argument.partition("=")
            option = name.replace("_", "-")
            given.setdefault(option, []).append(value if equals else "")
        elif option is not None:
            given[option][-1] = f"{given[option][-1]} {argument}".lstrip()
    for name, values in given.items():
        if len(values) > 1:
            named = f": {', '.join(values)}" if all(values) else ""
            advice = f"Put all in one: {name} {','.join(values)}." if name in WITH_COMMAS and named else "Keep one."
            raise ValueError(f"{name} must be given once. Got it {len(values)} times{named}. {advice}")
