"""The learning rate of each step: a linear warm-up, then a decay."""

import math
from functools import cache
from typing import Any

PER_STEP = ("cosine-per-step", "poly", "tanh", "step", "constant")
SCHEDULES = ("cosine", *PER_STEP)


def learning_rate(epoch: int, *, base: float, epochs: int, warmup_epochs: int) -> float:
    """The rate of `epoch`, counted from 1: base · epoch / warmup, then half a cosine that would reach 0 after the last.

    As in the code shared by the long-tailed literature, except that the rate of the last epoch is above 0.

    Example:
        >>> [round(learning_rate(epoch, base=0.1, epochs=6, warmup_epochs=2), 4) for epoch in range(1, 7)]
        [0.05, 0.1, 0.0905, 0.0655, 0.0345, 0.0095]
        >>> [round(learning_rate(epoch, base=0.1, epochs=4, warmup_epochs=0), 4) for epoch in range(1, 5)]
        [0.1, 0.0854, 0.05, 0.0146]
    """
    if epoch <= warmup_epochs:
        return base * epoch / warmup_epochs
    if not warmup_epochs:
        return base * 0.5 * (1 + math.cos(math.pi * (epoch - 1) / epochs))
    return base * 0.5 * (1 + math.cos(math.pi * (epoch - warmup_epochs) / (epochs - warmup_epochs + 1)))


def rate_of_step(
    name: str, epoch: int, step: int, *, base: float, epochs: int, warmup_epochs: int, steps: int
) -> float:
    """The rate of one step.

    Args:
        name: of `SCHEDULES`.
        epoch: counted from 1.
        step: within the epoch, counted from 0.
        base: the highest rate.
        epochs: of the run.
        warmup_epochs: of them.
        steps: of an epoch.

    Example:
        >>> settings = {"base": 0.1, "epochs": 2, "warmup_epochs": 1, "steps": 2}
        >>> [round(rate_of_step("cosine-per-step", e, s, **settings), 4) for e in (1, 2) for s in (0, 1)]
        [0.05, 0.1, 0.1, 0.05]
    """
    if name == "cosine":
        return learning_rate(epoch, base=base, epochs=epochs, warmup_epochs=warmup_epochs)
    done, warmup = (epoch - 1) * steps + step, warmup_epochs * steps
    if done < warmup:
        return base * (done + 1) / warmup
    if name == "constant":
        return base
    schedule = _of_timm(name, base, epochs - warmup_epochs, steps)
    schedule.step_update(done - warmup)
    return float(schedule.optimizer.param_groups[0]["lr"])


@cache
def _of_timm(name: str, base: float, epochs: int, steps: int) -> Any:
    """A schedule of timm for the epochs after the warm-up; its rates depend on the step alone."""
    import torch
    from timm.scheduler import create_scheduler_v2

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base)
    schedule, _ = create_scheduler_v2(
        optimizer,
        name.removesuffix("-per-step"),
        num_epochs=max(epochs, 1),
        decay_epochs=max(epochs / 3, 1),
        decay_rate=1.0 if name == "poly" else 0.1,  # the power of poly, the factor of step
        step_on_epochs=False,
        updates_per_epoch=steps,
    )
    return schedule
