"""The methods of the field by name: what each changes in a recipe, with its own paper's settings."""

import dataclasses
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from longtail.arguments import check_choice
from longtail.losses.catalogue import LOSSES, find_loss
from longtail.recipes.second_stages import SECOND_STAGES, second_stage
from longtail.training.comparison import Job
from longtail.training.config import TrainingConfig
from longtail.training.mixing import OF_PIXELS

DEFERRED = 0.8  # of the epochs; 160 of 200 in the code of LDAM
OF_METHODS: dict[str, Any] = {
    "loss_arguments": (),
    "sampler": "shuffle",
    "mixing": "none",
    "reweight_from": 0,
    "contrastive": 0.0,
    "contrastive_loss": "balanced",
    "sam_radius": 0.0,
}
"""Settings that belong to methods, beside the loss, with the values of a method that does not set them."""


@dataclass(frozen=True)
class Method:
    """What a method changes in a recipe, an entry of `METHODS`; `with_method` applies it.

    Attributes:
        source: authors, venue and year.
        settings: fields of `TrainingConfig`.
        deferred: whether class-balanced weights come in after 80 % of the epochs.
        first_stage: the method whose run it starts from, if it is a second stage; the settings are those of that run.

    Example:
        >>> METHODS["ldam-drw"].source, dict(METHODS["ldam-drw"].settings), METHODS["ldam-drw"].deferred
        ('Cao et al., NeurIPS 2019', {'loss': 'ldam'}, True)
        >>> METHODS["crt"].first_stage
        'ce'
    """

    source: str
    settings: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    deferred: bool = False
    first_stage: str | None = None


def _settings(**settings: Any) -> MappingProxyType[str, Any]:
    return MappingProxyType(settings)


ONE_STAGE = {
    **{name: Method(entry.source, _settings(loss=name)) for name, entry in LOSSES.items()},
    "gcl": Method("Li et al., CVPR 2022", _settings(loss="gcl", mixing="mixup")),
    "ce-drw": Method("Cao et al., NeurIPS 2019", _settings(loss="ce"), deferred=True),
    "ldam-drw": Method("Cao et al., NeurIPS 2019", _settings(loss="ldam"), deferred=True),
    "class-aware-sampling": Method("Kang et al., ICLR 2020", _settings(loss="ce", sampler="class-aware")),
    "square-root-sampling": Method("Kang et al., ICLR 2020", _settings(loss="ce", sampler="square-root")),
    "progressive-sampling": Method("Kang et al., ICLR 2020", _settings(loss="ce", sampler="progressive")),
    "ce-weight-decay": Method(
        "Alshammari et al., CVPR 2022", _settings(loss="ce", weight_decay=5e-3, learning_rate=0.01)
    ),
    "sam": Method("Foret et al., ICLR 2021", _settings(loss="ce", sam_radius=0.05)),
    "ce-drw-sam": Method("Rangwani et al., NeurIPS 2022", _settings(loss="ce", sam_radius=0.8), deferred=True),
    "ldam-drw-sam": Method("Rangwani et al., NeurIPS 2022", _settings(loss="ldam", sam_radius=0.8), deferred=True),
    "bcl": Method("Zhu et al., CVPR 2022", _settings(loss="balanced-softmax", contrastive=0.35)),
    "proco": Method(
        "Du et al., TPAMI 2024",
        _settings(loss="balanced-softmax", contrastive=1.0, contrastive_loss="probabilistic"),
    ),
    "mixup": Method("Zhang et al., ICLR 2018", _settings(loss="ce", mixing="mixup")),
    "cutmix": Method("Yun et al., ICCV 2019", _settings(loss="ce", mixing="cutmix")),
    "cmo": Method("Park et al., CVPR 2022", _settings(loss="ce", mixing="cmo", mixing_alpha=1.0)),
    "balanced-softmax-cmo": Method(
        "Park et al., CVPR 2022", _settings(loss="balanced-softmax", mixing="cmo", mixing_alpha=1.0)
    ),
    "remix": Method("Chou et al., ECCV workshops 2020", _settings(loss="ce", mixing="remix")),
    "effective-number-sampling": Method("Cui et al., CVPR 2019", _settings(loss="ce", sampler="effective-number")),
}
"""Methods of one run."""

METHODS = ONE_STAGE | {
    name: Method(stage.source, ONE_STAGE[stage.first_stage].settings, first_stage=stage.first_stage)
    for name, stage in SECOND_STAGES.items()
}
"""All methods, those of two stages among them."""

METHODS_OF_PIXELS = tuple(
    name
    for name, method in METHODS.items()
    if method.settings.get("mixing") in OF_PIXELS or method.settings.get("contrastive")
)
"""Methods that need images: they cut boxes out of them, or augment each several times in a step."""

METHODS_OF_SGD = tuple(name for name, method in METHODS.items() if "learning_rate" in method.settings)
"""Methods with a learning rate of their own, which is that of SGD."""


def add_loss(name: str) -> None:
    """Add the method that only sets the loss, if `name` is that of a loss that was registered by another package."""
    if name not in METHODS:
        with suppress(ValueError):
            METHODS[name] = Method(find_loss(name).source, _settings(loss=name))


def with_method(config: TrainingConfig, name: str, *, seed: int) -> TrainingConfig:
    """A recipe with one method in it; of a method of two stages, the first.

    Args:
        config: the recipe; its loss, sampler, mixing, contrastive learning and SAM give way to those of the method.
        name: a key of `METHODS`.
        seed: of the run.

    Raises:
        ValueError: no method of that name, or one that the recipe does not suit.

    Example:
        >>> from longtail.recipes import cifar100_lt
        >>> config = with_method(cifar100_lt(), "ldam-drw", seed=1)
        >>> config.loss, config.reweight_from, config.seed
        ('ldam', 161, 1)
    """
    add_loss(name)
    check_choice("methods", name, list(METHODS))
    if name in METHODS_OF_SGD and config.optimizer != "sgd":
        raise ValueError(
            f"`methods` must leave out {name} for the optimizer {config.optimizer}: its learning rate and weight decay "
            "are those of SGD."
        )
    method = METHODS[name]
    settings = OF_METHODS | dict(method.settings)
    if method.deferred:
        settings["reweight_from"] = int(DEFERRED * config.epochs) + 1
    try:
        return dataclasses.replace(config, seed=seed, **settings)
    except ValueError as error:
        raise ValueError(f"the method {name} does not suit the recipe: {error}") from error


def job_of(config: TrainingConfig, name: str, *, seed: int) -> Job:
    """What a comparison runs for one method: its run, or both of its stages.

    Args:
        config: the recipe.
        name: a key of `METHODS`.
        seed: of the runs.

    Raises:
        ValueError: no method of that name.
    """
    first = with_method(config, name, seed=seed)
    if METHODS[name].first_stage is None:
        return Job(name, first)
    return Job(name, first, METHODS[name].first_stage, lambda folder: second_stage(folder, name))


def unsuited_to(config: TrainingConfig) -> dict[str, str]:
    """Methods that a recipe can't have, by name, and why.

    Example:
        >>> from longtail.recipes import finetune
        >>> unsuited_to(finetune())["weight-balancing"]
        'have a learning rate of SGD; the recipe trains by adamw'
    """
    unsuited = dict.fromkeys(METHODS_OF_PIXELS, "need images; these are features") if config.stage == "features" else {}
    if config.optimizer != "sgd":
        unsuited |= dict.fromkeys(
            METHODS_OF_SGD, f"have a learning rate of SGD; the recipe trains by {config.optimizer}"
        )
    return unsuited


def names_of(methods: str, *, without: Collection[str] = ()) -> list[str]:
    """Names with commas between them; "all" and "losses" stand for many.

    Args:
        methods: the names.
        without: methods that "all" does not stand for.

    Raises:
        ValueError: a name that is none, or none beside a comma.

    Example:
        >>> names_of("ce, gala,ce")
        ['ce', 'gala']
    """
    groups = {"all": [name for name in METHODS if name not in without], "losses": list(LOSSES)}
    words = [word.strip() for word in methods.split(",")]
    if "" in words and any(words):
        meant = ",".join(filter(None, words))
        raise ValueError(f"`methods` must have a name on each side of a comma. Got {methods!r}. Write {meant}.")
    names = [name for word in words for name in groups.get(word, [word])]
    for name in names:
        add_loss(name)
        check_choice("methods", name, [*METHODS, *groups])
    return list(dict.fromkeys(names))
