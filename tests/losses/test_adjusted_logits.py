"""The published adjusted logits of every loss that is cross-entropy on them."""

import inspect

import pytest
import torch
from torch.nn import functional as F

from longtail import losses
from losses.cases import COUNTS, NUM_CLASSES, PHI, THETA

STATES = {
    "balanced_softmax": (COUNTS,),
    "gala": (THETA, PHI),
    "gcl": (COUNTS, torch.rand(7, NUM_CLASSES, generator=torch.Generator().manual_seed(3))),
    "ldam": (COUNTS,),
    "logit_adjustment": (COUNTS,),
    "seesaw": (THETA,),
    "vs": (COUNTS,),
}
SETTINGS: list[tuple[str, dict[str, object]]] = [
    *((name, {}) for name in STATES),
    ("gala", {"form": "paper"}),
    ("gcl", {"margin": 0.2}),
    ("ldam", {"scale": 10.0}),
]


def drawn():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(7, NUM_CLASSES, generator=generator), torch.randint(0, NUM_CLASSES, (7,), generator=generator)


def test_every_loss_on_adjusted_logits_publishes_them():
    assert {f"{name}_logits" for name in STATES} == {name for name in losses.__all__ if name.endswith("_logits")}


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
@pytest.mark.parametrize("kind", ["index", "soft"])
def test_their_cross_entropy_is_the_loss_with_every_argument(name, settings, kind):
    logits, target = drawn()
    if kind == "soft":
        target = torch.randn(7, NUM_CLASSES, generator=torch.Generator().manual_seed(1)).softmax(1)
    elif name != "gcl":
        target[2] = -100
    adjusted = getattr(losses, f"{name}_logits")(logits, target, *STATES[name], **settings)
    arguments = {"weight": torch.linspace(0.5, 2, NUM_CLASSES), "label_smoothing": 0.1}
    expected = getattr(losses, f"{name}_loss")(logits, target, *STATES[name], **settings, **arguments)
    torch.testing.assert_close(F.cross_entropy(adjusted, target, reduction="none", **arguments), expected)


@pytest.mark.parametrize("name", STATES)
def test_they_refuse_what_the_loss_refuses(name):
    logits, target = drawn()
    for function in (getattr(losses, f"{name}_logits"), getattr(losses, f"{name}_loss")):
        with pytest.raises(ValueError, match="`target`"):
            function(logits, target[:-1], *STATES[name])
        with pytest.raises((ValueError, IndexError)):
            function(logits[:, :-1], target, *STATES[name])


PURE = {
    **STATES,
    "class_balanced": (COUNTS,),
    "eql": (COUNTS, torch.ones(7, NUM_CLASSES, dtype=torch.bool)),
    "eql_v2": (THETA, PHI),
    "focal": (),
    "label_aware_smoothing": (COUNTS,),
    "lade": (COUNTS,),
}


@pytest.mark.parametrize("name", PURE)
def test_logits_and_targets_that_are_no_tensors_are_refused(name):
    logits, target = drawn()
    functions = [getattr(losses, f"{name}_loss"), *([getattr(losses, f"{name}_logits")] if name in STATES else [])]
    for function in functions:
        for given in ((logits.tolist(), target), (logits, target.tolist())):
            with pytest.raises(TypeError, match="`logits` and `target` must be tensors"):
                function(*given, *PURE[name])


@pytest.mark.parametrize("name", STATES)
def test_settings_are_those_of_the_loss(name):
    own, whole = (inspect.signature(getattr(losses, f"{name}_{kind}")).parameters for kind in ("logits", "loss"))
    assert [*own] == [each for each in whole if each not in ("weight", "ignore_index", "label_smoothing")]
    assert all(own[each].default == whole[each].default for each in own)
