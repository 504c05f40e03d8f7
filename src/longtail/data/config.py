"""Which data a run takes: the settings that a source of splits reads, checked before any work starts."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args, get_origin, get_type_hints

from longtail.arguments import check_choice, check_fraction, check_integer, check_positive, check_strength

Switch = Literal["auto", "on", "off"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The data of a run: a data set, and how its training samples are selected and normalised.

    Raises:
        ValueError, TypeError: a setting outside what its line says.

    Example:
        >>> DataConfig(dataset="cifar10", imbalance=50).profile
        'exp'
        >>> DataConfig(dataset="cifar10", imbalance=0.5)
        Traceback (most recent call last):
        ValueError: `imbalance` must be at least 1, largest over smallest class. Got 0.5. Did you mean 2?
    """

    dataset: str = "cifar100"
    """Which images: a name of `longtail.data.SOURCES`."""
    imbalance: float | None = 100.0
    """Imbalance factor: samples of the largest class over samples of the smallest, at least 1; None takes all."""
    profile: Literal["exp", "step"] = "exp"
    """How the class sizes fall: exponentially, or in one step."""
    subset_seed: int = 0
    """Which samples the long-tailed subset keeps; 0 gives the subset that the field compares on."""
    validation: float = 0.0
    """Share of each class that is held out of training, rounded up; a class of one sample gives none."""
    validation_per_class: int = 0
    """Images per class of a balanced validation set: of those that the long-tailed subset of CIFAR leaves out, and of
    those that it keeps where too few are left out."""
    shrink: int = 1
    """Factor by which the sides of the images are shortened, by averaging."""
    mean: tuple[float, ...] = (0.4914, 0.4822, 0.4465)
    """Subtracted from the channels, which lie in [0, 1]; one value per channel."""
    std: tuple[float, ...] = (0.2023, 0.1994, 0.2010)
    """What the channels are then divided by; one value per channel."""
    channels_last: Switch = "auto"
    """Memory format of images and weights; auto is on."""

    OF_THE_PROCESS: ClassVar[tuple[str, ...]] = ()
    """Settings that no result depends on."""
    PATHS: ClassVar[tuple[str, ...]] = ()
    """Settings that name files of the data: they may move, as the data may."""

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            if get_origin(hint) is Literal:
                check_choice(name, getattr(self, name), get_args(hint))
        from longtail.data.sources import find_source  # sources read this module

        find_source(self.dataset)
        check_integer("shrink", self.shrink, minimum=1)
        check_integer("validation_per_class", self.validation_per_class, minimum=0)
        self._check_subset()
        self._check_channels()

    def located(self) -> Self:
        """The configuration with absolute paths, which also hold in another working directory."""
        given = [(name, getattr(self, name)) for name in self.PATHS]
        absolute: dict[str, Any] = {name: str(Path(path).absolute()) for name, path in given if path is not None}
        return dataclasses.replace(self, **absolute)

    def completed(self) -> Self:
        """The configuration with what it leaves open about images taken from the network."""
        return self

    def _check_subset(self) -> None:
        check_integer("subset_seed", self.subset_seed, minimum=0)
        if self.subset_seed >= 2**32:
            raise ValueError(f"`subset_seed` must be below 2^32. Got {self.subset_seed}.")
        if self.imbalance is not None:
            check_positive("imbalance", self.imbalance)
            if self.imbalance < 1:
                raise ValueError(
                    f"`imbalance` must be at least 1, largest over smallest class. Got {self.imbalance!r}. "
                    f"Did you mean {1 / self.imbalance:g}?"
                )
        check_fraction("validation", self.validation)
        if self.validation > 0.5:
            raise ValueError(f"`validation` must be at most 0.5 of each class. Got {self.validation!r}.")
        if self.validation and self.validation_per_class:
            raise ValueError(
                "`validation` must be 0 with `validation_per_class`, which holds out images of its own. "
                f"Got {self.validation!r} and {self.validation_per_class}."
            )

    def _check_channels(self) -> None:
        for name in ("mean", "std"):
            if not isinstance(getattr(self, name), tuple):
                raise TypeError(f"`{name}` must be a tuple. Got {getattr(self, name)!r}.")
            if len(getattr(self, name)) not in (1, 3):
                raise ValueError(f"`{name}` must hold 3 values, or 1 for grey images. Got {getattr(self, name)!r}.")
        if len(self.mean) != len(self.std):
            raise ValueError(f"`std` must hold as many values as `mean`, {len(self.mean)}. Got {len(self.std)}.")
        for value in self.mean:
            check_strength("mean", value)
        for value in self.std:
            check_positive("std", value)
