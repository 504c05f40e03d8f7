"""Outputs of an ONNX graph: renaming the tensor behind an output, and declaring new outputs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, ValueInfoProto


def every_graph(graph: "GraphProto") -> Iterator["GraphProto"]:
    """A graph and those inside its nodes (branches and bodies of loops)."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                yield from every_graph(inner)


def take_over(graph: "GraphProto", output: str, new_name: str) -> str:
    """Rename the tensor behind an output wherever it is used, so that another tensor can become the output.

    Returns:
        The new name.

    Raises:
        ValueError: no node makes it.
    """
    if not any(output in node.output for node in graph.node):
        raise ValueError(f"The output {output!r} must be made by a node. It is an input or a constant of the model.")
    for part in every_graph(graph):
        for node in part.node:
            for names in (node.input, node.output):
                for place, name in enumerate(names):
                    if name == output:
                        names[place] = new_name
    return new_name


def output_of(graph: "GraphProto", name: str) -> "ValueInfoProto":
    """The declaration of an output."""
    found: ValueInfoProto = next(value for value in graph.output if value.name == name)
    return found


def declare_output(graph: "GraphProto", name: str, kind: int, like: str, axes: int) -> None:
    """Declare an output.

    Args:
        graph: changed in place.
        name: of the output.
        kind: its `TensorProto.DataType`.
        like: an output whose first sizes it has.
        axes: number of these sizes.
    """
    added = graph.output.add(name=name)
    added.type.tensor_type.elem_type = kind
    shape = output_of(graph, like).type.tensor_type.shape.dim
    added.type.tensor_type.shape.dim.extend(shape[:axes] if len(shape) >= axes else [])
    if len(shape) < axes:
        added.type.tensor_type.ClearField("shape")


def free_name(graph: "GraphProto", name: str, otherwise: str) -> str:
    """`name`, or `otherwise` if the graph has a tensor of that name.

    Raises:
        ValueError: both are taken.
    """
    taken = {value.name for value in [*graph.input, *graph.initializer]}
    for part in every_graph(graph):
        taken.update(output for node in part.node for output in node.output)
    for possible in (name, otherwise):
        if possible not in taken:
            return possible
    raise ValueError(f"The model must have no tensor called {otherwise!r}. Rename it: the fixed output is called that.")
