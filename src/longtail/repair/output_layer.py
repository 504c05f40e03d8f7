"""Finding the layer of a PyTorch model that computes its logits."""

import copy

import numpy as np
import torch
from torch import Tensor, nn

from longtail.posthoc.folding import LAYERS, check_foldable

INSTEAD = "Use `fix.predict(logits)` instead."
SHOWN = 10  # candidates


def output_layer(model: nn.Module, num_classes: int, layer: str | None = None) -> str:
    """The name of the layer, "" for the model itself.

    Args:
        model: the model.
        num_classes: C.
        layer: its name; by default the only layer with C outputs, if no module with parameters follows it. For two
            classes it may also have one output, the score of the second class.

    Raises:
        ValueError: the layer is ambiguous, has another number of outputs, or shares its parameters.
        TypeError: a layer that does not compute Wx + b.
    """
    name = layer
    if name is None:
        name = "" if isinstance(model, LAYERS) else _last_layer(model, num_classes)
    elif name not in dict(model.named_modules()):
        raise ValueError(f"`layer` must be a module of the model. Got {name!r}. {_listed(model, num_classes)}")
    own = model.get_submodule(name)
    one_score = num_classes == 2 and number_of_outputs(own) == 1
    check_foldable(own, 1 if one_score else num_classes, name or "module")
    _check_unshared(model, name)
    return name


def number_of_outputs(layer: nn.Module) -> int | None:
    """Outputs of a linear layer or channels of a convolution; None for other modules."""
    if isinstance(layer, nn.Linear):
        return layer.out_features
    return layer.out_channels if isinstance(layer, (nn.Conv1d, nn.Conv2d)) else None


def check_what_follows(model: nn.Module, name: str, offset: np.ndarray, temperature: float) -> None:
    """Raise unless the modules after the layer in an `nn.Sequential` preserve offsets, as pooling and softmax do.

    After a layer of one output, a sigmoid preserves them, and softmax does not.
    Outside of an `nn.Sequential` the order of execution is not known.

    Raises:
        ValueError: a module does not preserve offsets, such as a ReLU.
    """
    following = _following(model, name)
    if not following:
        return
    layer, tail = model.get_submodule(name), nn.Sequential(*(part for _, part in following))
    weight = layer.weight
    assert isinstance(weight, Tensor)
    logits = 3 * torch.randn(4, len(offset), *(5,) * (weight.dim() - 2), generator=torch.Generator().manual_seed(0))
    logits = logits.to(weight.device, weight.dtype)
    try:
        with torch.no_grad():
            shift = torch.tensor(offset, dtype=torch.float64, device=weight.device)
            hands_on = _hands_on_one_score if len(offset) == 1 else _hands_on
            kept = hands_on(copy.deepcopy(tail).eval(), logits, shift, temperature)
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError):  # they do not take logits
        kept = False
    if not kept:
        raise ValueError(
            f"`module` must not change the logits of its layer {name!r}. They are changed by "
            f"{', '.join(type(part).__name__ for _, part in following)}. {INSTEAD}"
        )


def _hands_on(tail: nn.Module, logits: Tensor, offset: Tensor, temperature: float) -> bool:
    shift = offset.view(-1, *(1,) * (logits.dim() - 2))
    before = tail(logits.clone())
    after = tail(((logits.double() + shift) / temperature).to(logits.dtype))
    while before.dim() > 2 and before.shape[-1] == 1:
        before, after = before.squeeze(-1), after.squeeze(-1)
    shift = offset.view(-1, *(1,) * (before.dim() - 2))
    if (before >= 0).all() and torch.allclose(before.sum(1), torch.ones(()).to(before), atol=1e-3):  # softmax
        before, after = before.log(), after.log()
    expected = (before.double() + shift) / temperature
    apart = after.double() - expected
    apart = apart - apart.mean(1, keepdim=True)
    return bool(apart.abs().amax() <= 100 * torch.finfo(logits.dtype).eps * (1 + expected.abs().amax()))


def _hands_on_one_score(tail: nn.Module, logits: Tensor, offset: Tensor, temperature: float) -> bool:
    """Whether the result is the score, or its sigmoid, at every position or pooled."""
    tail, score = tail.double(), torch.linspace(-4, 4, 16, dtype=torch.float64, device=logits.device)
    score = score.view(-1, *(1,) * (logits.dim() - 1)) + torch.zeros_like(logits[:1], dtype=torch.float64)
    before, after = tail(score), tail((score + offset) / temperature)
    if ((before > 0) & (before < 1)).all():
        before, after = before.logit(), after.logit()
    expected = (before + offset) / temperature
    return bool((after - expected).abs().amax() <= 1e-6 * (1 + expected.abs().amax()))


def _following(model: nn.Module, name: str) -> list[tuple[str, nn.Module]]:
    """The modules after the layer in nested Sequentials."""
    found: list[tuple[str, nn.Module]] = []
    while name:
        above, _, own = name.rpartition(".")
        parent = model.get_submodule(above)
        if type(parent) is not nn.Sequential:
            break
        places = [place for place, _ in parent.named_children()]
        found += [(place, part) for place, part in parent.named_children() if places.index(place) > places.index(own)]
        name = above
    return found


def _last_layer(model: nn.Module, num_classes: int) -> str:
    modules = dict(model.named_modules())
    of_classes = _of_classes(model, num_classes) or (_of_classes(model, 1) if num_classes == 2 else [])
    holders = [name for name, own in modules.items() if next(own.parameters(recurse=False), None) is not None]
    if len(of_classes) == 1 and holders and holders[-1] == of_classes[0]:
        return of_classes[0]
    last = repr(holders[-1]) if holders else "nothing"
    raise ValueError(
        f"`module` must end with an nn.Linear of {num_classes} outputs (or a 1 × 1 convolution), one per class, and "
        f"have only one; else pass `layer`. {_listed(model, num_classes)} The last with parameters is {last}."
    )


def _of_classes(model: nn.Module, num_classes: int) -> list[str]:
    """Layers with one output per class."""
    return [
        name
        for name, own in model.named_modules()
        if number_of_outputs(own) == num_classes and (isinstance(own, nn.Linear) or set(own.kernel_size) == {1})
    ]


def _listed(model: nn.Module, num_classes: int) -> str:
    found = _of_classes(model, num_classes)
    if not found and num_classes == 2 and _of_classes(model, 1):
        return _listed(model, 1)
    names = ", ".join(f'layer="{name}"' for name in found[:SHOWN]) or "none"
    return f"Layers with {num_classes} output{'s' * (num_classes > 1)}: {names}{', …' if len(found) > SHOWN else ''}."


def _check_unshared(model: nn.Module, name: str) -> None:
    own = model.get_submodule(name)
    users = [other for other, part in model.named_modules(remove_duplicate=False) if part is own]
    weights = dict(own.named_parameters(recurse=False)).values()
    holders = [
        holder
        for holder, parameter in model.named_parameters(remove_duplicate=False)
        if any(parameter is weight for weight in weights)
    ]
    if len(users) > 1 or len(holders) > len(list(weights)):
        raise ValueError(
            f"`layer` must not share its parameters with another part of the model. Got {name!r}, shared with "
            f"{', '.join(users if len(users) > 1 else holders)}."
        )
