"""Decisions and probabilities in place of the logits of an ONNX graph."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from longtail.export.fix_graph import GraphWriter, add_fix, add_labels, names_as_labels
from longtail.repair import Fix

if TYPE_CHECKING:
    from onnx import ModelProto

CLASS, CLASS_NAME, PROBABILITIES = "class", "class_name", "probabilities"


def without_a_fix(num_classes: int, class_names: Sequence[str] | None) -> Fix:
    """The most probable class and the softmax, as a fix that changes nothing."""
    names = tuple(map(str, range(num_classes))) if class_names is None else tuple(class_names)
    if len(names) != num_classes:
        raise ValueError(f"`class_names` must hold {num_classes} names, one for each logit. Got {len(names)}.")
    zeros, even = np.zeros(num_classes), np.full(num_classes, 1 / num_classes)
    return Fix(zeros, 1.0, zeros, even, names, "accuracy", "none")


def give_probabilities(model: "ModelProto", fix: Fix, logits: str) -> None:
    """Replace the one output, logits (N, C), by `class`, `class_name` and `probabilities`."""
    from onnx import TensorProto, helper

    graph = model.graph
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    batch = graph.output[0].type.tensor_type.shape.dim[0].dim_param or "N"
    writer = GraphWriter(graph)
    scores = logits
    if fix.takes == "probabilities":
        scores = writer.add("Softmax", writer.add("Cast", logits, to=TensorProto.DOUBLE), axis=1)
    fixed = add_fix(writer, fix, scores, opset)
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
    """Probabilities (N, C), and what the decision maximises: logits + offset, or minus the expected cost."""
    scores = torch.from_numpy(logits).double()
    given = (scores.softmax(1) if fix.takes == "probabilities" else scores).numpy()
    probabilities = fix.predict_proba(given)
    return probabilities, fix(given) if fix.cost is None else -(probabilities @ fix.cost)
