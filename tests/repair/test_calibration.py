import numpy as np
import pytest

from longtail.metrics import class_wise_error, top_label_error
from longtail.repair import estimate_prior, fit_calibration
from longtail.repair.calibration import calibrated, probabilities
from longtail.repair.samples import Samples
from reference import repair as reference

COUNTS = np.array([3000, 1500, 500])


def sample(counts, seed=0, scale=3.0, bias=(0.0, 0.0, 0.0)):
    """Features of unit variance around the classes' corners, so that logits 2 x are exact; then scaled and shifted."""
    rng = np.random.default_rng(seed)
    target = np.repeat(np.arange(len(counts)), counts)
    exact = 2 * (rng.normal(size=(len(target), len(counts))) + 2 * np.eye(len(counts))[target])
    return scale * (exact + np.asarray(bias)), target


def test_a_known_temperature_and_bias_are_found():
    logits, target = sample([20_000] * 3, scale=3.0, bias=(1.0, 0.0, -1.0))
    temperature, offset = fit_calibration(logits, target, np.full(3, 1 / 3))
    assert temperature == pytest.approx(3.0, rel=0.05)
    np.testing.assert_allclose(offset, [-1.0, 0.0, 1.0], atol=0.06)


@pytest.mark.parametrize("prior", [[1 / 3, 1 / 3, 1 / 3], [0.7, 0.2, 0.1]])
def test_the_mean_probability_is_the_prior_that_was_named(prior):
    logits, target = sample(COUNTS)
    prior = np.array(prior)
    probability = probabilities(logits, *fit_calibration(logits, target, prior))
    weight = (prior / COUNTS)[target]
    np.testing.assert_allclose((weight[:, None] * probability).sum(0), prior, atol=2e-4)


def test_calibration_makes_both_errors_small():
    logits, target = sample(COUNTS)
    weight = (1 / 3 / COUNTS)[target]
    raw = probabilities(logits, 1.0, np.zeros(3))
    fitted = probabilities(logits, *fit_calibration(logits, target, np.full(3, 1 / 3)))
    assert top_label_error(fitted, target, weight) < 0.3 * top_label_error(raw, target, weight)
    assert class_wise_error(fitted, target, weight)[0] < 0.3 * class_wise_error(raw, target, weight)[0]


def test_errors_are_those_of_the_reference():
    rng = np.random.default_rng(0)
    probability, target, weight = rng.dirichlet(np.ones(4), 200), rng.integers(0, 4, 200), rng.random(200)
    expected = reference.calibration_error(probability.max(1), probability.argmax(1) == target, weight)
    assert top_label_error(probability, target, weight) == pytest.approx(expected)
    by_class = [reference.calibration_error(probability[:, c], target == c, weight) for c in range(4)]
    error, pooled = class_wise_error(probability, target, weight)
    assert error == pytest.approx(np.mean(by_class))
    assert pooled == 0


def test_rare_classes_are_pooled():
    rng = np.random.default_rng(0)
    target = np.repeat([0, 1, 2, 3], [100, 50, 5, 5])
    probability, weight = rng.dirichlet(np.ones(4), 160), np.ones(160)
    errors = [reference.calibration_error(probability[:, c], target == c, weight) for c in (0, 1)]
    errors.append(reference.calibration_error(probability[:, 2:].sum(1), target >= 2, weight))
    error, pooled = class_wise_error(probability, target, weight)
    assert error == pytest.approx(np.mean(errors))
    assert pooled == 2


def test_a_class_without_a_sample_gets_no_opinion():
    logits, target = sample([500, 500], bias=(0.0, 0.0))
    logits = np.hstack([logits, np.zeros((1000, 1))])
    temperature, offset = fit_calibration(logits, target, np.full(3, 1 / 3))
    assert temperature > 0
    assert offset[2] == pytest.approx(offset.mean(), abs=1e-9)


def test_the_prior_of_new_data_is_found_and_its_interval_covers_it():
    logits, _ = sample(COUNTS, scale=1.0)
    probability = probabilities(logits, 1.0, np.zeros(3))
    found = estimate_prior(probability, np.full(3, 1 / 3), draws=50)
    truth = COUNTS / COUNTS.sum()
    assert ((found.low - 0.005 <= truth) & (truth <= found.high + 0.005)).all()
    assert found.prior.sum() == pytest.approx(1)
    steady = np.mean(probability * found.prior * 3 / (probability * found.prior * 3).sum(1, keepdims=True), axis=0)
    np.testing.assert_allclose(steady, found.prior, atol=1e-6)


def test_hard_predictions_give_the_frequencies_and_finite_intervals():
    probability = np.eye(3)[np.repeat([0, 1, 2], [40, 9, 1])]
    found = estimate_prior(probability, np.full(3, 1 / 3), draws=200)
    np.testing.assert_allclose(found.prior, [0.8, 0.18, 0.02], atol=1e-9)
    assert (found.low <= found.prior).all()
    assert (found.prior <= found.high).all()
    assert 0.02 < found.high[2] < 0.12
    assert estimate_prior(np.tile([0.7, 0.3, 0.0], (50, 1)), np.full(3, 1 / 3), draws=9).high[2] == 0


def of_many_classes(seed):
    """Class shares, and calibrated probabilities of 2,000 samples of 60 classes."""
    rng = np.random.default_rng(seed)
    truth = rng.dirichlet(np.full(60, 0.5))
    target = rng.choice(60, 2000, p=truth)
    logits = rng.normal(size=(2000, 60)) + 3 * np.eye(60)[target]
    return truth, probabilities(logits, 1 / 3, np.zeros(60))


@pytest.mark.slow
def test_the_prior_of_many_classes_is_that_of_plain_em():
    _, probability = of_many_classes(0)
    found = estimate_prior(probability, np.full(60, 1 / 60), draws=40)
    assert found.converged
    assert found.passes < 400
    np.testing.assert_allclose(found.prior, reference.prior_by_em(probability, np.full(60, 1 / 60), 5000), atol=2e-5)


@pytest.mark.slow
def test_intervals_of_many_classes_cover_their_shares():
    covered = []
    for seed in range(5):
        truth, probability = of_many_classes(seed)
        found = estimate_prior(probability, np.full(60, 1 / 60), draws=400)
        covered.append((found.low <= truth) & (truth <= found.high))
    assert np.mean(covered) > 0.8


def test_a_prior_that_is_not_found_is_said():
    logits, _ = sample(COUNTS, scale=1.0)
    with pytest.warns(RuntimeWarning, match="not found in 2 passes: the log-likelihood can still rise by"):
        found = estimate_prior(probabilities(logits, 1.0, np.zeros(3)), np.full(3, 1 / 3), draws=2, max_passes=2)
    assert not found.converged


@pytest.mark.slow
def test_intervals_of_a_prior_cover_it():
    covered = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        truth = np.array([0.6, 0.3, 0.1])
        target = rng.choice(3, 200, p=truth)
        logits = 1.5 * (rng.normal(size=(200, 3)) + 1.5 * np.eye(3)[target])
        found = estimate_prior(probabilities(logits, 1.0, np.zeros(3)), np.full(3, 1 / 3), draws=200, seed=seed)
        covered.append((found.low <= truth) & (truth <= found.high))
    assert np.mean(covered) >= 0.95 - 0.015 - 2 * (0.95 * 0.05 / 300) ** 0.5


@pytest.mark.parametrize(
    ("probability", "prior", "message"),
    [
        (np.full((2, 2), 0.5), [1.0, 0.0], "`prior` must be above 0 everywhere"),
        (np.full((2, 2), 0.5), [0.6, 0.6], "`prior` must be above 0 everywhere and sum to 1. Got a sum of 1.2"),
        (np.full((2, 2), 0.7), [0.5, 0.5], "`probability` must hold rows"),
        (np.full((2, 2), 0.5), [0.3, 0.3, 0.4], "must have the shapes"),
        (np.zeros((0, 2)), [0.5, 0.5], "must have the shapes"),
    ],
)
def test_what_is_no_distribution_is_refused(probability, prior, message):
    with pytest.raises(ValueError, match=message):
        estimate_prior(probability, np.array(prior))


@pytest.mark.parametrize("decision", [None, np.zeros(3)])
def test_separated_and_unrelated_samples_have_no_temperature(decision):
    rng = np.random.default_rng(0)
    target, prior = np.arange(300) % 3, np.full(3, 1 / 3)
    noise = rng.normal(size=(300, 3)).clip(-2, 2)
    for own, at_limit in [(8.0, True), (1.0, False), (-1.0, True), (-8.0, True)]:
        logits = noise + own * np.eye(3)[target]
        assert calibrated(Samples.of(logits, target), prior, decision).at_limit == at_limit


@pytest.mark.parametrize("size", [1e4, 1e6, 1e40])
def test_a_broken_row_changes_a_calibration_little(size):
    logits, target = sample(COUNTS)
    prior = np.full(3, 1 / 3)
    broken = logits.copy()
    broken[0] = [-size, size, 0.0]
    temperature, offset = fit_calibration(broken, target, prior)
    expected = fit_calibration(logits, target, prior)
    assert temperature == pytest.approx(expected[0], rel=0.005)
    np.testing.assert_allclose(offset, expected[1], atol=0.01)


def test_what_the_logits_of_a_row_have_in_common_changes_nothing():
    logits, target = sample(COUNTS[::-1] // 10)
    common = np.exp2(np.arange(len(target)) % 20 + 10)[:, None]  # sums and differences are exact to 1e-10
    expected = fit_calibration(logits, target, "uniform")
    temperature, offset = fit_calibration(logits + 1e3 * common, target, "uniform")
    assert temperature == pytest.approx(expected[0], rel=1e-6)
    np.testing.assert_allclose(offset, expected[1], atol=1e-6)


def test_classes_that_are_masked_but_for_one_leave_the_temperature_at_1():
    logits = np.where(np.eye(2) > 0, 3.0, -np.inf)
    temperature, offset = fit_calibration(logits, np.arange(2), "uniform")
    assert (temperature, offset.tolist()) == (1.0, [0.0, 0.0])


TWO = np.array([[1.0, 0.0], [0.0, 2.0]])


@pytest.mark.parametrize(
    ("logits", "target", "prior", "message"),
    [
        (TWO * np.nan, [0, 1], "uniform", "`logits` must be finite"),
        (TWO / [1, 0.5] + [np.inf, 0], [0, 1], "uniform", "Got inf"),
        (np.where(TWO == 1, -np.inf, TWO), [0, 1], "uniform", "for the class of the sample. Got -inf in row 0"),
        (TWO[:0], [], "uniform", "N at least 1"),
        (TWO, [0, 2], "uniform", "`target` must lie in"),
        (TWO, [0], "uniform", "one label per sample"),
        (TWO, [0, 1], [1.0, 1.0], "`prior` must sum to 1"),
        (TWO, [0, 0], [0.0, 1.0], "`prior` must be above 0"),
    ],
)
def test_what_can_not_be_calibrated_is_refused(logits, target, prior, message):
    with pytest.raises(ValueError, match=message):
        fit_calibration(logits, np.array(target, dtype=np.int64), prior)


def test_offsets_on_a_line_are_the_best_multiple_of_it():
    rng = np.random.default_rng(4)
    share = np.array([0.7, 0.2, 0.1])
    target = rng.choice(3, 4000, p=share)
    posterior = rng.normal(size=(4000, 3)) + 2 * np.eye(3)[target]  # of equally frequent classes, with 2 * logits
    temperature, offset = fit_calibration(3 * 2 * posterior, target, share, line=np.log(share))
    assert temperature == pytest.approx(3, rel=0.1)
    line = np.log(share) - np.log(share).mean()
    assert (offset @ line) / (line @ line) == pytest.approx(1, abs=0.15)
    np.testing.assert_allclose(offset, (offset @ line) / (line @ line) * line, atol=1e-12)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"line": np.zeros(2)}, r"`line` must hold one finite number per class, \(3,\)"),
        ({"line": np.array([0, 1, np.inf])}, "`line` must hold one finite number per class"),
        ({"decision": np.array([0, 1, np.nan])}, "`decision` must hold one finite number per class"),
        ({"line": np.zeros(3), "decision": np.zeros(3)}, "`line` must be None with `decision`"),
    ],
)
def test_lines_and_decisions_that_do_not_fit_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        fit_calibration(np.eye(3), np.arange(3), "uniform", **given)
