"""Weights from a file into a network, matched by name and shape; what did not match is listed."""

import os
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from longtail.models.network import Network
from longtail.models.weight_files import read_weights
from longtail.models.weight_report import WeightReport, cut_list

PREFIXES = ("module.", "model.", "_orig_mod.", "backbone.")  # of DistributedDataParallel, Lightning, torch.compile, us
COUNTER = ".num_batches_tracked"

Found = dict[str, tuple[str, Tensor]]  # name in the network: name in the file, tensor


def load_weights(network: Network, file: str | os.PathLike[str]) -> WeightReport:
    """Load the weights of a whole network, or of its backbone, from a file.

    Tensors are matched by name; the prefixes `module.`, `model.`, `_orig_mod.` and `backbone.` are left out where that
    makes names match. The file must have all tensors of the backbone, except the counters `num_batches_tracked`, and
    no others of its layers. The classifier, under its own name or timm's, is loaded if it fits as a whole; otherwise
    it is dropped.

    Args:
        network: changed in place, and only if the weights fit.
        file: `.safetensors`, or written by `torch.save`: a state dict, or a checkpoint that holds one under `model`,
            `state_dict`, `model_state_dict`, `model_ema` or `state_dict_ema`.

    Raises:
        OSError: no such file.
        ValueError: the file is damaged, or its weights belong to another architecture.
        ModuleNotFoundError: the file needs safetensors, which is not installed.

    Example:
        >>> import tempfile, torch
        >>> from longtail.models import make_network
        >>> file = tempfile.mkdtemp() + "/weights.pt"
        >>> torch.save(make_network("resnet8-cifar", num_classes=100).state_dict(), file)
        >>> load_weights(make_network("resnet8-cifar", num_classes=10), file).dropped
        ('classifier.weight', 'classifier.bias')
    """
    own = network.state_dict()
    found, unknown = _by_own_names(read_weights(file), own, _classifier_names(network.backbone))
    _check_architecture(str(file), own, found, unknown)
    dropped = _misfit_classifier(own, found)
    matched = {name: tensor for name, (_, tensor) in found.items() if name not in dropped}
    network.load_state_dict(matched, strict=False)
    return WeightReport(
        file=str(file),
        matched=tuple(name for name in own if name in matched),
        missing=tuple(name for name in own if name not in matched and not name.endswith(COUNTER)),
        unexpected=tuple(unknown),
        dropped=tuple(found[name][0] for name in dropped),
    )


def _classifier_names(backbone: object) -> tuple[str, ...]:
    """Where a file may have its classifier: ours, and what timm calls that of this architecture."""
    timms = getattr(backbone, "pretrained_cfg", {}).get("classifier") or ()
    return tuple(dict.fromkeys(("classifier", *([timms] if isinstance(timms, str) else timms))))


def _by_own_names(
    tensors: Mapping[str, Tensor], own: Mapping[str, Tensor], classifiers: Sequence[str]
) -> tuple[Found, list[str]]:
    found: Found = {}
    unknown = []
    for name, tensor in tensors.items():
        target = _own_name(name, own, classifiers)
        if target is None:
            unknown.append(name)
        elif target in found:
            raise ValueError(f"`weights` must name each tensor once. Got both {found[target][0]} and {name}.")
        else:
            found[target] = name, tensor
    return found, unknown


def _own_name(name: str, own: Mapping[str, Tensor], classifiers: Sequence[str]) -> str | None:
    forms = _forms(name)
    for form in forms:
        for candidate in (form, f"backbone.{form}"):
            if candidate in own:
                return candidate
    for form in forms:
        for classifier in classifiers:
            if form.startswith(f"{classifier}."):
                return "classifier" + form.removeprefix(classifier)
    return None


def _forms(name: str) -> list[str]:
    """A name, and what is left of it as prefixes are taken off."""
    forms = [name]
    while prefix := next((prefix for prefix in PREFIXES if forms[-1].startswith(prefix)), None):
        forms.append(forms[-1].removeprefix(prefix))
    return forms


def _check_architecture(file: str, own: Mapping[str, Tensor], found: Found, unknown: Sequence[str]) -> None:
    backbone = [name for name in own if name.startswith("backbone.")]
    problems = list(_differences(backbone, own, found, unknown))
    if problems:
        matched = sum(name in found and found[name][1].shape == own[name].shape for name in backbone)
        raise ValueError(
            f"`weights` must be those of this architecture. Of {len(backbone)} tensors of the backbone, "
            f"{matched or 'none'} match{'' if matched != 1 else 'es'} {file}. {cut_list(problems)}. "
            "Is --model the model that they were saved from?"
        )


def _differences(
    backbone: Sequence[str], own: Mapping[str, Tensor], found: Found, unknown: Sequence[str]
) -> Iterator[str]:
    for name in backbone:
        if name not in found:
            if not name.endswith(COUNTER):
                yield f"{name} is missing"
        elif found[name][1].shape != own[name].shape:
            yield f"{name} has the shape {tuple(found[name][1].shape)}, not {tuple(own[name].shape)}"
    layers = {name.split(".")[1] for name in backbone}
    yield from (f"{name} has no place" for name in unknown if {form.split(".")[0] for form in _forms(name)} & layers)


def _misfit_classifier(own: Mapping[str, Tensor], found: Found) -> list[str]:
    """The names of the file's classifier, unless all of it fits the network's."""
    theirs = [name for name in found if name.startswith("classifier.")]
    ours = {name for name in own if name.startswith("classifier.")}
    fits = set(theirs) == ours and all(found[name][1].shape == own[name].shape for name in theirs)
    return [] if fits else theirs
