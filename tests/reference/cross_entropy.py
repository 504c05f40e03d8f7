"""Cross-entropy of one sample with soft targets, class weights and label smoothing, in plain numpy."""

import numpy as np


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def one_hot(k, num_classes):
    t = np.zeros(num_classes)
    t[k] = 1.0
    return t


def cross_entropy(z, t, weight=None, label_smoothing=0.0):
    """−Σ_j w_j t'_j log softmax(z)_j with t' the smoothed target."""
    z = np.asarray(z, dtype=np.float64)
    num_classes = len(z)
    log_p = z - z.max() - np.log(np.exp(z - z.max()).sum())
    total = 0.0
    for j in range(num_classes):
        smoothed = (1 - label_smoothing) * t[j] + label_smoothing / num_classes
        total -= (1.0 if weight is None else weight[j]) * smoothed * log_p[j]
    return total
