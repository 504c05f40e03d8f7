"""Offsets fitted to a metric beside a slow reference: every score from all decisions, one move at a time."""

import numpy as np
import pytest

from longtail.repair.coordinate_ascent import STEPS, SWEEPS, fitted_to_metric
from longtail.repair.metrics import METRICS, make_metric
from longtail.repair.samples import Samples

COUNTS = [40, 21, 12, 9, 6, 3]


def samples(seed, step=None):
    """Logits that are multiples of a power of 2 have ties, and their sums are exact."""
    rng = np.random.default_rng(seed)
    target = np.repeat(np.arange(6), COUNTS)
    logits = rng.normal(size=(len(target), 6)) + 1.5 * np.eye(6)[target] + 0.7 * np.log(COUNTS)
    if step is not None:
        logits = np.round(logits / step) * step
    return Samples(logits, target, rng.uniform(0.5, 2.0, len(target)))


def metric_named(name):
    cost = np.random.default_rng(9).uniform(1, 5, (6, 6)) * (1 - np.eye(6)) if name == "cost" else None
    prior = np.arange(1, 7) / 21 if name in ("accuracy", "cost") else "uniform"
    return make_metric(name, 6, prior, cost)


def reference(samples, metric, start):
    offset, target = start.copy(), samples.target

    def decided(offset):
        return (samples.logits + offset).argmax(1)

    def score(predicted):
        return metric.score(target, predicted, samples.weight, 6)

    best = score(decided(offset))
    scores = samples.logits + start
    margins = [np.mean((scores[np.arange(len(target)), target] - scores.max(1))[target == c]) for c in range(6)]
    for _ in range(SWEEPS):
        for c in sorted(range(6), key=lambda c: (COUNTS[c], margins[c])):
            others = samples.logits + offset
            own = others[:, c].copy()
            others[:, c] = -np.inf
            margin = others.max(1) - own
            ordered = sorted(margin)
            moves = []
            for step in range(STEPS):
                place = int((step + 0.5) / STEPS * (len(margin) - 1))
                moves.append((ordered[place] + ordered[place + 1]) / 2)
            values = [score(np.where(margin < move, c, others.argmax(1))) for move in moves]
            if max(values) > best + 1e-12:
                best = max(values)
                offset[c] += moves[int(np.argmax(values))]
    return offset - offset.mean()


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("step", [None, 0.5])
def test_offsets_are_those_of_the_reference(name, seed, step):
    given, metric = samples(seed, step), metric_named(name)
    start = np.random.default_rng(seed).normal(size=6) * 0.3 if step is None else np.arange(6) * step
    np.testing.assert_allclose(
        fitted_to_metric(given, metric, start), reference(given, metric, start), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("name", METRICS)
def test_the_metric_does_not_fall(name):
    given, metric = samples(0), metric_named(name)
    offset = fitted_to_metric(given, metric, np.zeros(6))
    before, after = (
        metric.score(given.target, (given.logits + own).argmax(1), given.weight, 6) for own in (np.zeros(6), offset)
    )
    assert after > before


@pytest.mark.parametrize("mask", [-np.inf, np.finfo(np.float32).min, -1e9])
@pytest.mark.parametrize("seed", [79, 101, 105])
def test_masked_classes_do_not_make_offsets_large(seed, mask):
    """Half of the entries are masked: a move between the margins of a masked and of another sample would be huge."""
    rng, number = np.random.default_rng(seed), 4
    target = np.r_[np.arange(number), rng.choice(number, int(rng.integers(20, 60)) - number, p=[0.6, 0.2, 0.15, 0.05])]
    logits = rng.normal(size=(len(target), number)) + 1.5 * np.eye(number)[target] + [1, 0.5, 0, -0.5]
    masked = rng.random(logits.shape) < 0.5
    masked[np.arange(len(target)), target] = False
    given = Samples(np.where(masked, mask, logits), target, np.ones(len(target)))
    for name in ("macro-f1", "worst-tenth"):
        assert np.abs(fitted_to_metric(given, make_metric(name, number), np.zeros(number))).max() < 20


def test_a_class_that_is_masked_everywhere_is_left_alone():
    given = samples(0)
    logits = given.logits.copy()
    logits[:, 5] = -np.inf
    kept = given.target != 5
    given = Samples(logits[kept], given.target[kept], given.weight[kept])
    assert np.abs(fitted_to_metric(given, make_metric("macro-f1", 6), np.zeros(6))).max() < 20
