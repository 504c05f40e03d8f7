"""Errors of the parser, as one line like all others: the option, the rule, the value, and what to type next."""

import contextlib
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from longtail.cli.options import given_to, is_flag, options_of, settings_of
from longtail.cli.recipe_argument import DESCRIPTIONS
from longtail.cli.repeated import WITH_COMMAS
from longtail.similar import most_similar

EXAMPLES = {
    "train": "longtail train photos/",
    "compare": "longtail compare photos/ --methods ce,gala,crt",
    "retrain": "longtail retrain runs/LATEST",
    "predict": "longtail predict runs/LATEST new/*.jpg",
    "features": "longtail features photos/ --out features.npz",
    "doctor": "longtail doctor photos/",
    "export": "longtail export runs/LATEST --onnx model.onnx",
}
"""What to type where an argument is missing."""
KINDS = {int: "an integer", float: "a number", Path: "a path", bool: "True or False"}


@dataclass(frozen=True)
class Asked:
    """A command as it was asked for.

    Attributes:
        command: its function.
        typed: the arguments of the user, from the name of the command on.
        parsed: the arguments that the parser gets; they name a recipe if the command has one.
        prog: the command in messages, such as "longtail train".
    """

    command: Callable[..., Any]
    typed: Sequence[str]
    parsed: Sequence[str]
    prog: str

    @property
    def recipe(self) -> str:
        """The recipe, or "" if none is named."""
        return next((word for word in self.parsed[1:2] if word in DESCRIPTIONS), "")

    @property
    def name(self) -> str:
        """The command with its recipe, whose `--help` lists the options."""
        return f"{self.prog} {self.recipe}".rstrip()

    @cached_property
    def options(self) -> list[str]:
        """All options."""
        return [*options_of(self.command), *(settings_of(self.recipe) if self.recipe else ())]


def errors_as_lines(asked: Asked) -> contextlib.AbstractContextManager[None]:
    """Within it the parser raises a ValueError; a version of tyro that can't be told to prints a box of its own."""
    try:
        from tyro._errors import on_parse_error
    except ImportError:
        return contextlib.nullcontext()

    def refuse(event: Any) -> None:
        if line := _line(event, asked):
            raise ValueError(line)

    return on_parse_error(refuse)


def _line(event: Any, asked: Asked) -> str:
    """The error; empty for a kind that is not known."""
    match type(event).__name__:
        case "UnrecognizedArgs":
            return _unknown(event.tokens[0], asked)
        case "MissingArgs":
            if event.unrecognized_tokens:
                return _unknown(event.unrecognized_tokens[0], asked)
            return _missing(event.missing_arguments[0].arg, asked)
        case "MissingSubcommand":
            return _no_recipe(asked)
        case "InstantiationFailure" if event.argument is None:  # of a setting; the configuration says what is wrong
            return str(event.message)
        case "BadValue" | "InvalidChoice" | "InstantiationFailure":
            return _bad_value(event.argument, asked)
    return ""


def _unknown(word: str, asked: Asked) -> str:
    if not word.startswith("-"):
        return _surplus(word, asked)
    option = f"--{word.partition('=')[0].lstrip('-').replace('_', '-')}"
    others = [name for name in DESCRIPTIONS if asked.recipe and option in settings_of(name)]
    if others:
        return (
            f"{option} is no option of {asked.name}, but of the recipes {', '.join(others)}. "
            f"Type: {asked.prog} {others[0]} --data PATH {option} …"
        )
    near = most_similar(option, asked.options)
    meant = f" Did you mean {near}?" if near else ""
    return f"{word.partition('=')[0]} is no option of {asked.name}.{meant} {asked.name} --help lists them all."


def _surplus(word: str, asked: Asked) -> str:
    """A word that is neither an option nor the value of one."""
    behind = [*reversed(asked.typed)]
    behind = behind[behind.index(word) :] if word in behind else []
    option = next((other.replace("_", "-") for other in behind if other.startswith("--")), "")
    values = given_to(option, asked.typed)
    if option not in asked.options:
        return f"`{asked.prog}` must have no further argument. Got {word!r}. {asked.name} --help lists what it takes."
    if is_flag(asked.command, option):
        return f"{option} must have no value. Got {' '.join(values)!r}. Type {option} alone, or leave it out."
    if option in WITH_COMMAS or any("," in value for value in values):
        names = ",".join(name for value in values for name in value.split(",") if name)
        return f"{option} must be one word, without spaces. Got {' '.join(values)!r}. Type: {option} {names}"
    quoted = " ".join(values)
    return f"{option} must have one value. Got {len(values)}: {quoted}. If it has spaces, quote it: {option} {quoted!r}"


def _missing(argument: Any, asked: Asked) -> str:
    option = argument.lowered.metavar.replace("|", " or ") if argument.is_positional() else argument.display_name()
    example = EXAMPLES.get(asked.typed[0])
    advice = f"Try {example}." if example else f"{asked.name} --help explains it."
    return f"{option} must be given. Got none. {advice}"


def _no_recipe(asked: Asked) -> str:
    if "--resume" in asked.typed:
        return "--resume must name a run where no recipe or data are given. Type: longtail train --resume RUN"
    return f"`{asked.prog}` must have a recipe or the path of the data. Got none. Try {EXAMPLES[asked.typed[0]]}."


def _bad_value(argument: Any, asked: Asked) -> str:
    option, kind = argument.display_name(), argument.field.type_stripped
    values = given_to(option, asked.typed)
    choices = _choices(kind)
    got = repr(" ".join(values)) if values else "none"
    wrong = next((value for value in values if value not in choices), "")
    near = most_similar(wrong, choices)
    meant = f" Did you mean {near}?" if near else f" {asked.name} --help explains it."
    return f"{option} must be {_rule(kind)}. Got {got}.{meant}"


def _rule(kind: Any) -> str:
    """What a value must be."""
    if choices := _choices(kind):
        return f"{'some' if _is_tuple(kind) else 'one'} of {', '.join(choices)}"
    one = KINDS.get(_one(kind), "a value")
    return f"{one.split()[-1]}s with spaces between them" if _is_tuple(kind) else one


def _choices(kind: Any) -> list[str]:
    one = _one(kind)
    return list(map(str, get_args(one))) if get_origin(one) is Literal else []


def _one(kind: Any) -> Any:
    """The type of one value: without None, which is to leave the option out, and of a tuple that of its parts."""
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(part for part in get_args(kind) if part is not type(None))
    return get_args(kind)[0] if _is_tuple(kind) else kind


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple
