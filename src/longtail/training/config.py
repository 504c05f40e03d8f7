"""The configuration of a run: every setting that its result depends on, checked before any work starts."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args, get_type_hints

from longtail.arguments import check_choice, check_integer, check_size, check_strength
from longtail.data.config import Switch
from longtail.losses.catalogue import CALLER_S_OWN, find_loss, parse_arguments
from longtail.samplers import SAMPLERS
from longtail.training.optimiser_config import OptimiserConfig

MOST_EPOCHS = 1_000_000
Augmentation = Literal["crop", "flip", "auto_augment", "cutout"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(OptimiserConfig):
    """A run on small images. The defaults are a plain recipe; `longtail.recipes` has those of papers.

    Raises:
        ValueError, TypeError: a setting out of its range.

    Example:
        >>> TrainingConfig(epochs=0)
        Traceback (most recent call last):
        ValueError: `epochs` must be at least 1. Got 0.
    """

    stage: str = "scratch"
    """How the network is trained: a name of `longtail.training.STAGES`."""
    model: str = "resnet32-cifar"
    """The network without its classifier: resnet8-cifar to resnet56-cifar, a model of timm, or
    package.module:function."""
    pretrained: bool | None = None
    """Start from the weights that timm has for the model; by default where the recipe trains on its features or
    fine-tunes it, and no other weights are given."""
    weights: str | None = None
    """Start from a file of weights (.safetensors, .pt), of the whole network or of the backbone."""
    loss: str = "gala"
    """Name of the loss, such as ce, balanced-softmax, ldam, gala; an unknown name lists them all."""
    loss_arguments: tuple[str, ...] = ()
    """Arguments of the loss, such as lambda_positive=1.0; the others are those of its paper."""
    reweight_from: int = 0
    """Epoch from which the loss gets class-balanced weights (deferred re-weighting, DRW); 0 is never."""
    sampler: str = "shuffle"
    """How images are drawn: shuffle (each once per epoch), class-aware, class-balanced, square-root, progressive or
    effective-number."""
    epochs: int = 200
    """Passes over the training set."""
    batch_size: int = 64
    """Samples per step, over all processes; the last partial batch of an epoch is dropped."""
    augmentations: tuple[Augmentation, ...] = ("crop", "flip")
    """In this order: crop (an eighth of the side as padding), flip, auto_augment (CIFAR-10 policy), cutout (half the
    side)."""
    mixing: Literal["none", "mixup", "cutmix", "remix", "cmo"] = "none"
    """How the images of a batch and their labels are mixed: in pairs, or (cmo) with boxes of class-balanced images."""
    mixing_alpha: float = 1.0
    """α > 0 of the Beta distribution of an image's share in its pair; 1 is uniform."""
    contrastive: float = 0.0
    """Weight of contrastive learning beside the loss, such as 0.35. Each image comes in three augmented views, so that
    a step takes three times the time; 0 is none."""
    contrastive_loss: Literal["balanced", "probabilistic"] = "balanced"
    """How views are contrasted: with each other and learnt centres of the classes (balanced, BCL), or with
    distributions of the classes (probabilistic, ProCo, whose paper has a weight of 1)."""
    contrastive_temperature: float = 0.07
    """Temperature of the contrastive loss, by which similarities are divided."""
    seed: int = 0
    """Seed of the initial weights, the order of samples and the augmentation."""
    evaluate_every: int = 10
    """Epochs between two evaluations on the test set, which do not affect training; 0 evaluates the last epoch only."""
    many_above: int = 100
    """Classes with more training samples than this are "many"."""
    few_below: int = 20
    """Classes with fewer training samples than this are "few"."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes a GPU if there is one."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """bfloat16 and float16 are autocast over float32 weights, float16 with a scaled loss; auto takes bfloat16 where it
    is faster on this machine."""
    compile: Switch = "auto"
    """Use torch.compile; auto is off, since no speed-up was measured."""
    threads: int | None = None
    """CPU threads; by default as many as PyTorch takes."""
    processes: int | None = None
    """Processes that share each batch; by default as many as torchrun started."""

    LEAST_EPOCHS: ClassVar[int] = 1
    ONE_BATCH_WILL_DO: ClassVar[bool] = False
    """Whether data smaller than a batch make one batch instead of an error."""
    BATCH_SIZE_MAY_BE_OPEN: ClassVar[bool] = False
    """Whether `batch_size` may be 0, to be chosen by the number of samples."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pretrained and self.weights is not None:
            raise ValueError(f"`weights` must be left out with `pretrained`. Got {self.weights!r}.")
        find_loss(self.loss)
        check_choice("sampler", self.sampler, ["shuffle", *SAMPLERS])
        check_integer("batch_size", self.batch_size, minimum=0 if self.BATCH_SIZE_MAY_BE_OPEN else 1)
        check_integer("epochs", self.epochs, minimum=self.LEAST_EPOCHS)
        for name in ("evaluate_every", "reweight_from", "many_above", "few_below"):
            check_integer(name, getattr(self, name), minimum=0)
        check_integer("seed", self.seed, minimum=0)
        if self.seed >= 2**32:
            raise ValueError(f"`seed` must be below 2^32. Got {self.seed}.")
        for name in ("threads", "processes"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), minimum=1)
        if self.batch_size and self.accumulate > self.batch_size:
            raise ValueError(
                f"`accumulate` must be at most `batch_size`, {self.batch_size}: parts hold a sample each. "
                f"Got {self.accumulate}."
            )
        if self.epochs > MOST_EPOCHS:
            raise ValueError(f"`epochs` must be at most {MOST_EPOCHS:,}. Got {self.epochs}.")
        for name in ("augmentations", "loss_arguments"):
            if not isinstance(getattr(self, name), tuple):
                raise TypeError(f"`{name}` must be a tuple. Got {getattr(self, name)!r}.")
        check_size("mixing_alpha", self.mixing_alpha)
        self._check_contrastive_settings()
        for name in self.augmentations:
            check_choice("augmentations", name, get_args(Augmentation))
        for name in parse_arguments(self.loss_arguments):
            if name in CALLER_S_OWN:
                raise ValueError(f"`loss_arguments` must leave {', '.join(CALLER_S_OWN)} to the loop. Got {name!r}.")

    def _check_contrastive_settings(self) -> None:
        check_strength("contrastive", self.contrastive)
        check_choice("contrastive_loss", self.contrastive_loss, ["balanced", "probabilistic"])
        check_size("contrastive_temperature", self.contrastive_temperature)
        if self.contrastive:
            self._check_contrast()
        elif self.contrastive_loss != "balanced":
            raise ValueError(
                '`contrastive_loss` must be "balanced" without `contrastive`, which is its weight. '
                f"Got {self.contrastive_loss!r}. Pass --contrastive 1 too, or leave --contrastive-loss out."
            )

    def _check_contrast(self) -> None:
        """Raise unless the views of a sample differ, and are of one class."""
        if self.mixing != "none":
            raise ValueError(
                '`mixing` must be "none" with `contrastive`, which needs views of one class. '
                f"Got {self.mixing!r}. Pass --mixing none, or --contrastive 0."
            )
        if not self.augmentations and getattr(self, "augment", "none") == "none":
            raise ValueError(
                "`contrastive` must be 0 without `augmentations` or `augment`, by which the views of a sample differ. "
                f"Got {self.contrastive}. Pass --augmentations crop flip, or --contrastive 0."
            )

    @staticmethod
    def model_of(stored: Mapping[str, Any]) -> str:
        """The name of the model in a stored configuration; older ones have the depth of a ResNet instead."""
        return str(stored["model"]) if "model" in stored else f"resnet{stored['depth']}-cifar"

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """A stored configuration; fields that it does not have take their defaults.

        Raises:
            ValueError: it has settings that this version does not know.
        """
        if "depth" in stored:
            stored = {"model": cls.model_of(stored), **{k: v for k, v in stored.items() if k != "depth"}}
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(stored) - known):
            raise ValueError(f"`config` must hold known settings. Got {', '.join(unknown)}. From a newer longtail?")
        for name, hint in get_type_hints(cls).items():
            if name in stored and hint in (str, str | None) and not isinstance(stored[name], hint):
                raise ValueError(f"`{name}` must be text. Got {stored[name]!r}.")
        settings: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in stored.items()}
        return cls(**settings)
