"""The metadata of an ONNX file: class names, the fix, and how images are prepared.

The keys are those of the file's `metadata_props`; each value is JSON.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longtail.plain_json import to_json
from longtail.repair import Fix
from longtail.repair.fix_file import text_of

if TYPE_CHECKING:
    from onnx import ModelProto

CLASS_NAMES = "longtail.class_names"  # a list, in the order of the scores
FIX = "longtail.fix"  # what `Fix.save` writes, with its classes in that order
PREPROCESSING = "longtail.preprocessing"  # "input_shape"; of images "mean", "std", "crop_pct" and "interpolation" too
FEATURE_NAMES = "longtail.feature_names"  # a list, in the order of the features


def write_metadata(
    model: "ModelProto",
    class_names: Sequence[str] | None,
    fix: Fix | None = None,
    inputs: Mapping[str, Any] | None = None,
) -> None:
    """Add metadata to a model; its other metadata stay.

    Args:
        model: changed in place.
        class_names: (C,) in the order of the scores.
        fix: with its classes in that order.
        inputs: entries on the input, by key.
    """
    entries = {
        CLASS_NAMES: None if class_names is None else to_json(list(class_names)),
        FIX: None if fix is None else text_of(fix, Path("fix.json")),
        **{key: None if value is None else to_json(value) for key, value in (inputs or {}).items()},
    }
    kept = [entry for entry in model.metadata_props if entries.get(entry.key) is None]
    added = [(key, value) for key, value in entries.items() if value is not None]
    rest = [(entry.key, entry.value) for entry in kept]
    del model.metadata_props[:]
    for key, value in [*rest, *added]:
        model.metadata_props.add(key=key, value=value)


def read_metadata(model: "ModelProto") -> dict[str, str]:
    """All metadata by key."""
    return {entry.key: entry.value for entry in model.metadata_props}


def own_class_names(model: "ModelProto") -> tuple[str, ...] | None:
    """The class names under longtail's own key; `None` if there are none.

    Raises:
        ValueError: they are not a list of names.
    """
    text = read_metadata(model).get(CLASS_NAMES)
    if text is None:
        return None
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"The metadata {CLASS_NAMES} must be a list of names, as JSON. Got {text[:100]!r}.")
    return tuple(names)
