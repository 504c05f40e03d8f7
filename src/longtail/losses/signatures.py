"""Signatures of constructors that pass `**arguments` on, as `inspect.signature` and `help` show them."""

import inspect
from collections.abc import Callable


def with_arguments_of(base: Callable[..., None], function: Callable[..., None]) -> inspect.Signature:
    """The signature of `function`, with the optional keywords of `base` in the place of `**arguments`."""
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    if len(own) == len(signature.parameters):
        return signature
    passed_on = [
        each
        for each in inspect.signature(base).parameters.values()
        if each.kind is inspect.Parameter.KEYWORD_ONLY
        and each.default is not inspect.Parameter.empty
        and each.name not in signature.parameters
    ]
    return signature.replace(parameters=[*own, *passed_on])
