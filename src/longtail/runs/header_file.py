"""What run.json of a run folder holds."""

from collections.abc import Mapping
from typing import Any

from longtail.runs.fields import (
    Rules,
    check_fields,
    damaged_field,
    is_count,
    is_list,
    is_mapping,
    is_number,
    is_object,
    is_text,
    or_null,
)
from longtail.runs.json_file import StoredObject

HEADER: Rules = {
    "config": ("be an object", is_object),
    "seed": ("be a whole number", is_count),
    "versions": ("hold text", is_mapping(is_text)),
    "weights": ("be text", is_text),
}
CONFIG: Rules = {
    **dict.fromkeys(("stage", "dataset", "model", "loss", "mixing", "second_stage"), ("be text", is_text)),
    **dict.fromkeys(("epochs", "seed", "many_above", "few_below"), ("be a whole number", is_count)),
    "imbalance": ("be a number, or null", or_null(is_number)),
    "validation": ("be a number", is_number),
    "weights": ("be a path, or null", or_null(is_text)),
    "processes": ("be a whole number, or null", or_null(is_count)),
    "loss_arguments": ("be a list of texts", is_list(is_text)),
}
"""Settings that are read from runs of all stages, without the class of the configuration."""


def check_header(header: StoredObject) -> None:
    """Raise unless the known fields are of the right kind.

    Raises:
        ValueError: names the file and the field.
    """
    for name in ("config", "versions"):
        if name not in header:
            raise damaged_field(header.path, name, "be there", "nothing")
    check_fields(header, HEADER, header.path)
    config: Mapping[str, Any] = header["config"]
    check_fields(config, CONFIG, header.path)
