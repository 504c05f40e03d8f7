"""Offsets of classes with few samples, drawn towards a line in the logarithm of the counts (empirical Bayes)."""

import numpy as np

LEAST_OF_A_LINE = 3  # classes: a line fits any two exactly
LEAST_SAMPLES_OF_THE_LINE, MOST_SAMPLES_OF_THE_LINE = 0.5, 100.0


def shrunk_offsets(offset: np.ndarray, seen: np.ndarray, counts: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Offsets (C,) of mean 0 over the classes of positive prior, those of classes with few samples shrunk to a line.

    An offset that is fitted to n samples of a class has a variance of about v/n. A line in log `counts` is fitted to
    all offsets, less log prior, with weights n; the variance t of true offsets about it and v are those by which
    t + v/n fits the squared residuals best. The offset of a class is n/(n + k) of its own and k/(n + k) of the line,
    with k = v/t: the mean of a normal posterior (empirical Bayes).

    Args:
        offset: (C,) fitted offsets.
        seen: (C,) weight of the samples, n; the offset of a class with none is that of the line.
        counts: (C,) positive.
        prior: (C,); a class of prior 0 keeps its offset.
    """
    part = (prior > 0) & (counts > 0)
    own, n, x = offset[part] - np.log(prior[part]), seen[part], np.log(counts[part])
    if len(own) < LEAST_OF_A_LINE or not n.any():
        return offset
    x_mean, mean = np.average(x, weights=n), np.average(own, weights=n)
    variance = np.average((x - x_mean) ** 2, weights=n)
    slope = np.average((x - x_mean) * (own - mean), weights=n) / variance if variance > 0 else 0.0
    line = mean + slope * (x - x_mean)
    share = n / (n + _samples_of_the_line((own - line)[n > 0], n[n > 0]))
    shrunk = offset.copy()
    shrunk[part] = share * own + (1 - share) * line + np.log(prior[part])
    shrunk[part] -= shrunk[part].mean()
    return shrunk


def _samples_of_the_line(residual: np.ndarray, n: np.ndarray) -> float:
    """The ratio v/t of the non-negative least squares fit of t + v/n to squared residuals, within limits."""
    weight, square = np.sqrt(n / (n + 1)), residual**2
    design = np.stack([np.ones(len(n)), 1 / n], axis=1) * weight[:, None]
    (t, v), *_ = np.linalg.lstsq(design, square * weight, rcond=None)
    if t <= 0:
        return MOST_SAMPLES_OF_THE_LINE
    return float(np.clip(max(v, 0.0) / t, LEAST_SAMPLES_OF_THE_LINE, MOST_SAMPLES_OF_THE_LINE))
