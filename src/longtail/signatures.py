"""Signatures of constructors that pass `**arguments` on, as `inspect.signature` and `help` show them."""

import inspect
from collections.abc import Callable


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
