"""Functions that pass `**arguments` on: the signature that `help` shows, and errors for misspelt keywords."""

import functools
import inspect
from collections.abc import Callable
from difflib import get_close_matches
from typing import ParamSpec, TypeVar

from longtail.arguments import check_keywords

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def name_arguments(kind: type) -> None:
    """Let the signature of a class show the arguments that it passes on to its base, and errors name misspelt ones.

    A class without an `__init__` of its own has the signature of its base already.

    Example:
        >>> class Scaled:
        ...     def __init__(self, factor, *, shift=0.0): ...
        >>> class Squared(Scaled):
        ...     def __init__(self, factor, **arguments): ...
        >>> name_arguments(Squared)
        >>> inspect.signature(Squared)
        <Signature (factor, *, shift=0.0)>
    """
    if "__init__" in vars(kind):
        shown = with_arguments_of(kind.__mro__[1].__init__, kind.__init__)  # type: ignore[misc]
        kind.__init__ = naming_misspelt(kind.__init__)  # type: ignore[misc]
        kind.__init__.__signature__ = shown  # type: ignore[misc]


def with_arguments_of(base: Callable[..., None], function: Callable[..., None]) -> inspect.Signature:
    """The signature of `function`, with the optional keywords of `base` in the place of `**arguments`."""
    signature, own = inspect.signature(function), without_other_keywords(function)
    if len(own.parameters) == len(signature.parameters):
        return signature
    passed_on = [
        each
        for each in inspect.signature(base).parameters.values()
        if each.kind is inspect.Parameter.KEYWORD_ONLY
        and each.default is not inspect.Parameter.empty
        and each.name not in signature.parameters
    ]
    return own.replace(parameters=[*own.parameters.values(), *passed_on])


def without_other_keywords(function: Callable[..., None]) -> inspect.Signature:
    """The signature of `function` without `**others`, which it takes only to refuse them."""
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    return signature.replace(parameters=own)


def naming_misspelt(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A decorator for a function with `**arguments` and parameters that must be given.

    Python would put a misspelt one among the `**arguments`, and say only that it is missing.

    Example:
        >>> @naming_misspelt
        ... def scaled(values, factor, **more): ...
        >>> scaled([1, 2], factr=2)
        Traceback (most recent call last):
            ...
        TypeError: `scaled` got an unexpected keyword argument 'factr'. Did you mean 'factor'?
    """
    parameters = inspect.signature(function).parameters.values()
    by_place = [each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    required = [each.name for each in parameters if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    others = {each.name for each in parameters} - set(required)

    @functools.wraps(function)
    def checked(*args: Arguments.args, **keywords: Arguments.kwargs) -> Result:
        missing = [name for name in required if name not in keywords and name not in by_place[: len(args)]]
        if missing:
            misspelt = [name for name in keywords if name not in others and get_close_matches(name.casefold(), missing)]
            check_keywords(function.__qualname__.removesuffix(".__init__"), misspelt, missing)
        return function(*args, **keywords)

    return checked
