"""Folding a fix into a model: W / T and (b + offset) / T in its last layer or linear classifier."""

import copy
from typing import Any, TypeVar

from torch import nn

from longtail.posthoc.folding import folded
from longtail.repair.carried_names import carried_names
from longtail.repair.class_order import in_order_of
from longtail.repair.fix import Fix
from longtail.repair.fold_into_sklearn import folded_estimator, is_estimator
from longtail.repair.output_layer import check_what_follows, number_of_outputs, output_layer
from longtail.repair.saved_bias import allow_bias

Model = TypeVar("Model")


def folded_model(fix: Fix, model: Model, layer: str | None = None) -> Model:
    """See `Fix.fold_into`."""
    if fix.cost is not None:
        raise ValueError("`fix` must have offsets to be folded. This one decides by costs: use `fix.predict(logits)`.")
    if isinstance(model, nn.Module):
        folded_module: Model = _folded_module(fix, model, layer)
        return folded_module
    if is_estimator(model):
        if layer is not None:
            raise ValueError(f"`layer` must not be given for a scikit-learn estimator. Got {layer!r}.")
        estimator: Model = folded_estimator(fix, model)
        return estimator
    raise TypeError(
        "`module` must be a PyTorch module or a scikit-learn estimator. "
        f"Got {type(model).__name__}. Apply the fix to its logits instead: `fix.predict(logits)`."
    )


def _folded_module(fix: Fix, model: Any, layer: str | None) -> Any:
    name = output_layer(model, len(fix.class_names), layer)
    names = carried_names(model, name, len(fix.class_names))
    if names is not None:
        fix = in_order_of(fix, names, "the model")
    layer_itself, offset = model.get_submodule(name), fix.offset
    if number_of_outputs(layer_itself) == 1:  # one score for two classes: second minus first
        offset = offset[1:] - offset[:1]
    check_what_follows(model, name, offset, fix.temperature)
    own = folded(layer_itself, offset, fix.temperature, name or "module")
    if not name:
        return own
    result = copy.deepcopy(model)
    if model.get_submodule(name).bias is None:
        allow_bias(result, name)
    parent, _, place = name.rpartition(".")
    setattr(result.get_submodule(parent), place, own)
    return result
