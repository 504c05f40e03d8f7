"""The settings of a second stage: a classifier that is retrained on a finished run."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from longtail.arguments import check_fraction, check_integer, check_positive, check_strength
from longtail.data import OwnDataConfig
from longtail.losses.catalogue import find_loss
from longtail.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class SecondStageConfig(TrainingConfig):
    """A second stage, with data, network and machine of the first. `longtail.recipes` has the settings of papers.

    Raises:
        ValueError, TypeError: a setting out of its range.

    Example:
        >>> SecondStageConfig(epochs=10, classifier="new", learns="classifier").views
        4
    """

    stage: str = "second-stage"
    """How the network is trained."""
    second_stage: str = ""
    """Name of the method."""
    classifier: Literal["new", "kept", "tau-normalised", "nearest-mean"] = "kept"
    """The initial classifier: a new one, that of the first stage, or one computed from it or from its features."""
    learns: Literal["classifier", "scales", "both", "calibration", "nothing"] = "nothing"
    """What is trained: the classifier, one scale per class, both, or an adaptive calibration of its logits."""
    classifier_rate: float = 1.0
    """Learning rate of the classifier over that of the scales."""
    max_norm: float | None = None
    """Largest norm of a class's weights, between the smallest (0) and the largest (1) initial norm."""
    shift_batch_norm: bool = False
    """Whether the running statistics of batch norm keep learning."""
    meta_learning_rate: float | None = None
    """Learning rate of the sampling rates of classes (Meta Sampler); at 0 all samples stay equally likely. By default
    `sampler` draws the samples, and no rates are learnt."""
    meta_batch_size: int = 512
    """Number of class-balanced training samples from which the Meta Sampler learns in each step."""
    views: int = 4
    """Copies of each training image whose features are trained on; `features` says which are augmented. Ignored where
    images pass through the network in each step (`shift_batch_norm`, or `features` "each-step")."""
    features: Literal["computed", "kept", "standardised", "each-step"] = "computed"
    """Where the network is frozen: "computed", features of augmented copies are computed for this run, which is scored
    on images; "kept", features of all samples are cached between runs, the first copy being the image as it is;
    "standardised", these are also standardised by the training set, as those of the first stage are; "each-step",
    the images of each step are augmented again and pass through the network."""
    first_stage: str = ""
    """Checksum of the first stage's weights."""
    epochs: int = 10
    """Passes over the training set; 0 where nothing is trained."""

    LEAST_EPOCHS = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("classifier_rate", self.classifier_rate)
        check_integer("views", self.views, minimum=1)
        if self.max_norm is not None:
            check_fraction("max_norm", self.max_norm)
        if (self.epochs == 0) != (self.learns == "nothing"):
            raise ValueError(f"`epochs` must be 0 where nothing is trained, and only there. Got {self.epochs}.")
        if self.mixing != "none":
            raise ValueError(f'`mixing` must be "none" in a second stage. Got {self.mixing!r}.')
        if self.contrastive:
            raise ValueError(f"`contrastive` must be 0 in a second stage. Got {self.contrastive}.")
        if self.learns == "calibration":
            self._check_calibration()
        if self.classifier == "nearest-mean" and self.learns != "nothing":
            raise ValueError(f'`learns` must be "nothing" for class means, which are not trained. Got {self.learns!r}.')
        if find_loss(self.loss).head == "cosine":
            raise ValueError(f"`loss` must not need a cosine head in a second stage. Got {self.loss!r}.")
        check_integer("meta_batch_size", self.meta_batch_size, minimum=1)
        if self.meta_learning_rate is not None:
            check_strength("meta_learning_rate", self.meta_learning_rate)
            self._check_meta_sampler()

    def _check_meta_sampler(self) -> None:
        """Raise unless a classifier alone is trained, on features, with the loss of the paper."""
        needed: dict[str, object] = {
            "learns": "classifier",
            "sampler": "shuffle",
            "loss": "balanced-softmax",
            "reweight_from": 0,
            "shift_batch_norm": False,
        }
        for name, value in needed.items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"`{name}` must be {value!r} where `meta_learning_rate` is set (Meta Sampler). "
                    f"Got {getattr(self, name)!r}."
                )
        if self.features == "each-step":
            raise ValueError(
                "`features` must not be 'each-step' where `meta_learning_rate` is set (Meta Sampler): each batch is "
                'drawn only after the previous step, so images cannot be decoded ahead. Pass features="computed".'
            )

    def _check_calibration(self) -> None:
        """Raise unless the classifier is that of the first stage and stays unchanged."""
        if self.classifier != "kept":
            raise ValueError(
                '`classifier` must be "kept" where its logits are calibrated: only the calibration is trained. '
                f"Got {self.classifier!r}."
            )
        if self.max_norm is not None:
            raise ValueError(
                "`max_norm` must be None where logits are calibrated: the classifier weights stay as they are. "
                f"Got {self.max_norm}."
            )


@dataclass(frozen=True, kw_only=True)
class OwnSecondStageConfig(OwnDataConfig, SecondStageConfig):
    """A second stage on the user's own data; `longtail.recipes.second_stage` makes it for a finished run.

    Raises:
        ValueError, TypeError: a setting out of its range.

    Example:
        >>> config = OwnSecondStageConfig(classifier="nearest-mean", epochs=0, features="standardised", label="species")
        >>> config.stage, config.dataset, config.label
        ('second-stage', 'own', 'species')
    """

    ONE_BATCH_WILL_DO: ClassVar[bool] = True
