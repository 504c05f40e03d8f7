import numpy as np
import pytest

from longtail import PostHocLogitAdjustment

COUNTS = np.array([60, 30, 10])
LOGITS = np.random.default_rng(0).normal(size=(40, 3))


@pytest.mark.parametrize("tau", [0.5, 1.0, 1.7])
def test_predicts_the_largest_probability_over_the_prior(tau):
    probabilities = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    want = (probabilities / (COUNTS / COUNTS.sum()) ** tau).argmax(1)
    np.testing.assert_array_equal(PostHocLogitAdjustment(COUNTS, tau=tau).fit().predict(LOGITS), want)


def test_the_target_prior_takes_the_place_of_the_training_prior():
    same = PostHocLogitAdjustment(COUNTS, target_prior=COUNTS / 100).fit()
    np.testing.assert_allclose(same.offset_, 0, atol=1e-12)
    swapped = PostHocLogitAdjustment(COUNTS, target_prior=[0.1, 0.3, 0.6]).fit()
    np.testing.assert_allclose(swapped.offset_, np.log([0.1 / 0.6, 1, 6]))


def test_uniform_counts_change_nothing():
    np.testing.assert_allclose(PostHocLogitAdjustment([5, 5, 5]).fit().offset_, 0, atol=1e-12)


def test_an_empty_class_counts_as_a_half():
    with pytest.warns(UserWarning, match="counted as ½: 1"):
        offset = PostHocLogitAdjustment([9, 0]).fit().offset_
    np.testing.assert_allclose(offset, np.log(0.5) - np.log([9 / 9.5, 0.5 / 9.5]))


def test_counts_and_logits_are_checked_by_fit():
    with pytest.raises(ValueError, match="`class_counts` must be finite and at least 0"):
        PostHocLogitAdjustment([3, -1]).fit()
    with pytest.raises(ValueError, match="`logits` must have 2 classes, as fitted. Got 3"):
        PostHocLogitAdjustment([3, 1]).fit(LOGITS)


def test_arrays_that_are_changed_in_place_are_saved_as_they_were_fitted(tmp_path):
    counts, prior = COUNTS.copy(), np.array([0.2, 0.3, 0.5])
    fitted = PostHocLogitAdjustment(counts, target_prior=prior).fit()
    counts[:], prior[:] = [1, 2, 3], [0.5, 0.3, 0.2]
    loaded = PostHocLogitAdjustment.load(fitted.save(tmp_path / "offset.json"))
    assert loaded.get_params() == {"class_counts": [60, 30, 10], "tau": 1.0, "target_prior": [0.2, 0.3, 0.5]}
