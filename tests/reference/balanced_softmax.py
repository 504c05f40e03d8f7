"""Balanced Softmax from eq. 3 of Ren et al., NeurIPS 2020."""

import numpy as np

from .cross_entropy import cross_entropy, one_hot


def balanced_softmax_loss(logits, targets, class_counts, weight=None, label_smoothing=0.0):
    """−log(n_k e^{z_k} / Σ_j n_j e^{z_j}), one per sample; targets are class indices or rows of probabilities."""
    losses = []
    for z, target in zip(np.asarray(logits, dtype=np.float64), targets, strict=True):
        t = one_hot(target, len(z)) if np.ndim(target) == 0 else np.asarray(target, dtype=np.float64)
        losses.append(cross_entropy(z + np.log(np.asarray(class_counts, dtype=np.float64)), t, weight, label_smoothing))
    return np.array(losses)
