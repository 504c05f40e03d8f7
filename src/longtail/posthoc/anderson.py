"""Anderson acceleration of a fixed-point iteration that minimises a convex function, for several problems at once.

It combines the last steps so that the linearised residual is smallest, as GMRES does.

Source: Walker and Ni, "Anderson Acceleration for Fixed-Point Iterations", SIAM Journal on Numerical Analysis 49, 2011.
"""

import torch
from torch import Tensor

DEPTH = 8  # earlier steps in use; 5 takes about a tenth more passes, 12 hardly fewer
RIDGE = 1e-10
FARTHEST = 30.0  # times the length of the step


class Anderson:
    """The state of S searches for o with step(o) = 0.

    Args:
        weight: (S, C) float64, squared lengths of steps are weighted by it.
        slack: increases of the function up to this count as rounding.

    Attributes:
        offset: (S, C) float64, where the step and the function are to be evaluated next.
        best_offset: (S, C) the last one that did not increase the function.
        best_plain: (S, C) the plain step there.
    """

    def __init__(self, weight: Tensor, *, slack: float) -> None:
        self.offset, self.best_offset, self.best_plain = (torch.zeros_like(weight) for _ in range(3))
        self._best_step = torch.zeros_like(weight)
        self._root, self._slack = weight.sqrt(), slack
        self._value = torch.full((len(weight),), torch.inf, dtype=weight.dtype)
        self._moves, self._changes = (torch.zeros(DEPTH, *weight.shape, dtype=weight.dtype) for _ in range(2))
        self._slot = 0

    def advance(self, active: Tensor, plain: Tensor, step: Tensor, value: Tensor) -> None:
        """Set `offset[active]` to what is to be evaluated next.

        Args:
            active: (A,) indices of searches.
            plain: (A, C) float64, a step from their `offset` that never increases the function.
            step: (A, C) float64, the step that is accelerated: the plain one, or a longer one in parts.
            value: (A,) float64, the function there.
        """
        better = value <= self._value[active] + self._slack
        self._record(active[better], plain[better], step[better], value[better])
        self.offset[active] = self._next(active)
        self._take_back(active[~better])

    def _record(self, kept: Tensor, plain: Tensor, step: Tensor, value: Tensor) -> None:
        known = (self._value[kept] < torch.inf)[:, None]
        self._moves[self._slot, kept] = torch.where(known, self.offset[kept] - self.best_offset[kept], 0.0)
        self._changes[self._slot, kept] = torch.where(known, step - self._best_step[kept], 0.0)
        self._slot = (self._slot + 1) % DEPTH
        self.best_offset[kept], self.best_plain[kept] = self.offset[kept], plain
        self._best_step[kept], self._value[kept] = step, value

    def _take_back(self, worse: Tensor) -> None:
        """The next step is plain, which needs no check, and earlier ones are forgotten."""
        self._moves[:, worse] = self._changes[:, worse] = 0.0
        self._value[worse] = torch.inf
        self.offset[worse] = self.best_offset[worse] + self.best_plain[worse]

    def _next(self, active: Tensor) -> Tensor:
        own, root = self._best_step[active], self._root[active]
        changes = self._changes[:, active].transpose(0, 1)
        length = (changes * root[:, None]).norm(dim=2)
        inverse = torch.where(length > 0, 1 / length, 0.0)[:, :, None]
        unit = changes * root[:, None] * inverse
        gram = unit @ unit.transpose(1, 2) + RIDGE * torch.eye(DEPTH, dtype=own.dtype)
        share = torch.linalg.solve(gram, unit @ (own * root)[:, :, None]) * inverse
        moves = self._moves[:, active].transpose(0, 1) + changes
        step = own - (share * moves).sum(1)
        too_far = (step * root).norm(dim=1) / (FARTHEST * (own * root).norm(dim=1))
        following: Tensor = self.best_offset[active] + step / too_far.clamp(min=1.0)[:, None]
        return following
