"""The learning rate of each epoch: a linear rise, then a cosine."""

import math


def learning_rate(epoch: int, *, base: float, epochs: int, warmup_epochs: int) -> float:
    """The rate of `epoch`, counted from 1: base · epoch / warmup, then half a cosine that would reach 0 after the last.

    As in the code that the long-tailed literature shares, but for the last epoch, which trains at a rate above 0.

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
