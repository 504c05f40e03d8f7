"""Class names stored in a PyTorch model."""

from collections.abc import Mapping
from typing import Any

from torch import nn


def carried_names(model: nn.Module, layer: str, num_classes: int) -> tuple[str, ...] | None:
    """The class names of a layer's outputs, if the model or a submodule that contains the layer stores them.

    They are looked for in `class_names` (networks of this package's runs), `config.id2label` (Hugging Face, unless they
    are its LABEL_0, LABEL_1, …) and `pretrained_cfg["label_names"]` (timm). A different number of names
    is ignored: it belongs to a head that was replaced.
    """
    parts = layer.split(".") if layer else []
    for depth in range(len(parts) + 1):
        holder = model.get_submodule(".".join(parts[:depth]))
        for names in (
            getattr(holder, "class_names", None),
            _labels(getattr(getattr(holder, "config", None), "id2label", None)),
            _of_timm(getattr(holder, "pretrained_cfg", None)),
        ):
            if isinstance(names, (list, tuple)) and len(names) == num_classes:
                return tuple(map(str, names))
    return None


def _labels(id2label: Any) -> list[str] | None:
    if not isinstance(id2label, Mapping):
        return None
    try:
        names = [str(id2label[key]) for key in sorted(id2label, key=int)]
    except (TypeError, ValueError):
        return None
    return None if names == [f"LABEL_{index}" for index in range(len(names))] else names


def _of_timm(config: Any) -> Any:
    return config.get("label_names") if isinstance(config, Mapping) else None
