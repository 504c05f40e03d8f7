"""Prediction re-balancing from section 2.3 of Zhang et al., ICASSP 2024, and its fixed point by a general minimiser."""

import numpy as np
from scipy.optimize import minimize

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


def fixed_point_by_minimisation(logits, weight, prior):
    """The offset with Σ_i w_i softmax(z_i + o) = π, as the minimum of Σ_i w_i log Σ_j e^{z_ij + o_j} − Σ_j π_j o_j."""
    logits = np.asarray(logits, dtype=np.float64)

    def objective(o):
        value, gradient = -prior @ o, -prior.copy()
        for z, w in zip(logits, weight, strict=True):
            shifted = z + o
            value += w * (shifted.max() + np.log(np.exp(shifted - shifted.max()).sum()))
            gradient += w * softmax(shifted)
        return value, gradient

    offset = minimize(objective, np.zeros(len(prior)), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    return offset - offset.mean()
