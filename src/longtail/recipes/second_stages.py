"""Second stages by name, with their papers' settings: what is done to the classifier of a run that is complete.

Learning rates belong to a batch size; for another they are scaled by the number of samples of a step, which is that of
the training set where a batch would be larger. MiSLAS has its settings of CIFAR-100-LT; Balanced Softmax and BALMS
those of CIFAR-LT, whose 2,000 batches of 512 are about 100 epochs; DisAlign, for which no settings on small images are
known, has those of its code for ImageNet-LT. `large_second_stages` has those of the large data sets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, cast

from longtail.arguments import check_choice, check_integer, check_keywords
from longtail.data import DataConfig, data_config
from longtail.recipes.large_second_stages import LARGE_SECOND_STAGES
from longtail.runs import RunFolder
from longtail.runs.check_run import complete_result
from longtail.signatures import naming_misspelt
from longtail.training.config import TrainingConfig
from longtail.training.first_stage import checksum
from longtail.training.network import head_of
from longtail.training.second_stage_config import OwnSecondStageConfig, SecondStageConfig
from longtail.training.stages import config_class
from longtail.training.stored_config import stored_config


@dataclass(frozen=True)
class SecondStageMethod:
    """A second stage as its paper has it.

    Attributes:
        source: authors, venue and year.
        settings: fields of `SecondStageConfig`; learning rates for batches of `batch_size`.
        batch_size: that of the paper.
        first_stage: the method that its own first stage is, a name of `longtail.recipes.METHODS`.
    """

    source: str
    settings: MappingProxyType[str, Any]
    batch_size: int = 512
    first_stage: str = "ce"


def _settings(**settings: Any) -> MappingProxyType[str, Any]:
    return MappingProxyType(settings)


OF_THE_FIRST_STAGE = (
    "optimizer",
    "schedule",
    "layer_decay",
    "tune",
    "ema",
    "accumulate",
    "clip_norm",
    "sam_radius",
    "contrastive",
    "contrastive_loss",
)
"""Settings that a second stage does not take over: the papers have SGD and a cosine."""

SECOND_STAGES = {
    "crt": SecondStageMethod(
        "Kang et al., ICLR 2020",
        _settings(classifier="new", learns="classifier", sampler="class-aware", epochs=10, learning_rate=0.2),
    ),
    "lws": SecondStageMethod(
        "Kang et al., ICLR 2020", _settings(learns="scales", sampler="class-aware", epochs=5, learning_rate=0.2)
    ),
    "decoupled-gala": SecondStageMethod(
        "Zhang et al., ICASSP 2024",
        _settings(
            classifier="new", learns="classifier", loss="gala", sampler="class-aware", epochs=10, learning_rate=0.12
        ),
        first_stage="mixup",
    ),
    "decoupled-balanced-softmax": SecondStageMethod(
        "Ren et al., NeurIPS 2020",
        _settings(classifier="new", learns="classifier", loss="balanced-softmax", epochs=100, learning_rate=0.1),
    ),
    "balms": SecondStageMethod(
        "Ren et al., NeurIPS 2020",
        _settings(
            classifier="new",
            learns="classifier",
            loss="balanced-softmax",
            meta_learning_rate=0.01,
            epochs=100,
            learning_rate=0.1,
        ),
    ),
    "tau-norm": SecondStageMethod("Kang et al., ICLR 2020", _settings(classifier="tau-normalised", epochs=0)),
    "ncm": SecondStageMethod("Kang et al., ICLR 2020", _settings(classifier="nearest-mean", epochs=0)),
    "mislas": SecondStageMethod(
        "Zhong et al., CVPR 2021",
        _settings(
            learns="both",
            classifier_rate=0.2,
            shift_batch_norm=True,
            loss="label-aware-smoothing",
            sampler="class-balanced",
            epochs=10,
            learning_rate=0.1,
            weight_decay=2e-4,
        ),
        batch_size=128,
        first_stage="mixup",
    ),
    "weight-balancing": SecondStageMethod(
        "Alshammari et al., CVPR 2022",
        _settings(
            learns="classifier",
            max_norm=0.1,
            loss="class-balanced",
            epochs=10,
            learning_rate=0.01,
            weight_decay=0.1,
        ),
        batch_size=64,
        first_stage="ce-weight-decay",
    ),
    "disalign": SecondStageMethod(
        "Zhang et al., CVPR 2021",
        _settings(
            learns="calibration",
            loss="class-balanced",
            loss_arguments=("beta=1.0", "power=1.2"),
            epochs=10,
            learning_rate=0.1,
        ),
        batch_size=256,
    ),
}


@naming_misspelt
def second_stage(first: RunFolder, name: str, **settings: Any) -> SecondStageConfig:
    """The configuration of a second stage: data, network and seed of the first, the rest as its paper has it.

    Args:
        first: the run that it starts from, complete.
        name: a key of `SECOND_STAGES`.
        **settings: any field of `SecondStageConfig`.

    Raises:
        TypeError: a setting of no second stage.
        ValueError: no second stage of that name, a setting that runs on these data do not have, a first stage that is
            not complete, or whose classifier does not suit the method.

    Example:
        >>> import tempfile
        >>> from longtail.recipes import digits_lt
        >>> from longtail.training import run_experiment
        >>> first = run_experiment(digits_lt(loss="ce", epochs=1), data=None, out=tempfile.mkdtemp() + "/run")
        >>> config = second_stage(first, "crt", epochs=5)
        >>> config.model, config.learns, config.sampler, config.epochs
        ('resnet8-cifar', 'classifier', 'class-aware', 5)
    """
    result = complete_result("first", first)
    check_choice("method", name, list(SECOND_STAGES))
    _check_head(first, name)
    method, config = SECOND_STAGES[name], stored_config(first)
    kind = cast(type[SecondStageConfig], config_class("second-stage", config.dataset))
    _check_known(settings, kind, config.dataset)
    shared = {field.name for owner in (TrainingConfig, data_config(config.dataset)) for field in fields(owner)}
    kept = {name: getattr(config, name) for name in shared - {"stage", *OF_THE_FIRST_STAGE}}
    plain = {"loss": "ce", "loss_arguments": (), "sampler": "shuffle", "mixing": "none", "reweight_from": 0}
    machine = {"device": "auto", "threads": None, "processes": None}  # as this process finds it
    on_this_data = LARGE_SECOND_STAGES.get(config.dataset, {}).get(name, {})
    of_the_paper = {**method.settings, **on_this_data}
    changes: dict[str, Any] = {**plain, **machine, "warmup_epochs": 0, "weight_decay": 5e-4, **of_the_paper}
    usual = on_this_data.get("batch_size", method.batch_size)
    batch_size = settings.get("batch_size", on_this_data.get("batch_size", config.batch_size))
    check_integer("batch_size", batch_size, minimum=1)
    of_a_step = min(batch_size, sum(result["class_counts"]))  # data smaller than a batch make one batch
    for rate in ("learning_rate", "meta_learning_rate"):
        if rate in of_the_paper and rate not in settings:
            changes[rate] = of_the_paper[rate] * of_a_step / usual
    changes.setdefault("features", _features(config))
    made = kind(**(kept | changes | settings), second_stage=name, first_stage=checksum(first))
    if "views" in settings:
        _check_views(made, of_features=first.of_features)
    return made


def _check_known(settings: Mapping[str, Any], kind: type[SecondStageConfig], dataset: str) -> None:
    known = [field.name for field in fields(kind)]
    check_keywords("second_stage", settings, [*known, *(field.name for field in fields(OwnSecondStageConfig))])
    for name, value in settings.items():
        if name not in known:
            raise ValueError(
                f"`{name}` must be left out for {dataset}, whose runs have no such setting. Got {value!r}."
            )


def _check_views(config: SecondStageConfig, *, of_features: bool) -> None:
    """Raise where `views` would be ignored."""
    augmented = bool(config.augmentations) or getattr(config, "augment", "none") != "none"
    if not of_features and (config.features == "each-step" or config.shift_batch_norm):
        why = "each step augments its images again and passes them through the network"
    elif config.learns == "nothing" and config.features == "computed":
        why = "nothing is trained on augmented copies"
    elif config.views > 1 and (of_features or not augmented):
        why = "training samples are not augmented, so all copies would be the same"
    else:
        return
    raise ValueError(
        f"`views` must be left out for {config.second_stage} on {config.dataset}: {why}. Got {config.views}."
    )


def _features(config: TrainingConfig) -> str:
    """Those of small images are computed for each run; of the user's own data they are kept, as the first stage's.

    A second stage after another one on features has them standardised as that has.
    """
    if data_config(config.dataset) is DataConfig:
        return "computed"
    standardised = config.stage == "features" or getattr(config, "features", None) == "standardised"
    return "standardised" if standardised else "kept"


def _check_head(first: RunFolder, name: str) -> None:
    head, linear = head_of(first)["classifier"], [key for key, method in SECOND_STAGES.items() if _needs_linear(method)]
    if head != "linear" and name in linear:
        others = [key for key in SECOND_STAGES if key not in linear]
        raise ValueError(
            f"`method` must be {', '.join(others[:-1])} or {others[-1]} for a network without a linear classifier. "
            f"Got {name}, and {first.path} ends with a {head} classifier. Pass --method {others[0]}."
        )


def _needs_linear(method: SecondStageMethod) -> bool:
    return method.settings.get("classifier", "kept") in ("kept", "tau-normalised")
