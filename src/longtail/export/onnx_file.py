"""A network as an ONNX file that gives logits or probabilities, compared with PyTorch before it is kept."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from longtail.export.class_matching import match_classes
from longtail.export.expected_outputs import shortfall
from longtail.export.extra import of_the_extra
from longtail.export.fixed_network import fixed_network
from longtail.export.metadata import write_metadata
from longtail.export.onnx_input import OnnxInput
from longtail.export.probabilities_graph import CLASS, PROBABILITIES, expected_of, give_probabilities, without_a_fix
from longtail.export.source_text import check_finite
from longtail.repair import Fix
from longtail.whole_file import write_whole

if TYPE_CHECKING:
    from onnx import ModelProto

LOGITS = "logits"


def export_onnx(
    network: nn.Module,
    path: str | os.PathLike[str],
    inputs: OnnxInput,
    *,
    fix: Fix | None = None,
    probabilities: bool = False,
    class_names: Sequence[str] | None = None,
    assume_order: bool = False,
    tolerance: float = 1e-3,
) -> Path:
    """Write a network as ONNX.

    The file gives `logits`, float32 (N, C). With a fix they are (logits + offset) / temperature, so that the largest is
    the decision. With `probabilities` it gives instead `class`, int64 (N,), the decision of the fix; `class_name`,
    strings (N,); and `probabilities`, float32 (N, C), those of `fix.predict_proba`, or without a fix the softmax. The
    number of samples N is free. The metadata hold the class names, the fix and the preprocessing as JSON
    (`longtail.class_names`, `longtail.fix`, `longtail.preprocessing`, `longtail.feature_names`).

    Args:
        network: from inputs to logits (N, C), such as that of `longtail.training.trained_network`.
        path: of the file; replaced if it exists.
        inputs: describes the input: an `ImageInput`, a `FeatureInput` or an `ExampleInput`.
        fix: what `longtail fix` found. For logits it must be one that a linear layer can hold.
        probabilities: give decisions and the probabilities of the fix instead of logits.
        class_names: (C,) in the order of the logits; the fix is matched to them by name.
        assume_order: assume that classes of the fix are in the order of the logits if either has no names.
        tolerance: largest difference between logits of onnxruntime and PyTorch, relative to the largest logit if that
            is above 1. Probabilities may differ by this divided by the temperature of the fix.

    Returns:
        The path.

    Raises:
        ModuleNotFoundError: onnx, onnxscript or onnxruntime is missing.
        ValueError: the fix does not suit the network or its classes, or the file computes something else; no file is
            left then.

    Example:
        >>> import tempfile
        >>> from longtail.export import ImageInput
        >>> from longtail.models import CifarResNet
        >>> network, folder = CifarResNet(8, 10, in_channels=1).eval(), Path(tempfile.mkdtemp())
        >>> export_onnx(network, folder / "net.onnx", ImageInput((1, 8, 8), mean=[0.3], std=[0.3])).name
        'net.onnx'
    """
    onnx, onnxruntime, _ = map(of_the_extra, ("onnx", "onnxruntime", "onnxscript"))  # the exporter needs the third
    if fix is not None:
        check_finite(fix)
        classes = len(fix.class_names) if class_names is None else len(class_names)
        fix, _ = match_classes(fix, classes, class_names, "the network", assume_order=assume_order)
        class_names = fix.class_names
    model = inputs.before(network if fix is None or probabilities else fixed_network(network, fix)).eval()
    content = _converted(model, inputs)
    write_metadata(content, class_names, fix, inputs.metadata())
    applied = fix or without_a_fix(_num_classes(model, inputs), class_names)
    if probabilities:
        give_probabilities(content, applied, LOGITS)
        onnx.checker.check_model(content, full_check=True)
    written = content.SerializeToString()
    session = onnxruntime.InferenceSession(written, providers=["CPUExecutionProvider"])
    for batch in inputs.batches():
        with torch.no_grad():
            logits = model(batch).float().numpy()
        names = [output.name for output in session.get_outputs()]
        found = dict(zip(names, session.run(names, {inputs.name: batch.numpy()}), strict=True))
        _check(found, logits, applied if probabilities else None, tolerance)
    with write_whole(path) as file:
        file.write(written)
    return Path(path)


def _converted(model: nn.Module, inputs: OnnxInput) -> "ModelProto":
    """The model by PyTorch's exporter; axes that are not free have the size of the first batch."""
    example = next(inputs.batches())[:2]
    program = torch.onnx.export(
        model,
        (example,),
        dynamo=True,
        verbose=False,
        input_names=[inputs.name],
        output_names=[LOGITS],
        dynamic_shapes=({axis: torch.export.Dim(name) for axis, name in inputs.free_axes.items()},),
    )
    assert program is not None
    return program.model_proto


def _num_classes(model: nn.Module, inputs: OnnxInput) -> int:
    with torch.no_grad():
        return int(model(next(inputs.batches())[:2]).shape[1])


def _check(found: dict[str, np.ndarray], logits: np.ndarray, fix: Fix | None, tolerance: float) -> None:
    """Raise unless the outputs of the file are those of PyTorch and the fix."""
    allowed = tolerance * max(1.0, float(np.abs(logits).max()))
    if fix is None:
        _check_difference(LOGITS, found[LOGITS], logits, allowed)
        return
    expected, preferred = expected_of(fix, logits)
    _check_difference(PROBABILITIES, found[PROBABILITIES], expected, allowed / fix.temperature)
    behind = shortfall(preferred, found[CLASS])
    unit = 1.0 if fix.cost is None else float(np.abs(fix.cost).max()) / fix.temperature
    if not (behind <= 2 * allowed * unit).all():
        raise ValueError(
            f"The ONNX file must decide as the fix does. It does not for {int((behind > 0).sum())} of {len(behind)} "
            "samples."
        )


def _check_difference(name: str, found: np.ndarray, expected: np.ndarray, allowed: float) -> None:
    difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")
    if not difference <= allowed:
        raise ValueError(
            f"The ONNX file must give PyTorch's {name}. They differ by {difference:.3g}, and {allowed:.3g} is allowed. "
            "Nothing was written. Does the network use an operation that PyTorch's ONNX exporter translates wrongly?"
        )
