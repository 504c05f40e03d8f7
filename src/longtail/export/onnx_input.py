"""The input of an ONNX file: images as bytes, features, or any other tensor."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from longtail.export.metadata import FEATURE_NAMES, PREPROCESSING
from longtail.transforms import normalise

TRIED = 32
SCALES = (0.0, 1.0, 30.0)  # of the random features


class OnnxInput(Protocol):
    """The contract of an input.

    Attributes:
        name: of the input in the graph.
    """

    @property
    def name(self) -> str:
        """Of the input in the graph."""
        ...

    @property
    def free_axes(self) -> Mapping[int, str]:
        """Names of the axes that may have any size."""
        ...

    def batches(self) -> Iterator[Tensor]:
        """Inputs on which the file is compared with PyTorch; the first has at least 2 samples."""
        ...

    def before(self, network: nn.Module) -> nn.Module:
        """The network with the operations that precede it in the graph."""
        ...

    def metadata(self) -> dict[str, Any]:
        """Metadata of the file on its input, by key."""
        ...


@dataclass(frozen=True)
class ImageInput:
    """Images as bytes, uint8 (N, C, H, W), called `images`, which are normalised in the graph.

    Args:
        shape: (C, H, W).
        mean: C means of the channels, for pixels in [0, 1].
        std: C standard deviations of the channels.
        crop_pct: share of the resized image that the centre crop keeps, for the metadata.
        interpolation: of resizing, for the metadata.

    Raises:
        ValueError: a shape that is not (C, H, W), or another number of means or standard deviations.

    Example:
        >>> ImageInput((3, 32, 32), mean=[0.5] * 3, std=[0.25] * 3).name
        'images'
    """

    shape: Sequence[int]
    mean: Sequence[float]
    std: Sequence[float]
    crop_pct: float | None = None
    interpolation: str | None = None

    name = "images"

    def __post_init__(self) -> None:
        if not len(self.shape) == 3 or not len(self.mean) == len(self.std) == self.shape[0]:
            raise ValueError(
                "`shape` must be (C, H, W), and `mean` and `std` must hold C values. "
                f"Got {tuple(self.shape)}, {len(self.mean)} and {len(self.std)} values."
            )

    @property
    def free_axes(self) -> Mapping[int, str]:
        """The batch axis."""
        return {0: "N"}

    def batches(self) -> Iterator[Tensor]:
        """Noise: a batch of several images, and one of one image."""
        generator = torch.Generator().manual_seed(0)
        for number in (TRIED, 1):
            yield torch.randint(0, 256, (number, *self.shape), dtype=torch.uint8, generator=generator)

    def before(self, network: nn.Module) -> nn.Module:
        """The network with its normalisation before it."""
        return _FromBytes(network, self.mean, self.std)

    def metadata(self) -> dict[str, Any]:
        """How images are prepared."""
        known = {
            "input_shape": list(self.shape),
            "mean": list(self.mean),
            "std": list(self.std),
            "crop_pct": self.crop_pct,
            "interpolation": self.interpolation,
        }
        return {PREPROCESSING: {name: value for name, value in known.items() if value is not None}}


@dataclass(frozen=True)
class FeatureInput:
    """Features, float32 (N, D), called `features`, as they are in the training data.

    Args:
        num_features: D.
        names: (D,) of the columns, for the metadata.

    Raises:
        ValueError: another number of names.

    Example:
        >>> FeatureInput(2, names=["length", "weight"]).name
        'features'
    """

    num_features: int
    names: Sequence[str] | None = None

    name = "features"

    def __post_init__(self) -> None:
        if self.names is not None and len(self.names) != self.num_features:
            raise ValueError(f"`names` must hold {self.num_features} names. Got {len(self.names)}.")

    @property
    def free_axes(self) -> Mapping[int, str]:
        """The batch axis."""
        return {0: "N"}

    def batches(self) -> Iterator[Tensor]:
        """Noise of several scales, and a batch of one sample."""
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(TRIED, self.num_features, generator=generator)
        yield from [scale * noise for scale in SCALES]
        yield noise[:1]

    def before(self, network: nn.Module) -> nn.Module:
        """The network itself."""
        return network

    def metadata(self) -> dict[str, Any]:
        """The number of features, and their names if there are any."""
        return {PREPROCESSING: {"input_shape": [self.num_features]}, FEATURE_NAMES: self.names}


@dataclass(frozen=True)
class ExampleInput:
    """Any tensor that a network takes, such as token ids.

    Args:
        example: a batch of at least 2 samples; the file takes its dtype.
        name: of the input in the graph.
        free_axes: names of axes besides the batch that may have any size, such as {1: "length"}.

    Raises:
        ValueError: fewer than 2 samples, or an axis that the example does not have.

    Example:
        >>> ExampleInput(torch.zeros(2, 16, dtype=torch.int64), name="tokens", free_axes={1: "length"}).free_axes
        {0: 'N', 1: 'length'}
    """

    example: Tensor
    name: str = "inputs"
    free_axes: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.example.dim() < 1 or len(self.example) < 2:
            raise ValueError(f"`example` must hold at least 2 samples (N, …). Got {tuple(self.example.shape)}.")
        wrong = [axis for axis in self.free_axes if not 0 <= axis < self.example.dim()]
        if wrong:
            raise ValueError(f"`free_axes` must lie in [0, {self.example.dim()}). Got {wrong[0]}.")
        object.__setattr__(self, "free_axes", {0: "N", **self.free_axes})

    def batches(self) -> Iterator[Tensor]:
        """The example, its first sample, and the example shortened by one along each free axis."""
        yield self.example
        yield self.example[:1]
        for axis in self.free_axes:
            if axis > 0 and self.example.shape[axis] > 1:
                yield self.example.narrow(axis, 0, self.example.shape[axis] - 1).contiguous()

    def before(self, network: nn.Module) -> nn.Module:
        """The network itself."""
        return network

    def metadata(self) -> dict[str, Any]:
        """No metadata."""
        return {}


class _FromBytes(nn.Module):
    """A network with its normalisation before it."""

    shift: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        # normalise(0) is −mean/std and normalise(255) − normalise(0) is 1/std, with the rounding of normalise itself.
        black = torch.zeros(1, len(mean), 1, 1, dtype=torch.uint8)
        shift = normalise(black, mean, std)
        self.register_buffer("shift", shift)
        self.register_buffer("scale", (normalise(black + 255, mean, std) - shift) / 255)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of bytes."""
        logits: Tensor = self.network(images.float() * self.scale + self.shift)
        return logits
