"""Statistics of parts merge to those of all samples, in any order and grouping, also with empty parts."""

import itertools
import pickle
from functools import partial, reduce

import numpy as np
import pytest
import torch

from longtail.posthoc import PredictionRebalancer
from longtail.posthoc.mean_predictions import mean_predictions
from longtail.posthoc.predicted_mass import PredictedMass

COUNTS = [60, 25, 10, 4]
BOUNDS = [0, 7, 7, 50, 98, 99]  # one part is empty, one holds a single sample


def merge(a, b):
    return a.merge(b)


def labelled(scale=3.0):
    rng = np.random.default_rng(0)
    target = rng.permutation(np.repeat(np.arange(4), COUNTS))
    return scale * (rng.normal(size=(99, 4)) + 2 * np.eye(4)[target]) + np.log(COUNTS), target


def in_parts(*arrays):
    return [tuple(array[start:end] for array in arrays) for start, end in itertools.pairwise(BOUNDS)]


def groupings(statistics):
    """Merged from the left, from the right, in another order, and in a tree."""
    yield reduce(merge, statistics)
    yield reduce(lambda a, b: b.merge(a), reversed(statistics))
    yield reduce(merge, [statistics[place] for place in (3, 1, 4, 0, 2)])
    yield merge(reduce(merge, statistics[:2]), reduce(merge, statistics[2:]))


def far_apart():
    """Class 3 is 800 nats below the others in most samples, so that its sums underflow."""
    logits, target = labelled()
    logits[:90, 3] -= 800.0
    return logits, target


@pytest.mark.parametrize("data", [labelled, far_apart])
def test_mean_predictions_of_parts_merge_to_those_of_all_samples(data):
    logits = torch.from_numpy(data()[0])
    weight = torch.rand(99, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weight[:50, 1] = 0.0  # three parts hold no sample of this weighting
    weight /= weight.sum(0)
    offset = torch.tensor([[0.0, 1.0, -2.0, 3.0], [0.0, 0.0, 0.0, -torch.inf]], dtype=torch.float64)
    whole = mean_predictions(lambda: [(logits, weight)], offset)
    given = [[part] if len(part[0]) else [] for part in in_parts(logits, weight)]
    parts = [mean_predictions(partial(iter, own), offset) for own in given]
    for found in groupings(parts):
        for name in whole._fields:
            np.testing.assert_allclose(getattr(found, name), getattr(whole, name), rtol=1e-12, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("data", [labelled, far_apart])
def test_predicted_mass_of_parts_merges_to_that_of_all_samples(data):
    logits, target = map(torch.from_numpy, data())
    whole = PredictedMass(4, 4)
    whole.add(logits, target)
    parts = []
    for own_logits, own_target in in_parts(logits, target):
        parts.append(PredictedMass(4, 4))
        parts[-1].add(own_logits, own_target)
    factors = torch.tensor([0.5, 1.0, 2.0, 3.0], dtype=torch.float64)
    for found in groupings(parts):
        np.testing.assert_allclose(found.log_mean(factors), whole.log_mean(factors), rtol=1e-12)
        assert found.samples.tolist() == COUNTS


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("data", [labelled, far_apart])
def test_rebalancers_of_parts_merge_to_one_fit(data, labels):
    logits, target = data()
    rebalancer = PredictionRebalancer(tau=1.3, target_prior=[0.4, 0.3, 0.2, 0.1])
    whole = rebalancer.fit(logits, target) if labels else rebalancer.fit_transductive(logits)
    parts = []
    for own_logits, own_target in in_parts(logits, target):
        part = PredictionRebalancer(tau=1.3, target_prior=[0.4, 0.3, 0.2, 0.1])
        parts.append(part.partial_fit(own_logits, own_target if labels else None) if len(own_target) else part)
    for found in groupings([pickle.loads(pickle.dumps(part)) for part in parts]):
        np.testing.assert_allclose(found.offset_, whole.offset_, rtol=1e-12)
        assert found.transductive_ == (not labels)


def test_merging_leaves_both_as_they_were():
    logits, target = labelled()
    first, second = (PredictionRebalancer().partial_fit(logits[own], target[own]) for own in (slice(50), slice(50, 99)))
    alone = first.offset_.copy()
    both = first.merge(second)
    both.partial_fit(logits, target)
    np.testing.assert_array_equal(first.offset_, alone)


def test_a_rebalancer_that_cannot_be_merged_is_refused(tmp_path):
    logits, target = labelled()
    streamed = PredictionRebalancer().partial_fit(logits, target)
    fitted = PredictionRebalancer().fit(logits, target)
    loaded = PredictionRebalancer.load(fitted.save(tmp_path / "offset.json"))
    for other in (fitted, loaded):
        with pytest.raises(ValueError, match="`merge` must follow `partial_fit`. Got one after `fit` or `load`"):
            streamed.merge(other)
        with pytest.raises(ValueError, match="`merge` must follow"):
            other.merge(streamed)
    with pytest.raises(ValueError, match=r"must have the same `tau`, 1.0. Got 2.0"):
        streamed.merge(PredictionRebalancer(tau=2.0))
    with pytest.raises(ValueError, match="must be fitted with labels, as this one, or both without"):
        streamed.merge(PredictionRebalancer().partial_fit(logits))
    with pytest.raises(ValueError, match="must have the same number of classes, 4. Got 3"):
        streamed.merge(PredictionRebalancer().partial_fit(logits[:, :3], target % 3))


def over(parts):
    """Each part's statistic is computed after a trip through bytes, as in another process."""

    def over_parts(statistic):
        function = pickle.dumps(statistic)
        return reduce(merge, [pickle.loads(pickle.dumps(pickle.loads(function)(*part))) for part in parts])

    return over_parts


@pytest.mark.parametrize("converge", [False, True])
@pytest.mark.parametrize("prior", ["uniform", [0.4, 0.3, 0.2, 0.1]])
def test_a_fit_on_parts_is_that_on_all_samples(converge, prior):
    logits, target = labelled()
    whole = PredictionRebalancer(tau=0.7, target_prior=prior, converge=converge).fit(logits, target)
    parts = in_parts(logits, target)
    for order in ([0, 1, 2, 3, 4], [4, 2, 0, 1, 3]):
        found = PredictionRebalancer(tau=0.7, target_prior=prior, converge=converge)
        found.fit_parts(over([parts[place] for place in order]))
        # Acceleration enlarges rounding; both are within 1e-6 of the fixed point.
        np.testing.assert_allclose(found.offset_, whole.offset_, rtol=1e-10 if converge else 1e-12, atol=1e-14)
        assert not found.transductive_


def test_classes_of_prior_0_take_no_part_in_a_fit_on_parts():
    logits, target = labelled()
    prior = [0.5, 0.5, 0.0, 0.0]
    whole = PredictionRebalancer(target_prior=prior).fit(logits, target)
    found = PredictionRebalancer(target_prior=prior).fit_parts(over(in_parts(logits, target)))
    np.testing.assert_allclose(found.offset_, whole.offset_, rtol=1e-12)


def test_parts_that_cannot_be_fitted_are_refused():
    logits, target = labelled()
    parts = in_parts(logits, target)
    with pytest.raises(
        TypeError, match=r"`over_parts` must return the merged statistics of all parts, one ClassCounts. Got list"
    ):
        PredictionRebalancer().fit_parts(lambda statistic: [statistic(*part) for part in parts])
    with pytest.raises(ValueError, match="must have the same number of classes, 4. Got 3"):
        PredictionRebalancer().fit_parts(over([parts[0], (logits[:, :3], target % 3)]))
    with pytest.raises(ValueError, match="Got none of 3"):
        PredictionRebalancer().fit_parts(over([(logits[target < 3], target[target < 3])]))
    with pytest.raises(ValueError, match="`target` must lie in"):
        PredictionRebalancer().fit_parts(over([parts[0], (logits, target + 1)]))
    with pytest.raises(ValueError, match="`logits` must be finite"):
        PredictionRebalancer().fit_parts(over([parts[0], (logits * np.inf, target)]))
