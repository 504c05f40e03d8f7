"""What data.json of a run folder holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from longtail.runs.fields import (
    Rules,
    check_fields,
    damaged_field,
    is_count,
    is_list,
    is_number,
    is_object,
    is_text,
    or_null,
)

NEEDED = ("class_names", "class_counts", "input_shape")


def check_data(content: Mapping[str, Any], path: Path) -> None:
    """Raise unless the known fields are of the right kind and fit together; unknown ones are ignored.

    Raises:
        ValueError: names the file and the field.
    """
    for name in NEEDED:
        if name not in content:
            raise damaged_field(path, name, "be present", "nothing")
    check_fields(content, FIELDS, path)
    classes, shape = len(content["class_names"]), content["input_shape"]
    if len(content["class_counts"]) != classes:
        raise damaged_field(path, "class_counts", f"hold {classes} numbers, one per class", content["class_counts"])
    for name in ("mean", "std") if len(shape) == 3 else ():
        if len(content.get(name, ())) not in (0, shape[0]):  # none: the images are not normalised
            raise damaged_field(path, name, f"hold {shape[0]} numbers, one per channel", content.get(name, ()))


def _is_shape(value: object) -> bool:
    return is_list(is_count)(value) and len(value) in (1, 3) and 0 not in value  # type: ignore[arg-type,operator]


FIELDS: Rules = {
    "class_names": ("be a list of names", is_list(is_text)),
    "class_counts": ("be a list of whole numbers", is_list(is_count)),
    "input_shape": ("be [channels, height, width] or [features]", _is_shape),
    "mean": ("be a list of numbers", is_list(is_number)),
    "std": ("be a list of numbers", is_list(is_number)),
    "crop_pct": ("be a number above 0", lambda value: is_number(value) and value > 0),  # type: ignore[operator]
    "interpolation": ("be a name", is_text),
    "feature_names": ("be a list of names, or null", or_null(is_list(is_text))),
    "fingerprint": ("be text", is_text),
    "notes": ("be a list of texts", is_list(is_text)),
    "origin": ("be a path, or null", or_null(is_text)),
    "held_out": ("be an object, or null", or_null(is_object)),
}
