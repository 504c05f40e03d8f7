"""Class names in ONNX files, at the places where common tools write them."""

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longtail.export.metadata import own_class_names, read_metadata

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

LABELS = {"classlabels_strings", "classlabels_ints", "classlabels_int64s"}


def model_class_names(model: "ModelProto", path: Path, num_classes: int) -> tuple[tuple[str, ...], str] | None:
    """The class names in a model file, and where they were found; `None` if there are none.

    They are looked up in longtail's own metadata, `names` (Ultralytics) and `id2label` (Hugging Face) in the metadata,
    `id2label` in a config.json beside the file, and the labels of scikit-learn's models (skl2onnx). Placeholders such
    as 0, 1, 2 are returned only if there are no names anywhere.

    Args:
        model: the model.
        path: of its file.
        num_classes: number that labels in the graph must have, since ensembles contain classifiers of other classes.
    """
    found = list(_candidates(model, path, num_classes))
    return next((one for one in found if not are_places(one[0])), found[0] if found else None)


def _candidates(model: "ModelProto", path: Path, num_classes: int) -> Iterator[tuple[tuple[str, ...], str]]:
    own = own_class_names(model)
    if own is not None:
        yield own, "its metadata longtail.class_names"
    metadata = read_metadata(model)
    for key in ("names", "id2label"):
        names = _in_order(_parsed(metadata.get(key, "")))
        if names:
            yield names, f"its metadata {key}"
    config = path.with_name("config.json")
    if config.is_file():
        content = _parsed(config.read_text(encoding="utf-8", errors="replace"))
        names = _in_order(content.get("id2label")) if isinstance(content, dict) else None
        if names:
            yield names, "id2label in config.json beside it"
    for node in reversed(model.graph.node):
        names = _labels(model, node)
        if names is not None and len(names) == num_classes:
            yield names, f"the labels of its node {node.op_type}"


def _parsed(text: str) -> Any:
    """The value of JSON, or of the Python literal that Ultralytics writes; nothing is executed."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def _in_order(found: Any) -> tuple[str, ...] | None:
    """Names of a list, or of a mapping from 0 … C − 1."""
    if isinstance(found, Mapping):
        by_place = {str(key): str(name) for key, name in found.items()}
        found = [by_place.get(str(place)) for place in range(len(by_place))]
    if not isinstance(found, (list, tuple)) or len(found) < 2 or None in found:
        return None
    return tuple(map(str, found))


def _labels(model: "ModelProto", node: "NodeProto") -> tuple[str, ...] | None:
    """The class labels that a node of the domain ai.onnx.ml holds or picks from."""
    from onnx import numpy_helper

    for attribute in node.attribute:
        if attribute.name in LABELS and (attribute.strings or attribute.ints):
            return tuple(name.decode() for name in attribute.strings) or tuple(map(str, attribute.ints))
    if node.op_type == "ArrayFeatureExtractor":
        for tensor in model.graph.initializer:
            if tensor.name == node.input[0]:
                values = numpy_helper.to_array(tensor).ravel().tolist()
                return tuple(value.decode() if isinstance(value, bytes) else str(value) for value in values)
    return None


def are_places(names: Sequence[str]) -> bool:
    """Whether names are placeholders for 0 … C − 1: the numbers themselves, or LABEL_0 … and class0 …."""
    return any(
        tuple(names) == tuple(f"{prefix}{place}" for place in range(len(names))) for prefix in ("", "LABEL_", "class")
    )
