"""A fix as nodes of an ONNX graph, in float64, so that its decisions are bit-identical to those of `Fix`."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from longtail.posthoc.probability_rows import EXACT
from longtail.repair import Fix

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

AXES_ARE_INPUTS = {"ReduceMax": 18, "ReduceSum": 13}  # since these opsets


class Fixed(NamedTuple):
    """Names of tensors in the graph.

    Attributes:
        decision: (N,) int64, class indices.
        probabilities: (N, C) float64, those of the fix.
        corrected: (N, C) float64, logits + offset; `None` for a decision by costs.
    """

    decision: str
    probabilities: str
    corrected: str | None


class GraphWriter:
    """Appends nodes and constants to a graph.

    Args:
        graph: changed in place.
        prefix: of all names that are added.
    """

    def __init__(self, graph: "GraphProto", prefix: str = "longtail/") -> None:
        self.graph = graph
        self.prefix = prefix
        self._count = 0

    def add(self, operation: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Append a node and return the name of its output."""
        from onnx import helper

        name = output or self._name(operation)
        self.graph.node.append(
            helper.make_node(operation, inputs, [name], name=self._name(f"node_{operation}"), **attributes)
        )
        return name

    def constant(self, values: np.ndarray) -> str:
        """Append a constant and return its name."""
        from onnx import numpy_helper

        name = self._name("constant")
        self.graph.initializer.append(numpy_helper.from_array(values, name))
        return name

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{self.prefix}{kind}_{self._count}"


def opset_of(model: "ModelProto") -> int:
    """The version of ONNX's own operators that a model uses."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def add_fix(writer: GraphWriter, fix: Fix, scores: str, opset: int) -> Fixed:
    """Append the nodes that decide as `fix.predict` and give probabilities as `fix.predict_proba`.

    Args:
        writer: of the graph.
        fix: with its classes in the order of the scores.
        scores: the name of a tensor (N, C) of any floating type, with logits or probabilities as the fix takes.
        opset: of the graph, at least 9.
    """
    from onnx import TensorProto

    add, constant = writer.add, writer.constant
    logits = add("Cast", scores, to=TensorProto.DOUBLE)
    if fix.takes == "probabilities":
        logits = add("Log", add("Max", _summing_to_one(writer, logits, opset), constant(np.array([fix.floor]))))
    centred = add("Sub", logits, _reduced(writer, "ReduceMax", logits, opset))
    scaled = add("Div", centred, constant(np.array([fix.temperature], np.float64)))
    probabilities = add("Softmax", add("Add", scaled, constant(_vector(fix.probability_offset))), axis=1)
    if fix.cost is not None:
        expected = add("MatMul", probabilities, constant(_vector(fix.cost)))
        return Fixed(add("ArgMin", expected, axis=1, keepdims=0), probabilities, None)
    corrected = add("Add", logits, constant(_vector(fix.offset)))
    return Fixed(add("ArgMax", corrected, axis=1, keepdims=0), probabilities, corrected)


def add_labels(writer: GraphWriter, labels: np.ndarray, index: str, output: str) -> str:
    """Append a look-up of labels (C,) by an index (N,), and return its output (N,)."""
    return writer.add("Gather", writer.constant(labels), index, output=output, axis=0)


def names_as_labels(fix: Fix) -> np.ndarray:
    """The class names as UTF-8, (C,), as ONNX has strings.

    Raises:
        ValueError: a name that is no valid Unicode.
    """
    try:
        return np.array([name.encode() for name in fix.class_names], dtype=object)
    except UnicodeEncodeError as error:
        raise ValueError(f"Class names must be valid Unicode. Got {error.object!r}.") from None


def _summing_to_one(writer: GraphWriter, probabilities: str, opset: int) -> str:
    """Divide rows by their sum unless it is 1, as `Fix` does with rounded ones. A graph can't refuse any row."""
    add, constant = writer.add, writer.constant
    total, one = _reduced(writer, "ReduceSum", probabilities, opset), constant(np.array([1.0]))
    exact = add("Less", add("Abs", add("Sub", total, one)), constant(np.array([EXACT])))
    return add("Div", probabilities, add("Where", exact, one, total))


def _reduced(writer: GraphWriter, operation: str, values: str, opset: int) -> str:
    """The maximum or sum of each row, (N, 1)."""
    if opset >= AXES_ARE_INPUTS[operation]:
        return writer.add(operation, values, writer.constant(np.array([1])), keepdims=1)
    return writer.add(operation, values, axes=[1], keepdims=1)


def _vector(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)
