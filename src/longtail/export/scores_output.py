"""Finds the output of an ONNX classifier with its logits or probabilities."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto


def find_scores(model: "ModelProto", num_classes: int, takes: str, output: str | None = None) -> str:
    """The name of the floating point output (N, C).

    Args:
        model: the model.
        num_classes: C.
        takes: "logits" or "probabilities", for messages.
        output: its name, if it is given.

    Raises:
        ValueError: the named output can't be it, or not exactly one output of the model can.
    """
    outputs = list(model.graph.output)
    every = ", ".join(map(describe, outputs))
    if output is not None:
        named = [one for one in outputs if one.name == output]
        if not named:
            raise ValueError(f"`output` must be an output of the model. Got {output!r}; it has {every}.")
        if not _could_be(named[0], num_classes):
            raise ValueError(
                f"`output` must hold {takes} (N, {num_classes}), of float, double or float16. "
                f"Got {describe(named[0])}.{_advice(outputs, num_classes)}"
            )
        return output
    possible = [one for one in outputs if _could_be(one, num_classes)]
    if not possible:
        raise ValueError(
            f"The model must have an output of {takes} (N, {num_classes}), of float, double or float16. "
            f"It has {every}.{_advice(outputs, num_classes)}"
        )
    if len(possible) > 1:
        raise ValueError(f"Several outputs could hold the {takes}: {every}. Name one with --output.")
    return str(possible[0].name)


def describe(value: "ValueInfoProto") -> str:
    """An output as "logits (float N × 10)"."""
    from onnx import TensorProto

    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return f"{value.name} ({str(kind).removesuffix('_type')})"
    tensor = value.type.tensor_type
    sizes = [str(size.dim_value or size.dim_param or "?") for size in tensor.shape.dim]
    shape = " × ".join(sizes) if tensor.HasField("shape") else "of any shape"
    return f"{value.name} ({TensorProto.DataType.Name(tensor.elem_type).lower()} {shape})"


def _could_be(value: "ValueInfoProto", num_classes: int) -> bool:
    from onnx import TensorProto

    tensor = value.type.tensor_type
    if tensor.elem_type not in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16):
        return False
    if not tensor.HasField("shape"):
        return True
    sizes = [size.dim_value for size in tensor.shape.dim]
    return len(sizes) == 2 and sizes[1] in (0, num_classes)


def _advice(outputs: "list[ValueInfoProto]", num_classes: int) -> str:
    if any(value.type.WhichOneof("value") == "sequence_type" for value in outputs):
        return " A sequence of maps is what skl2onnx writes by default: convert with options={'zipmap': False}."
    if num_classes == 2 and any(
        [size.dim_value for size in value.type.tensor_type.shape.dim][1:] in ([], [1]) for value in outputs
    ):
        return " One score for two classes? The model must give both: for a sigmoid output z the logits (0, z)."
    return ""
