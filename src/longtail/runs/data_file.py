"""What data.json of a run folder holds, checked where it is read: a damaged file is named before it is worked with."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

NEEDED = ("class_names", "class_counts", "input_shape")


def check_data(content: Mapping[str, Any], path: Path) -> None:
    """Raise unless the known fields are of the right kind and fit together; unknown ones are not looked at.

    Raises:
        ValueError: names the file and the field.
    """
    for name in NEEDED:
        if name not in content:
            raise _damaged(path, name, "be there", "nothing")
    for name, (rule, holds) in FIELDS.items():
        if name in content and not holds(content[name]):
            raise _damaged(path, name, rule, content[name])
    classes, shape = len(content["class_names"]), content["input_shape"]
    if len(content["class_counts"]) != classes:
        raise _damaged(path, "class_counts", f"hold {classes} numbers, one a class", content["class_counts"])
    for name in ("mean", "std") if len(shape) == 3 else ():
        if len(content.get(name, ())) not in (0, shape[0]):  # none: the images are not normalised
            raise _damaged(path, name, f"hold {shape[0]} numbers, one a channel", content.get(name, ()))


def _damaged(path: Path, name: str, rule: str, got: object) -> ValueError:
    text = repr(got)
    return ValueError(
        f"{path} is damaged: its `{name}` must {rule}. Got {text[:80]}{'…' if len(text) > 80 else ''}. "
        "Restore the file, or train the run again."
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_list(entry: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, (list, tuple)) and all(map(entry, value))


def _is_shape(value: object) -> bool:
    return _is_list(_is_count)(value) and len(value) in (1, 3) and 0 not in value  # type: ignore[arg-type,operator]


def _or_null(holds: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or holds(value)


FIELDS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "class_names": ("be a list of names", _is_list(_is_text)),
    "class_counts": ("be a list of whole numbers", _is_list(_is_count)),
    "input_shape": ("be [channels, height, width] or [features]", _is_shape),
    "mean": ("be a list of numbers", _is_list(_is_number)),
    "std": ("be a list of numbers", _is_list(_is_number)),
    "crop_pct": ("be a number above 0", lambda value: _is_number(value) and value > 0),  # type: ignore[operator]
    "interpolation": ("be a name", _is_text),
    "feature_names": ("be a list of names, or null", _or_null(_is_list(_is_text))),
    "fingerprint": ("be text", _is_text),
    "notes": ("be a list of texts", _is_list(_is_text)),
    "origin": ("be a path, or null", _or_null(_is_text)),
    "held_out": ("be an object, or null", _or_null(lambda value: isinstance(value, dict))),
}
