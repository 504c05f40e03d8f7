"""The batch size of a run on the user's own data, where it is left open."""

LARGEST, SMALLEST = 128, 8
STEPS = 50


def fitting_batch_size(samples: int, parts: int) -> int:
    """128, or less where an epoch would have fewer than 50 steps; at least 8, and a sample for each part.

    In few steps a classifier does not converge, and then predicts rare classes seldom.

    Args:
        samples: training samples.
        parts: into which each batch is divided, over all processes.

    Example:
        >>> [fitting_batch_size(samples, parts=1) for samples in (245, 1_039, 11_486)]
        [8, 20, 128]
    """
    return max(min(LARGEST, samples // STEPS), SMALLEST, parts)
