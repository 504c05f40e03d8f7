"""A network as an ONNX file: bytes in, logits out, a fix folded in, and compared with PyTorch before it is kept."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from longtail.export.class_matching import match_classes
from longtail.export.extra import of_the_extra
from longtail.export.metadata import write_metadata
from longtail.repair import Fix
from longtail.transforms import normalise
from longtail.whole_file import write_whole

TRIED = 32


class _FromBytes(nn.Module):
    """A network with its normalisation before it."""

    shift: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        # normalise(0) is −mean/std and normalise(255) − normalise(0) is 1/std: its own numbers, as constants.
        black = torch.zeros(1, len(mean), 1, 1, dtype=torch.uint8)
        shift = normalise(black, mean, std)
        self.register_buffer("shift", shift)
        self.register_buffer("scale", (normalise(black + 255, mean, std) - shift) / 255)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of bytes."""
        logits: Tensor = self.network(images.float() * self.scale + self.shift)
        return logits


def export_onnx(
    network: nn.Module,
    path: str | os.PathLike[str],
    *,
    image_shape: tuple[int, int, int],
    mean: Sequence[float],
    std: Sequence[float],
    fix: Fix | None = None,
    class_names: Sequence[str] | None = None,
    assume_order: bool = False,
    tolerance: float = 1e-3,
) -> Path:
    """Write a network as ONNX.

    The file takes `images`, uint8 (N, C, H, W) with N free, and gives `logits`, float32 (N, classes). With a fix its
    temperature and offsets are in the last layer's numbers: the largest logit is the decision, at no cost. The file's
    metadata hold the class names, the fix and the preprocessing, each as JSON (`longtail.class_names`, `longtail.fix`,
    `longtail.preprocessing`).

    Args:
        network: from normalised images to logits; `longtail.training.trained_network` has one.
        path: of the file.
        image_shape: (C, H, W).
        mean: C values that were subtracted from channels in [0, 1].
        std: C values that these were divided by.
        fix: what `longtail fix` found; it must be foldable.
        class_names: in the order of the logits; the fix is matched to them by name.
        assume_order: take the classes of the fix to be in the order of the logits where either has no names.
        tolerance: how far onnxruntime's logits may lie from PyTorch's, on random images.

    Raises:
        ModuleNotFoundError: onnx, onnxscript or onnxruntime is missing.
        ValueError: a fix of other classes or that does not suit the network, or a file that computes something else;
            nothing is left then.

    Example:
        >>> from longtail.models import CifarResNet
        >>> network, folder = CifarResNet(8, 10, in_channels=1).eval(), Path(tempfile.mkdtemp())
        >>> export_onnx(network, folder / "net.onnx", image_shape=(1, 8, 8), mean=[0.3], std=[0.3]).name
        'net.onnx'
    """
    onnx, onnxruntime, _ = map(of_the_extra, ("onnx", "onnxruntime", "onnxscript"))  # the exporter needs the third
    if fix is not None:
        classes = len(fix.class_names) if class_names is None else len(class_names)
        fix, _ = match_classes(fix, classes, class_names, "the network", assume_order=assume_order)
        class_names = fix.class_names
    model = _FromBytes(network if fix is None else fix.fold_into(network), mean, std).eval()
    images = torch.randint(0, 256, (TRIED, *image_shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    program = torch.onnx.export(
        model,
        (images[:2],),
        dynamo=True,
        verbose=False,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
    )
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "model.onnx"
        assert program is not None
        program.save(str(written))
        described = onnx.load(written)
    write_metadata(described, class_names, fix, {"input_shape": image_shape, "mean": mean, "std": std})
    content = described.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = model(images).numpy()
    difference = float(np.abs(session.run(None, {"images": images.numpy()})[0] - expected).max())
    if not difference <= tolerance:
        raise ValueError(
            f"The ONNX file must give PyTorch's logits. They differ by {difference:.3g}; `tolerance` is {tolerance:g}."
        )
    with write_whole(path) as file:
        file.write(content)
    return Path(path)
