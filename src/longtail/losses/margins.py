"""Margins of one number a class: a factor and a shift of the logits, and a shift of the target's logit alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

from longtail.losses.inputs import along_classes
from longtail.losses.shifts import shifted, shifted_at_target


@dataclass(frozen=True)
class Margins:
    """z̃_j = factor_j z_j + shift_j, and own_k more at the target k; with probabilities t as target t_j own_j more.

    Each is (C,) or `None`, which stands for 1, 0 and 0. All are constants.
    """

    factor: Tensor | None = None
    shift: Tensor | None = None
    own: Tensor | None = None

    @property
    def change_nothing(self) -> bool:
        """Whether the adjusted logits are the logits."""
        return self.factor is None and self.shift is None and self.own is None

    def applied(self, logits: Tensor, target: Tensor) -> Tensor:
        """The adjusted logits, in float32 at least; the logits themselves, the same object, where nothing changes."""
        if self.factor is not None:
            logits = scaled_and_shifted(logits, self.factor, self.shift)
        elif self.shift is not None:
            logits = shifted(logits, self.shift)
        return logits if self.own is None else shifted_at_target(logits, target, self.own)


def scaled_and_shifted(logits: Tensor, factor: Tensor, shift: Tensor | None) -> Tensor:
    """Logits times one number a class plus another, in float32 at least."""
    dtype = torch.promote_types(logits.dtype, torch.float32)
    factor = along_classes(factor.to(dtype), logits)
    if shift is None:
        return logits * factor
    return torch.addcmul(along_classes(shift.to(dtype), logits), logits, factor)
