"""What a method sets in the recipe of a comparison, in the words of `--loss-arguments` and of the settings."""

from collections.abc import Mapping
from typing import Any

from longtail.recipes.methods import OF_METHODS
from longtail.runs import RunFolder

CHANGED = ("learning_rate", "weight_decay")
SECOND = {
    "classifier": "kept",
    "learns": "nothing",
    "classifier_rate": 1.0,
    "max_norm": None,
    "shift_batch_norm": False,
    "meta_learning_rate": None,
}


def settings_of_method(run: RunFolder, recipe: Mapping[str, Any]) -> str:
    """The first stage of a run, the arguments of its loss, and what is not as in the recipe, with blanks between them.

    Args:
        run: complete.
        recipe: the settings that all methods begin with.
    """
    config, result = run.header["config"], run.result or {}
    usual = OF_METHODS | {name: recipe[name] for name in CHANGED if name in recipe}
    del usual["loss_arguments"]  # they are words of their own
    words = [*config["loss_arguments"]]
    if "first_stage" not in result:
        return " ".join([*words, *_changes(config, usual)])
    first = result["first_stage"]["folder"].removesuffix(f"-seed{result['first_stage']['config']['seed']}")
    words = [f"after={first}", *_changes(config, SECOND)]
    if config["epochs"]:
        words += [f"loss={config['loss']}", *config["loss_arguments"], f"epochs={config['epochs']}"]
        words += _changes(config, usual)
    return " ".join(words)


def _changes(config: Mapping[str, Any], usual: Mapping[str, Any]) -> list[str]:
    return [f"{name}={config[name]}" for name in usual if config.get(name, usual[name]) != usual[name]]
