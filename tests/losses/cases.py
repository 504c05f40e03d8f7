"""Every loss of the library with a state that matters and the reference it must agree with."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch

from longtail import BalancedSoftmaxLoss, GALALoss, balanced_softmax_loss, gala_loss
from longtail.losses.contract import LongTailedLoss
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
    module whose state is uniform, so that it must equal cross-entropy.
    """

    name: str
    make_module: Callable[..., LongTailedLoss]
    make_neutral: Callable[..., LongTailedLoss]
    function: Callable[..., torch.Tensor]
    reference: Callable[..., np.ndarray]

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


CASES = [
    _gala("released"),
    _gala("paper"),
    LossCase(
        "balanced-softmax",
        partial(BalancedSoftmaxLoss, COUNTS),
        partial(BalancedSoftmaxLoss, torch.ones(NUM_CLASSES)),
        lambda logits, target, order=slice(None), **arguments: balanced_softmax_loss(
            logits, target, COUNTS[order], **arguments
        ),
        lambda logits, target, **arguments: balanced_softmax_reference(logits, target, COUNTS.numpy(), **arguments),
    ),
]

every_loss = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
