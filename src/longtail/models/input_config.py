"""What a network expects its images to be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class InputConfig:
    """Size, normalisation and resizing of the images that a network takes; `None` where it has no preference.

    Attributes:
        channels: of an image, 3 for colour.
        size: height and width in pixels.
        mean: of each channel, for pixels in [0, 1]; `None` means the statistics of the data set.
        std: likewise.
        interpolation: of resizing, as timm and torchvision name it.
        crop_pct: share of the resized image that the centre crop of evaluation keeps.

    Example:
        >>> from dataclasses import asdict
        >>> config = InputConfig(size=(128, 128), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
        >>> InputConfig.from_mapping(asdict(config)) == config
        True
    """

    channels: int = 3
    size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    interpolation: str = "bilinear"
    crop_pct: float = 1.0

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "InputConfig":
        """From what JSON made of it: lists become tuples."""
        arguments: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**arguments)
