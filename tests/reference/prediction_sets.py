"""Prediction sets from their definitions, one sample and one class at a time: a class of a low score is in the set."""

import math
from fractions import Fraction

import numpy as np

from .cross_entropy import softmax


def scores(logits, prevalence=None, weight=None):
    """s(x, y): −p(y|x), −p(y|x) / π_y or −ω_y p(y|x) / π_y, for one sample."""
    p = softmax(np.asarray(logits, dtype=np.float64))
    found = []
    for y in range(len(p)):
        divisor = 1.0 if prevalence is None else prevalence[y]
        found.append(-(1.0 if weight is None else weight[y]) * p[y] / divisor)
    return found


def quantile(own_scores, miscoverage):
    """The ⌈(n + 1)(1 − α)⌉-th smallest score, infinite if there are fewer."""
    rank = math.ceil((len(own_scores) + 1) * (1 - Fraction(miscoverage)))
    return math.inf if rank > len(own_scores) else sorted(own_scores)[rank - 1]


def thresholds(logits, target, miscoverage, tau, **score):
    """One threshold for each class; an infinite one of a class becomes the largest score, 0, before it is averaged."""
    own = [scores(z, **score)[y] for z, y in zip(logits, target, strict=True)]
    standard = quantile(own, miscoverage)
    found = []
    for c in range(np.shape(logits)[1]):
        classwise = min(0.0, quantile([s for s, y in zip(own, target, strict=True) if y == c], miscoverage))
        found.append(classwise if tau == 1 else tau * classwise + (1 - tau) * standard if tau else standard)
    return found


def prediction_set(logits, q, **score):
    return {y for y, (s, most) in enumerate(zip(scores(logits, **score), q, strict=True)) if s <= most}
