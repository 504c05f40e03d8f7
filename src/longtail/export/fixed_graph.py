"""A fix added to the graph of an ONNX classifier."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from longtail.export.fix_graph import GraphWriter, add_fix, add_labels, names_as_labels, opset_of
from longtail.export.graph_outputs import declare_output, free_name, output_of, take_over
from longtail.repair import Fix

if TYPE_CHECKING:
    from onnx import ModelProto

INITIALIZERS_ARE_NO_INPUTS = 4  # since this version of the IR, initializers need not be inputs
PREFIX = "longtail_fix/"


class Written(NamedTuple):
    """The names of the new outputs."""

    decision: str
    class_name: str
    probabilities: str


def append_fix(
    content: "ModelProto", fix: Fix, scores: str, labels: Mapping[str, np.ndarray], example: Mapping[str, np.ndarray]
) -> Written:
    """Add a fix behind the scores of a model, and replace the model's own decisions by those of the fix.

    Args:
        content: the model; changed in place.
        fix: with its classes in the order of the scores.
        scores: the output that the fix takes.
        labels: for each output with the model's own decision, the labels (C,) that it gives.
        example: outputs of the model for some inputs, by which the shapes of these outputs are known.
    """
    from onnx import TensorProto

    graph = content.graph
    content.ir_version = max(content.ir_version, INITIALIZERS_ARE_NO_INPUTS)
    kind = output_of(graph, scores).type.tensor_type.elem_type
    writer = GraphWriter(graph, PREFIX)
    names = [free_name(graph, name, f"fixed_{name}") for name in ("class", "class_name", "probabilities")]
    fixed = add_fix(writer, fix, take_over(graph, scores, f"{PREFIX}own_{scores}"), opset_of(content))
    if fix.takes == "probabilities":
        names[2] = scores
    elif fixed.corrected is None:
        writer.add("Identity", f"{PREFIX}own_{scores}", output=scores)
    else:
        writer.add("Cast", fixed.corrected, output=scores, to=kind)
    writer.add("Cast", fixed.probabilities, output=names[2], to=kind)
    writer.add("Identity", fixed.decision, output=names[0])
    add_labels(writer, names_as_labels(fix), fixed.decision, names[1])
    declare_output(graph, names[0], TensorProto.INT64, scores, 1)
    declare_output(graph, names[1], TensorProto.STRING, scores, 1)
    if names[2] != scores:
        declare_output(graph, names[2], kind, scores, 2)
    for output, values in labels.items():
        take_over(graph, output, f"{PREFIX}own_{output}")
        flat = example[output].ndim == 1
        found = add_labels(writer, values, fixed.decision, output if flat else f"{PREFIX}new_{output}")
        if not flat:
            writer.add("Reshape", found, writer.constant(np.array([-1, 1])), output=output)
    return Written(*names)
