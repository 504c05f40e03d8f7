"""The models of timm as backbones: what they expect of images, and pretrained weights or a way out."""

from contextlib import suppress
from statistics import mean
from types import ModuleType
from typing import Any

from torch import hub, nn

from longtail.models.input_config import InputConfig

SOURCES = ("hf-hub:", "hf_hub:", "local-dir:")
HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def is_model(name: str) -> bool:
    """Whether timm has, or can look for, a model of this name."""
    timm = _timm(name)
    architecture, _, tag = name.partition(".")
    return name.startswith(SOURCES) or (
        timm.is_model(architecture) and (not tag or name in timm.list_models(f"{architecture}.*", include_tags=True))
    )


def names(near: str) -> list[str]:
    """All architectures, or the tagged names of one architecture where `near` names one with another tag."""
    timm = _timm(near)
    architecture, _, tag = near.partition(".")
    tagged: list[str] = timm.list_models(f"{architecture}.*", include_tags=True) if tag else []
    return tagged or timm.list_models()


def create(name: str, *, pretrained: bool, in_channels: int, size: int | None) -> tuple[nn.Module, InputConfig]:
    """A model without classifier, pooled, and what it expects its images to be."""
    timm = _timm(name)
    arguments: dict[str, Any] = {"pretrained": pretrained, "num_classes": 0, "in_chans": in_channels}
    if size is not None and _has_fixed_size(timm, name):
        arguments["img_size"] = size
    if pretrained:
        _check_has_weights(timm, name)
    hub_id = _hub_id(timm, name) if pretrained or name.startswith(SOURCES) else None
    try:
        if hub_id:
            _check_hub(hub_id)
        module: nn.Module = timm.create_model(name, **arguments)
    except Exception as error:  # timm, huggingface_hub, the network and the disk each raise their own
        if pretrained and not name.startswith("local-dir:"):
            raise OSError(_ways_out(name, hub_id, error)) from error
        raise ValueError(f"`model`: timm could not create {name} with {arguments}: {_first_line(error)}") from error
    return module, input_config(module, in_channels, size)


def input_config(module: nn.Module, in_channels: int, size: int | None = None) -> InputConfig:
    """From the configuration that a model of timm carries."""
    config = _timm(type(module).__name__).data.resolve_model_data_config(module)
    return InputConfig(
        channels=in_channels,
        size=(size, size) if size else tuple(config["input_size"][1:]),
        mean=_for_channels(config["mean"], in_channels),
        std=_for_channels(config["std"], in_channels),
        interpolation=config["interpolation"],
        crop_pct=config["crop_pct"],
    )


def _for_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """As timm adapts the first convolution: one channel stands for all three, more repeat them."""
    if channels == 1:
        return (mean(values),)
    return tuple(values[channel % len(values)] for channel in range(channels))


def _has_fixed_size(timm: ModuleType, name: str) -> bool:
    config = None if name.startswith(SOURCES) else timm.get_pretrained_cfg(name)
    return bool(config and config.fixed_input_size)


def _check_has_weights(timm: ModuleType, name: str) -> None:
    if name.startswith(SOURCES):
        return
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        raise ValueError(
            f"`pretrained`: timm has no weights for {name}. Drop --pretrained, or give --weights FILE; "
            "timm.list_models(pretrained=True) lists the models that have some."
        )


def _hub_id(timm: ModuleType, name: str) -> str | None:
    if name.startswith(SOURCES):
        return None if name.startswith("local-dir:") else name.partition(":")[2]
    hub_id: str | None = timm.get_pretrained_cfg(name).hf_hub_id
    return hub_id


def _check_hub(hub_id: str) -> None:
    """Fail at once where the hub cannot be reached; a download would retry for a minute first."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError

    repository, _, revision = hub_id.partition("@")
    if any(isinstance(try_to_load_from_cache(repository, file), str) for file in HUB_FILES):
        return
    with suppress(EntryNotFoundError):  # then the hub answers; timm knows the file's other names
        get_hf_file_metadata(hf_hub_url(repository, HUB_FILES[0], revision=revision or None))


def _ways_out(name: str, hub_id: str | None, error: Exception) -> str:
    from huggingface_hub.constants import HF_HUB_CACHE

    return (
        f"the pretrained weights of {name} ({hub_id or 'not on the hub'}) could not be loaded: {_first_line(error)} "
        f"Connect to the internet once; or copy them to where timm looks, {HF_HUB_CACHE if hub_id else hub.get_dir()}; "
        "or give a file of weights, --weights FILE; or take an untrained network, --no-pretrained (poor features)."
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0].rstrip('.')}."


def _timm(name: str) -> ModuleType:
    try:
        import timm
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise ModuleNotFoundError(
            f"`model`: {name!r} needs timm: pip install 'longtail[train]'. Without it: resnet32-cifar and its like, "
            "or package.module:function.",
            name="timm",
        ) from error
    return timm
