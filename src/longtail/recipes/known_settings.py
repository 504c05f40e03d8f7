"""Errors for misspelt settings of recipes, which pass `**settings` on to a configuration."""

import functools
from collections.abc import Callable
from dataclasses import fields
from typing import Any, ParamSpec, TypeVar

from longtail.arguments import check_keywords

Arguments = ParamSpec("Arguments")
Config = TypeVar("Config")


def with_fields_of(config: type[Any]) -> Callable[[Callable[Arguments, Config]], Callable[Arguments, Config]]:
    """A decorator for a recipe whose keywords are fields of `config`; others are refused by name.

    Example:
        >>> from longtail.training import OwnConfig
        >>> @with_fields_of(OwnConfig)
        ... def short(**settings):
        ...     return OwnConfig(epochs=1, **settings)
        >>> short(model_=1)
        Traceback (most recent call last):
            ...
        TypeError: `short` got an unexpected keyword argument 'model_'. Did you mean 'model'?
    """
    known = [field.name for field in fields(config) if field.init]

    def decorated(recipe: Callable[Arguments, Config]) -> Callable[Arguments, Config]:
        @functools.wraps(recipe)
        def checked(*args: Arguments.args, **settings: Arguments.kwargs) -> Config:
            check_keywords(recipe.__name__, settings, known)
            return recipe(*args, **settings)

        return checked

    return decorated
