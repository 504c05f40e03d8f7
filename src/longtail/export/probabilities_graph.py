"""Decisions and probabilities instead of logits as outputs of an ONNX graph."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from longtail.export.expected_outputs import expected_outputs
from longtail.export.fix_graph import GraphWriter, add_fix, add_labels, names_as_labels, opset_of
from longtail.repair import Fix

if TYPE_CHECKING:
    from onnx import ModelProto

CLASS, CLASS_NAME, PROBABILITIES = "class", "class_name", "probabilities"


def without_a_fix(num_classes: int, class_names: Sequence[str] | None) -> Fix:
    """A fix that changes nothing: it gives the most probable class and the softmax."""
    names = tuple(map(str, range(num_classes))) if class_names is None else tuple(class_names)
    if len(names) != num_classes:
        raise ValueError(f"`class_names` must hold {num_classes} names, one for each logit. Got {len(names)}.")
    zeros, even = np.zeros(num_classes), np.full(num_classes, 1 / num_classes)
    return Fix(zeros, 1.0, zeros, even, names, "accuracy", "none")


def give_probabilities(model: "ModelProto", fix: Fix, logits: str) -> None:
    """Replace the only output, logits (N, C), by `class`, `class_name` and `probabilities`."""
    from onnx import TensorProto, helper

    graph = model.graph
    batch = graph.output[0].type.tensor_type.shape.dim[0].dim_param or "N"
    writer = GraphWriter(graph)
    scores = logits
    if fix.takes == "probabilities":
        scores = writer.add("Softmax", writer.add("Cast", logits, to=TensorProto.DOUBLE), axis=1)
    fixed = add_fix(writer, fix, scores, opset_of(model))
    writer.add("Identity", fixed.decision, output=CLASS)
    add_labels(writer, names_as_labels(fix), fixed.decision, CLASS_NAME)
    writer.add("Cast", fixed.probabilities, output=PROBABILITIES, to=TensorProto.FLOAT)
    del graph.output[:]
    graph.output.extend(
        [
            helper.make_tensor_value_info(CLASS, TensorProto.INT64, [batch]),
            helper.make_tensor_value_info(CLASS_NAME, TensorProto.STRING, [batch]),
            helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, [batch, len(fix.class_names)]),
        ]
    )


def expected_of(fix: Fix, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`expected_outputs` for logits (N, C); a fix for probabilities gets their softmax."""
    scores = torch.from_numpy(logits).double()
    return expected_outputs(fix, (scores.softmax(1) if fix.takes == "probabilities" else scores).numpy())
