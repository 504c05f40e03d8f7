"""Prediction re-balancing from section 2.3 of Zhang et al., ICASSP 2024, and its fixed point by bisection."""

import numpy as np

from .cross_entropy import softmax


def column_sums(logits, weight=None):
    """s_j = Σ_i w_i P_ij."""
    weight = np.ones(len(logits)) if weight is None else weight
    s = np.zeros(np.shape(logits)[1])
    for z, w in zip(np.asarray(logits, dtype=np.float64), weight, strict=True):
        s += w * softmax(z)
    return s


def inductive_weight(target, prior):
    """target prior of a sample's class over that class's count."""
    counts = np.bincount(target, minlength=len(prior))
    return np.array([prior[y] / counts[y] for y in target])


def rebalanced_predictions(logits, s, tau):
    """argmax_j P_ij / s_j^τ."""
    return np.array([int(np.argmax(softmax(z) / s**tau)) for z in np.asarray(logits, dtype=np.float64)])


def fixed_point_by_newton(logits, weight, prior, steps=200):
    """The offset with Σ_i w_i softmax(z_i + o) = π, by damped Newton steps on the convex objective."""
    logits = np.asarray(logits, dtype=np.float64)
    o = np.zeros(len(prior))
    for _ in range(steps):
        p = np.array([softmax(z + o) for z in logits])
        mean = weight @ p
        hessian = np.diag(mean) - (p * weight[:, None]).T @ p
        o = o - 0.5 * np.linalg.pinv(hessian) @ (mean - prior)
    return o - o.mean()
