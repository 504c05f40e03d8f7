"""Every loss of the library with a state that matters and the reference it must agree with."""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch

from longtail import losses as lt
from longtail.losses import BalancedSoftmaxLoss, GALALoss, balanced_softmax_loss, gala_loss
from longtail.losses.contract import LongTailedLoss
from longtail.losses.fused.library import NoKernelError, library
from reference import peers
from reference.balanced_softmax import balanced_softmax_loss as balanced_softmax_reference
from reference.gala import gala_loss as gala_reference

DEVICE = torch.device(os.environ.get("LONGTAIL_DEVICE", "cpu"))
NUM_CLASSES = 5
COUNTS = torch.tensor([500.0, 120.0, 40.0, 9.0, 2.0])
THETA = torch.tensor([90.0, 35.0, 20.0, 4.0, 0.0])
PHI = torch.tensor([80.0, 50.0, 10.0, 6.0, 0.0])


@dataclass(frozen=True)
class LossCase:
    """A loss under the contract.

    `module(**arguments)` is in training mode with learned state; `function(logits, target, order, **arguments)` is the
    pure loss with its per-class state permuted by `order`; `reference` is the slow version of the same; `neutral` is a
    module whose state or strength is such that it must equal cross-entropy. What a loss can't have, it says.
    """

    name: str
    make_module: Callable[..., LongTailedLoss]
    make_neutral: Callable[..., LongTailedLoss]
    function: Callable[..., torch.Tensor]
    reference: Callable[..., np.ndarray]
    softmax: bool = True
    shift_invariant: bool = True
    differentiable: bool = True  # as a function of the logits alone, without what it holds constant
    fused: bool = False

    def takes(self, dtype: torch.dtype) -> bool:
        """Whether the module takes logits of this dtype."""
        return not self.fused or dtype in (torch.float32, torch.bfloat16)

    def module(self, **arguments) -> LongTailedLoss:
        return self.make_module(**arguments).to(DEVICE)

    def neutral(self, **arguments) -> LongTailedLoss:
        return self.make_neutral(**arguments).to(DEVICE)


def _gala_module(form: str, **arguments) -> GALALoss:
    criterion = GALALoss(NUM_CLASSES, form=form, **arguments)
    criterion.theta.copy_(THETA)
    criterion.phi.copy_(PHI)
    return criterion


def _gala_function(logits, target, order=slice(None), *, form, **arguments):
    theta, phi = THETA.to(logits)[order], PHI.to(logits)[order]
    return gala_loss(logits, target, theta, phi, form=form, **arguments)


def _gala_reference(logits, target, *, form, **arguments):
    return gala_reference(logits, target, THETA.double().numpy(), PHI.double().numpy(), form=form, **arguments)


def _gala(form: str) -> LossCase:
    return LossCase(
        f"gala-{form}",
        partial(_gala_module, form),
        partial(GALALoss, NUM_CLASSES, form=form),
        partial(_gala_function, form=form),
        partial(_gala_reference, form=form),
    )


def _counted(name: str, module: type, function: Callable, reference: Callable, neutral: dict, **facts) -> LossCase:
    """A loss that knows the class counts; with the settings of `neutral` it is cross-entropy."""
    return LossCase(
        name,
        partial(module, COUNTS),
        partial(module, COUNTS, **neutral),
        lambda logits, target, order=None, **arguments: function(logits, target, _counts(order), **arguments),
        lambda logits, target, **arguments: reference(logits, target, COUNTS.numpy(), **arguments),
        **facts,
    )


def _counts(order: torch.Tensor | slice | None) -> torch.Tensor:
    """Class counts, on the CPU, in an order that may lie on a GPU."""
    return COUNTS[order.cpu()] if isinstance(order, torch.Tensor) else COUNTS


class _FixedGCL(lt.GCLLoss):
    """Draws the same noise each time."""

    def draw(self, logits):
        return _fixed_noise(logits)


class _FixedEQL(lt.EQLLoss):
    """Draws the same each time."""

    def draw(self, logits):
        return _fixed_noise(logits) < 0.6


def _fixed_noise(logits, order=slice(None)):
    """In [0, 1], a function of position and class alone, of the shape of the logits."""
    rows = torch.arange(64, device=logits.device)[:, None] * 0.7548777 + 0.1
    noise = ((rows + torch.arange(NUM_CLASSES, device=logits.device) * 0.5698403) % 1)[:, order].to(torch.float64)
    if logits.dim() == 1:
        return noise[0]
    positions = logits[:, 0].numel()
    return noise[:positions].view(len(logits), *logits.shape[2:], NUM_CLASSES).movedim(-1, 1)


def _seesaw_module(**arguments) -> lt.SeesawLoss:
    criterion = lt.SeesawLoss(NUM_CLASSES, **arguments)
    criterion.seen.copy_(COUNTS)
    return criterion


def _eql_v2_module(**arguments) -> lt.EQLv2Loss:
    criterion = lt.EQLv2Loss(NUM_CLASSES, **arguments)
    criterion.positive.copy_(THETA)
    criterion.negative.copy_(PHI)
    return criterion


PEERS = [
    _counted("logit-adjustment", lt.LogitAdjustmentLoss, lt.logit_adjustment_loss, peers.logit_adjustment, {"tau": 0}),
    _counted("vs", lt.VSLoss, lt.vs_loss, peers.vs, {"gamma": 0, "tau": 0}, shift_invariant=False),
    _counted("ldam", lt.LDAMLoss, lt.ldam_loss, peers.ldam, {"max_margin": 0}),
    _counted("class-balanced", lt.ClassBalancedLoss, lt.class_balanced_loss, peers.class_balanced, {"beta": 0}),
    _counted(
        "class-balanced-focal",
        partial(lt.ClassBalancedLoss, gamma=2.0),
        partial(lt.class_balanced_loss, gamma=2.0),
        partial(peers.class_balanced, gamma=2.0),
        {"beta": 0, "gamma": 0},
    ),
    _counted(
        "generalised-reweighting",
        partial(lt.ClassBalancedLoss, beta=1.0, power=1.2),
        partial(lt.class_balanced_loss, beta=1.0, power=1.2),
        partial(peers.class_balanced, beta=1.0, power=1.2),
        {"power": 0},
    ),
    _counted(
        "label-aware-smoothing",
        lt.LabelAwareSmoothingLoss,
        lt.label_aware_smoothing_loss,
        peers.label_aware_smoothing,
        {"head": 0, "tail": 0},
    ),
    dataclasses.replace(
        _counted("lade", lt.LADELoss, lt.lade_loss, peers.lade, {}, shift_invariant=False),
        make_neutral=partial(lt.LADELoss, torch.ones(NUM_CLASSES), alpha=0),
    ),
    LossCase(
        "focal",
        partial(lt.FocalLoss, NUM_CLASSES),
        partial(lt.FocalLoss, NUM_CLASSES, gamma=0),
        lambda logits, target, _=None, **arguments: lt.focal_loss(logits, target, **arguments),
        peers.focal,
    ),
    LossCase(
        "gcl",
        partial(_FixedGCL, COUNTS, margin=0.1),
        partial(_FixedGCL, COUNTS, cloud=0, margin=0),
        lambda logits, target, order=None, **arguments: lt.gcl_loss(
            logits, target, _counts(order), _fixed_noise(logits, order), margin=0.1, **arguments
        ),
        lambda logits, target, **arguments: peers.gcl(
            logits, target, COUNTS.numpy(), _fixed_noise(torch.as_tensor(logits)).numpy(), margin=0.1, **arguments
        ),
    ),
    LossCase(
        "eql",
        partial(_FixedEQL, COUNTS, threshold=0.1),
        partial(_FixedEQL, COUNTS, probability=0),
        lambda logits, target, order=slice(None), **arguments: lt.eql_loss(
            logits, target, _counts(order), _fixed_noise(logits, order) < 0.6, threshold=0.1, **arguments
        ),
        lambda logits, target, **arguments: peers.eql(
            logits,
            target,
            COUNTS.numpy(),
            _fixed_noise(torch.as_tensor(logits)).numpy() < 0.6,
            threshold=0.1,
            **arguments,
        ),
    ),
    LossCase(
        "seesaw",
        _seesaw_module,
        partial(lt.SeesawLoss, NUM_CLASSES, p=0, q=0),
        lambda logits, target, order=slice(None), **arguments: lt.seesaw_loss(
            logits, target, COUNTS.to(logits)[order], **arguments
        ),
        lambda logits, target, **arguments: peers.seesaw(logits, target, COUNTS.numpy(), **arguments),
        differentiable=False,
    ),
    LossCase(
        "eql-v2",
        _eql_v2_module,
        partial(lt.EQLv2Loss, NUM_CLASSES),
        lambda logits, target, order=slice(None), **arguments: lt.eql_v2_loss(
            logits, target, THETA.to(logits)[order], PHI.to(logits)[order], **arguments
        ),
        lambda logits, target, **arguments: peers.eql_v2(logits, target, THETA.numpy(), PHI.numpy(), **arguments),
        softmax=False,
        shift_invariant=False,
    ),
]

CASES = [
    *PEERS,
    _gala("released"),
    _gala("paper"),
    LossCase(
        "balanced-softmax",
        partial(BalancedSoftmaxLoss, COUNTS),
        partial(BalancedSoftmaxLoss, torch.ones(NUM_CLASSES)),
        lambda logits, target, order=slice(None), **arguments: balanced_softmax_loss(
            logits, target, _counts(order), **arguments
        ),
        lambda logits, target, **arguments: balanced_softmax_reference(logits, target, COUNTS.numpy(), **arguments),
    ),
]


WITH_MARGINS_BY_CLASS = ("gala-released", "gala-paper", "balanced-softmax", "logit-adjustment", "vs", "ldam")
ALSO_FUSED = ("class-balanced", "lade", "gcl", "seesaw")


def _fused(case: LossCase) -> LossCase:
    """The same loss by the compiled kernel, at any size."""
    return dataclasses.replace(
        case,
        name=f"{case.name}-fused",
        make_module=partial(case.make_module, fused=True),
        make_neutral=partial(case.make_neutral, fused=True),
        fused=True,
    )


if DEVICE.type == "cpu" and not isinstance(library(), NoKernelError):  # without a compiler every loss is as above
    CASES += [_fused(case) for case in CASES if case.name in (*WITH_MARGINS_BY_CLASS, *ALSO_FUSED)]


def _those(condition: Callable[[LossCase], bool]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", list(filter(condition, CASES)), ids=lambda case: case.name)


every_loss = _those(lambda _: True)
softmax_losses = _those(lambda case: case.softmax)
shift_invariant_losses = _those(lambda case: case.shift_invariant)
differentiable_losses = _those(lambda case: case.differentiable)
