"""Which of the user's own data a run takes, and how images are brought to the size of the network."""

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from longtail.arguments import check_choice, check_fraction, check_integer
from longtail.data.config import DataConfig

ON_DEVICE = ("light", "imagenet", "randaugment-n2-m10")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


@dataclass(frozen=True, kw_only=True)
class OwnDataConfig(DataConfig):
    """Folders, lists, tables, arrays and data set objects, as `longtail.data.read_data` takes them.

    Raises:
        ValueError, TypeError: a setting outside what its line says.

    Example:
        >>> OwnDataConfig(val="val.csv", label="species").augment
        'none'
        >>> OwnDataConfig(validation=0.5, test_share=0.5)
        Traceback (most recent call last):
        ValueError: `validation` and `test_share` must leave samples to train on. Got 0.5 and 0.5.
    """

    dataset: str = "own"
    """The source: the user's own data."""
    imbalance: float | None = None
    """None: the tail is that of the data."""
    validation: float = 0.15
    """Share of the training samples that is held out for validation where no validation samples are given."""
    test_share: float = 0.2
    """Share of the training samples that is held out for the test where no test samples are given."""
    root: str | None = None
    """Folder that the paths of a list or table are relative to; by default that of the file."""
    val: str | None = None
    """Validation samples, in one of the forms that training samples have."""
    test: str | None = None
    """Test samples, likewise."""
    groups: str | None = None
    """A table of paths and groups; samples of one group stay in one part."""
    path_column: str | None = None
    """Column of a table that holds the paths; suffix of the images in tar shards, such as left.jpg."""
    label: str | None = None
    """Column of a table, array of a file, or suffix or JSON field in tar shards, that holds the labels."""
    split: str | None = None
    """Column of a table, or JSON field in tar shards, that names the part of each row."""
    group: str | None = None
    """Column of a table, or JSON field in tar shards, that names the group of each row."""
    on_bad_file: Literal["fail", "skip"] = "fail"
    """What to do about files that can't be decoded: fail, before any training where they are bad then; or leave them
    out and say so."""
    augment: Literal["none", "light", "randaugment", "trivial", "imagenet", "randaugment-n2-m10"] = "none"
    """How training images are augmented as their files are decoded: light (random resized crop, flip), randaugment
    (these and RandAugment of timm), trivial (these and TrivialAugment of torchvision), imagenet (a crop of 8 % of the
    area or more, flip, colour jitter), randaugment-n2-m10 (that crop, flip and two operations of RandAugment), or
    none."""
    augment_on: Literal["workers", "device"] = "workers"
    """Where training images are augmented: "workers", each as its file is decoded, from all of its pixels; or "device",
    whole batches of images decoded to 8/7 of `size`, which spares the CPU (for light, imagenet, randaugment-n2-m10)."""
    workers: int | None = None
    """Processes that decode and augment training images ahead of the step; 0 does so between the steps. By default 0 on
    a CPU, whose cores train, and with a GPU as many as there are cores, at most 8. No result depends on it."""
    size: int | None = None
    """Height and width of the images in pixels; by default those of the network."""
    crop_pct: float | None = None
    """Share of the resized image that the centre crop keeps; by default that of the network."""
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] | None = None
    """Of resizing; by default that of the network."""
    mean: tuple[float, ...] = ()
    """Subtracted from the channels, which lie in [0, 1]; by default as the network has it."""
    std: tuple[float, ...] = ()
    """What the channels are then divided by; by default as the network has it."""

    OF_THE_PROCESS: ClassVar[tuple[str, ...]] = ("workers",)
    PATHS: ClassVar[tuple[str, ...]] = ("root", "val", "test", "groups")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dataset == "own":
            self._check_left_out()
        check_fraction("test_share", self.test_share)
        if self.validation + self.test_share >= 1:
            raise ValueError(
                "`validation` and `test_share` must leave samples to train on. "
                f"Got {self.validation!r} and {self.test_share!r}."
            )
        if self.augment_on == "device" and self.augment not in ON_DEVICE:
            raise ValueError(
                f'`augment` must be one of {", ".join(ON_DEVICE)} with `augment_on` "device". Got {self.augment!r}.'
            )
        if self.workers is not None:
            check_integer("workers", self.workers, minimum=0)
        if self.size is not None:
            check_integer("size", self.size, minimum=8)
        if self.interpolation is not None:
            check_choice("interpolation", self.interpolation, INTERPOLATIONS)
        if self.crop_pct is not None:
            check_fraction("crop_pct", self.crop_pct)
            if self.crop_pct == 0:
                raise ValueError("`crop_pct` must be greater than 0. Got 0.")

    def completed(self) -> Self:
        """The configuration itself, which must say how images are brought to the network.

        Raises:
            ValueError: it does not.
        """
        for name in ("size", "mean", "std"):
            if not getattr(self, name):
                raise ValueError(f"`{name}` must be given for images without a network that prefers one. Got none.")
        return self

    def _check_left_out(self) -> None:
        """Settings of data sets with a long tail of their own making say nothing here."""
        for name, default in (("imbalance", None), ("profile", "exp"), ("validation_per_class", 0), ("shrink", 1)):
            if (value := getattr(self, name)) != default:
                hint = " `size` sets the size of the images." if name == "shrink" else ""
                raise ValueError(f"`{name}` must be left out for your own data. Got {value!r}.{hint}")

    def _check_channels(self) -> None:
        if self.mean or self.std:
            super()._check_channels()
        if self.dataset == "own" and len(self.mean) == 1:
            raise ValueError(f"`mean` and `std` must hold 3 values: images are read in colour. Got {self.mean!r}.")
