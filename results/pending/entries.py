"""The runs that are to be computed, as `results/pending.toml` lists them.

A group of runs has

    name        of each run, with the values of `each` in it: "cifar100-lt-200-{loss}-{seed}"
    why         what the runs settle
    priority    groups of a lower number come first; within one number the order of the file holds
    recipe      a name of `longtail.recipes.RECIPES`
    settings    arguments of the recipe; a string "{loss}" becomes the value of that name
    each        the values that the group runs through, the first name varying slowest
    gpu         true: too long for a CPU, the runs wait for a GPU
    gradients   true: the gradients that each classifier receives are recorded in the run folder
    after       name of the run that a second stage starts from
    stage       the second stage, a name of `longtail.recipes.SECOND_STAGES`
"""

import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longtail.recipes import RECIPES, SECOND_STAGES, second_stage
from longtail.runs import RunFolder
from longtail.training import TrainingConfig

TYPES = {"priority": int, "settings": dict, "each": dict, "gpu": bool, "gradients": bool}
KEYS = ("name", "why", "priority", "recipe", "settings", "each", "gpu", "gradients", "after", "stage")
NEEDED = ("name", "why", "recipe")


@dataclass(frozen=True)
class Entry:
    """One run of the queue."""

    name: str
    why: str
    recipe: str
    settings: Mapping[str, Any]
    priority: int = 0
    gpu: bool = False
    gradients: bool = False
    after: str | None = None
    stage: str | None = None

    def config(self, first: RunFolder | None = None) -> TrainingConfig:
        """The configuration of the run, or of its second stage after the run `first`."""
        settings = {key: tuple(value) if isinstance(value, list) else value for key, value in self.settings.items()}
        if self.stage is not None and first is not None:
            return second_stage(first, self.stage, **settings)
        return RECIPES[self.recipe](**settings)  # JSON, by which a worker gets its entry, has made lists of tuples


def read_entries(path: Path) -> list[Entry]:
    """All runs of a file, in the order in which they are to be computed.

    Raises:
        ValueError: a group that can't be run; the message names the file, the group and the key.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be TOML. {error}.") from None
    groups = content.get("group")
    if set(content) != {"group"} or not isinstance(groups, list) or not all(isinstance(g, dict) for g in groups):
        raise ValueError(f"{path} must hold [[group]] tables and nothing else. Got {', '.join(content) or 'nothing'}.")
    entries = [entry for number, group in enumerate(groups, 1) for entry in _entries(group, f"{path}, group {number}")]
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{path} must give each run a name of its own. Got {name!r} twice.")
    for entry in entries:
        if entry.after is not None and entry.after not in names:
            raise ValueError(f"{path}: `after` of {entry.name} must be the name of a run. Got {entry.after!r}.")
    return sorted(entries, key=lambda entry: entry.priority)


def _entries(group: Mapping[str, Any], where: str) -> Iterator[Entry]:
    if unknown := sorted(set(group) - set(KEYS)):
        raise ValueError(f"{where} must have the keys {', '.join(KEYS)}. Got {', '.join(unknown)}.")
    if missing := [key for key in NEEDED if key not in group]:
        raise ValueError(f"{where} must have the keys {', '.join(NEEDED)}. Missing: {', '.join(missing)}.")
    for key, value in group.items():
        if not isinstance(value, TYPES.get(key, str)):
            raise ValueError(f"{where}: `{key}` must be a {TYPES.get(key, str).__name__}. Got {value!r}.")
    if group["recipe"] not in RECIPES:
        raise ValueError(f"{where}: `recipe` must be one of {', '.join(RECIPES)}. Got {group['recipe']!r}.")
    if group.get("stage") is not None and group["stage"] not in SECOND_STAGES and "{" not in group["stage"]:
        raise ValueError(f"{where}: `stage` must be one of {', '.join(SECOND_STAGES)}. Got {group['stage']!r}.")
    if ("after" in group) != ("stage" in group):
        raise ValueError(
            f"{where}: `after` and `stage` must be given together: a second stage and what it starts from."
        )
    each = group.get("each", {})
    for key, values in each.items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"{where}: `each` must give a list of values for {key}. Got {values!r}.")
    for values in itertools.product(*each.values()):
        yield _entry(group, dict(zip(each, values, strict=True)), where)


def _entry(group: Mapping[str, Any], values: Mapping[str, Any], where: str) -> Entry:
    try:
        filled = {key: _filled(value, values) for key, value in group.items() if key != "each"}
        entry = Entry(**{"settings": {}, **filled})
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", entry.name):
            raise ValueError(f"A name must consist of letters, digits, '.', '_' and '-'. Got {entry.name!r}.")
        if entry.stage is None:
            entry.config()
    except KeyError as error:
        raise ValueError(f"{where}: `each` must have the value {error}, which a string names.") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: the run {group['name']} can't be computed. {error}") from None
    return entry


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    """A template with values in the places of their names; one that is a name alone keeps the type of its value."""
    if isinstance(template, dict):
        return {key: _filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return tuple(_filled(value, values) for value in template)
    if not isinstance(template, str):
        return template
    if template[:1] + template[-1:] == "{}" and template[1:-1] in values:
        return values[template[1:-1]]
    return template.format(**values)
