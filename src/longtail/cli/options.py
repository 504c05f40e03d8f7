"""The options of a command, for errors that guess which one was meant."""

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, get_args, get_origin


def options_of(command: Callable[..., Any]) -> list[str]:
    """The options of a command: its parameters that are given by keyword only.

    Example:
        >>> from longtail.cli.report import report
        >>> options_of(report)
        ['--out', '--data', '--force']
    """
    found: list[str] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            kind = _told(parameter)[0]
            parts = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
            found += [as_option(field.name) for field in parts] or [_name(parameter)]
    return found


def settings_of(recipe: str) -> list[str]:
    """The options that the settings of a recipe have."""
    from longtail.recipes import RECIPES

    return [as_option(field.name) for field in dataclasses.fields(RECIPES[recipe]())]


def is_flag(command: Callable[..., Any], option: str) -> bool:
    """Whether an option of a command itself takes no value."""
    own = [parameter for parameter in inspect.signature(command).parameters.values() if _name(parameter) == option]
    return any(isinstance(parameter.default, bool) for parameter in own)


def as_option(name: str) -> str:
    """`batch_size` as `--batch-size`."""
    return f"--{name.replace('_', '-')}"


def given_to(option: str, arguments: Sequence[str]) -> list[str]:
    """The words behind an option.

    Example:
        >>> given_to("--mean", ["train", "photos", "--mean", "0.5", "x", "--seed", "1"])
        ['0.5', 'x']
    """
    values: list[str] = []
    current = None
    for argument in arguments:
        if argument.startswith("--"):
            name, equals, value = argument.partition("=")
            current = name.replace("_", "-")
            values += [value] if equals and current == option else []
        elif current == option:
            values.append(argument)
    return values


def _name(parameter: inspect.Parameter) -> str:
    """The option of a parameter: under its own name, or under the one that the parser is told."""
    _, told = _told(parameter)
    return as_option(next((part.name for part in told if getattr(part, "name", None)), parameter.name))


def _told(parameter: inspect.Parameter) -> tuple[Any, list[Any]]:
    """The type of a parameter, and what the parser is told about it."""
    if get_origin(parameter.annotation) is not Annotated:
        return parameter.annotation, []
    kind, *told = get_args(parameter.annotation)
    return kind, told
