"""Margins: a factor and a shift of each class, a shift at the target alone, and a shift of each logit."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from longtail.losses.inputs import along_classes
from longtail.losses.shifts import in_precision, shifted, shifted_at_target


@dataclass(frozen=True)
class Margins:
    """z̃_ij = factor_j z_ij + shift_j + each_ij, and own_k more at the target k.

    With probabilities t as target it is t_j own_j more. `each` has the shape of the logits, the others are (C,). `None`
    stands for a factor of 1 and a shift of 0. All are constants.
    """

    factor: Tensor | None = None
    shift: Tensor | None = None
    own: Tensor | None = None
    each: Tensor | None = None

    @property
    def change_nothing(self) -> bool:
        """Whether the adjusted logits are the logits."""
        return self.factor is None and self.shift is None and self.own is None and self.each is None

    def of_rows(self, dim: int) -> "Margins":
        """Those of the rows (N d1 …, C) of logits whose classes are dimension `dim`."""
        if self.each is None:
            return self
        return replace(self, each=self.each.movedim(dim, -1).reshape(-1, self.each.shape[dim]))

    def applied(self, logits: Tensor, target: Tensor) -> Tensor:
        """The adjusted logits, in float32 at least; the logits themselves, the same object, where nothing changes."""
        if self.factor is not None:
            logits = scaled_and_shifted(logits, self.factor, self.shift)
        elif self.shift is not None:
            logits = shifted(logits, self.shift)
        if self.each is not None:
            logits = logits + self.each
        return logits if self.own is None else shifted_at_target(logits, target, self.own)


def scaled_and_shifted(logits: Tensor, factor: Tensor, shift: Tensor | None) -> Tensor:
    """Logits times one number per class plus another, in float32 at least."""
    dtype = torch.promote_types(logits.dtype, torch.float32)
    factor = along_classes(in_precision(factor, dtype), logits)
    if shift is None:
        return logits * factor
    return torch.addcmul(along_classes(in_precision(shift, dtype), logits), logits, factor)
