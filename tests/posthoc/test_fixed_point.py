import numpy as np
import pytest
import torch

from longtail.posthoc.fixed_point import NoFixedPointError, fixed_point_offsets

COUNTS = np.array([400, 200, 100, 50, 30, 20])


def weighted_logits(scale=1.0, fits=4, seed=0):
    """Logits of a long-tailed model; weights under which classes are balanced, without a fold in each fit."""
    rng = np.random.default_rng(seed)
    target = np.repeat(np.arange(len(COUNTS)), COUNTS)
    logits = scale * (rng.normal(size=(len(target), len(COUNTS))) + 3 * np.eye(len(COUNTS))[target]) + np.log(COUNTS)
    weight = np.stack([np.arange(len(target)) % fits != fit for fit in range(fits)]).astype(float)
    for one in weight:
        one /= np.bincount(target, one)[target] * len(COUNTS)
    return torch.from_numpy(logits), torch.from_numpy(weight.T.copy())


class Passes:
    """Counts the passes over blocks of logits and weights."""

    def __init__(self, logits, weight):
        self.logits, self.weight, self.number = logits, weight, 0

    def __call__(self):
        self.number += 1
        return zip(self.logits.split(128), self.weight.split(128), strict=True)


def mean_of(logits, weight, offset):
    return torch.stack([w @ (logits + o).softmax(1) for w, o in zip(weight.T, offset, strict=True)])


def plain_iteration(logits, weight, prior, tolerance, most=100_000):
    """o ← o + log π − log(mean prediction), in float64; the offsets and the number of steps."""
    offset = torch.zeros_like(prior)
    for number in range(most):
        step = prior.log() - mean_of(logits, weight, offset).log()
        if step.abs().max() <= tolerance:
            return offset - offset.mean(1, keepdim=True), number + 1
        offset += step
    raise AssertionError("no convergence")


@pytest.mark.parametrize(("scale", "saved"), [(0.5, 1), (2.0, 3), (4.0, 4)])
@pytest.mark.parametrize(
    ("tolerance", "precision"), [(1e-3, torch.float32), (1e-3, torch.float64), (1e-6, torch.float64)]
)
@pytest.mark.slow
def test_it_is_the_fixed_point_of_the_plain_iteration_in_fewer_passes(scale, saved, tolerance, precision):
    logits, weight = weighted_logits(scale)
    prior = torch.full((4, 6), 1 / 6, dtype=torch.float64)
    blocks = Passes(logits.to(precision), weight)
    offset = fixed_point_offsets(blocks, prior, tolerance=tolerance, precision=precision)
    rounding = 2e-6 if precision == torch.float32 else 1e-9
    np.testing.assert_allclose(mean_of(logits, weight, offset), prior, rtol=tolerance + rounding)
    exact, _ = plain_iteration(logits, weight, prior, 1e-10)
    np.testing.assert_allclose(offset, exact, atol=100 * tolerance)
    _, steps = plain_iteration(logits, weight, prior, tolerance)
    assert blocks.number * saved <= steps


def test_classes_of_prior_0_take_no_part():
    logits, weight = weighted_logits()
    prior = torch.full((4, 6), 1 / 6, dtype=torch.float64)
    prior[2] = torch.tensor([0.5, 0.0, 0.2, 0.0, 0.2, 0.1])
    offset = fixed_point_offsets(Passes(logits, weight), prior)
    assert (offset[2] == -torch.inf).tolist() == (prior[2] == 0).tolist()
    assert offset[2][prior[2] > 0].mean() == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(mean_of(logits, weight, offset), prior, rtol=2e-6)


def test_a_tenth_of_a_percent_is_accepted_after_the_last_pass():
    logits, weight = weighted_logits(4.0)
    prior = torch.full((4, 6), 1 / 6, dtype=torch.float64)
    within = Passes(logits, weight)
    fixed_point_offsets(within, prior, tolerance=1e-3)
    with pytest.raises(NoFixedPointError, match=r"in 3 passes: class \d still receives [\d.]+ times its share"):
        fixed_point_offsets(Passes(logits, weight), prior, max_iterations=3)
    offset = fixed_point_offsets(Passes(logits, weight), prior, tolerance=1e-14, max_iterations=within.number + 30)
    np.testing.assert_allclose(mean_of(logits, weight, offset), prior, rtol=1e-3)


def test_offsets_far_away_are_reached():
    logits = torch.full((10, 2), -500.0, dtype=torch.float64)
    logits[torch.arange(10), torch.tensor([0] * 8 + [1] * 2)] = 500.0
    weight = torch.full((10, 1), 0.1, dtype=torch.float64)
    offset = fixed_point_offsets(Passes(logits, weight), torch.full((1, 2), 0.5, dtype=torch.float64))
    np.testing.assert_allclose(mean_of(logits, weight, offset), [[0.5, 0.5]], rtol=2e-6)
    assert offset[0, 1] > 499
