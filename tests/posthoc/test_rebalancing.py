import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from longtail import PostHocLogitAdjustment, PredictionRebalancer
from longtail.metrics import balanced_accuracy
from longtail.posthoc.mean_predictions import mean_predictions
from reference import rebalancing as reference
from reference.cross_entropy import softmax

COUNTS = np.array([30, 10, 6, 4])
NUM_CLASSES = len(COUNTS)
PRIOR = np.array([0.1, 0.2, 0.3, 0.4])


def long_tailed(seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    target = rng.permutation(np.repeat(np.arange(NUM_CLASSES), COUNTS))
    logits = rng.normal(size=(len(target), NUM_CLASSES)) + 2 * np.eye(NUM_CLASSES)[target] + np.log(COUNTS)
    return scale * logits, target


@pytest.mark.parametrize("tau", [0.3, 1.0, 1.7])
def test_transductive_predictions_agree_with_the_reference(tau):
    logits, _ = long_tailed()
    got = PredictionRebalancer(tau=tau).fit_transductive(logits)
    want = reference.rebalanced_predictions(logits, reference.column_sums(logits), tau)
    np.testing.assert_array_equal(got.predict(logits), want)
    assert got.transductive_


@pytest.mark.parametrize("tau", [0.3, 1.0, 1.7])
def test_inductive_predictions_agree_with_the_reference(tau):
    logits, target = long_tailed()
    fresh, _ = long_tailed(seed=1)
    got = PredictionRebalancer(tau=tau).fit(logits, target)
    weight = reference.inductive_weight(target, np.full(NUM_CLASSES, 1 / NUM_CLASSES))
    want = reference.rebalanced_predictions(fresh, reference.column_sums(logits, weight), tau)
    np.testing.assert_array_equal(got.predict(fresh), want)
    assert not got.transductive_


def test_the_offset_of_another_prior():
    logits, target = long_tailed()
    sums = reference.column_sums(logits, reference.inductive_weight(target, PRIOR))
    got = PredictionRebalancer(target_prior=PRIOR).fit(logits, target)
    np.testing.assert_allclose(got.offset_, np.log(PRIOR / sums))


def test_the_column_sums_of_p_over_s_are_equal():
    logits, _ = long_tailed()
    offset = PredictionRebalancer().fit_transductive(logits).offset_
    columns = np.array([softmax(z) * np.exp(offset) for z in logits]).sum(0)
    np.testing.assert_allclose(columns, columns[0])


def test_a_balanced_model_is_left_alone():
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.7, 0.2], [0.2, 0.1, 0.7]]))
    np.testing.assert_allclose(PredictionRebalancer().fit(logits, [0, 1, 2]).offset_, 0, atol=1e-12)


@pytest.mark.parametrize("scale", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("labelled", [True, False])
def test_the_fixed_point_gives_the_target_prior(scale, labelled):
    logits, target = long_tailed(scale=scale)
    method = PredictionRebalancer(converge=True, target_prior=PRIOR)
    fitted = method.fit(logits, target) if labelled else method.fit_transductive(logits)
    weight = reference.inductive_weight(target, PRIOR) if labelled else np.full(len(logits), 1 / len(logits))
    mean = weight @ np.array([softmax(z + fitted.offset_) for z in logits])
    np.testing.assert_allclose(mean, PRIOR, rtol=2e-6)
    np.testing.assert_allclose(fitted.offset_, reference.fixed_point_by_minimisation(logits, weight, PRIOR), atol=1e-3)


def test_the_first_step_to_the_fixed_point_is_the_rule():
    logits, target = long_tailed()
    weight = torch.from_numpy(1 / np.bincount(target)[target] / NUM_CLASSES)
    blocks = [(torch.from_numpy(logits), weight[:, None])]
    first = mean_predictions(lambda: blocks, torch.zeros(1, NUM_CLASSES).double()).log_mean
    rule = PredictionRebalancer().fit(logits, target).offset_
    np.testing.assert_allclose(-np.log(NUM_CLASSES) - first[0].numpy(), rule)


@pytest.mark.slow
def test_a_fixed_point_out_of_reach_says_so():
    logits = np.full((10, 2), -1e8)
    logits[np.arange(10), [0] * 8 + [1] * 2] = 1e8
    with pytest.raises(RuntimeError, match=r"not reached in 5000 passes: class 1 still receives 0\.4 times"):
        PredictionRebalancer(converge=True).fit_transductive(logits)


@pytest.mark.parametrize("splits", [1, 3, 7])
@pytest.mark.parametrize("labelled", [True, False])
def test_partial_fit_equals_one_fit(splits, labelled):
    logits, target = long_tailed(scale=30.0)
    streamed = PredictionRebalancer(tau=1.3, target_prior=PRIOR)
    for part in np.array_split(np.arange(len(target)), splits):
        assert streamed.partial_fit(logits[part], target[part] if labelled else None) is streamed
    whole = PredictionRebalancer(tau=1.3, target_prior=PRIOR)
    whole = whole.fit(logits, target) if labelled else whole.fit_transductive(logits)
    np.testing.assert_allclose(streamed.offset_, whole.offset_, rtol=1e-9)
    assert streamed.transductive_ == whole.transductive_ == (not labelled)


def test_partial_fit_waits_for_every_class():
    logits, target = long_tailed()
    fitted = PredictionRebalancer().partial_fit(logits[target < 2], target[target < 2])
    with pytest.raises(ValueError, match=r"Got none of 2, 3 \(2 classes\)"):
        fitted.transform(logits)
    fitted.partial_fit(logits[target >= 2], target[target >= 2])
    np.testing.assert_allclose(fitted.offset_, PredictionRebalancer().fit(logits, target).offset_)


def test_partial_fit_refuses_what_it_cannot_continue(tmp_path):
    logits, target = long_tailed()
    with pytest.raises(ValueError, match="`partial_fit` must have `converge=False`: the fixed point"):
        PredictionRebalancer(converge=True).partial_fit(logits, target)
    fitted = PredictionRebalancer().fit(logits, target)
    loaded = PredictionRebalancer.load(fitted.save(tmp_path / "offset.json"))
    for method in (fitted, loaded):
        with pytest.raises(ValueError, match="after `fit` or `load`: start again"):
            method.partial_fit(logits, target)
    streamed = PredictionRebalancer().partial_fit(logits, target)
    with pytest.raises(ValueError, match="must be given for all chunks or for none"):
        streamed.partial_fit(logits)
    with pytest.raises(ValueError, match="`logits` must have 4 classes, as before. Got 3"):
        streamed.partial_fit(logits[:, :3], np.zeros(len(logits), dtype=int))
    np.testing.assert_allclose(streamed.offset_, fitted.offset_)


def test_probabilities_in_the_place_of_logits_are_noticed():
    logits, target = long_tailed()
    probabilities = np.array([softmax(z) for z in logits])
    with pytest.warns(UserWarning, match="Are they probabilities. Pass their logarithms"):
        PredictionRebalancer().fit(probabilities, target)
    got = PredictionRebalancer().fit(np.log(probabilities), target)
    np.testing.assert_allclose(got.offset_, PredictionRebalancer().fit(logits, target).offset_)


def test_streamed_offsets_keep_the_parameters_of_their_chunks():
    logits, target = long_tailed()
    streamed = PredictionRebalancer(tau=0.5).partial_fit(logits, target)
    want = PredictionRebalancer(tau=0.5).fit(logits, target).offset_
    streamed.set_params(tau=2.0, target_prior=PRIOR)
    np.testing.assert_allclose(streamed.offset_, want)
    with pytest.raises(ValueError, match="read-only"):
        streamed.offset_[0] = 1.0


def test_a_failed_fit_leaves_the_former_one():
    logits, target = long_tailed()
    fitted = PredictionRebalancer().fit(logits, target)
    before = fitted.offset_.copy()
    with pytest.raises(ValueError, match="`target` must lie in"):
        fitted.fit(logits, target + 1)
    np.testing.assert_array_equal(fitted.offset_, before)


def test_huge_logits_have_exact_offsets():
    logits, target = long_tailed()
    logits[:, 3] -= 1e4  # no probability of class 3 is representable
    offset = PredictionRebalancer().fit(logits, target).offset_
    assert np.isfinite(offset).all()
    assert offset[3] > 9_000
    streamed = PredictionRebalancer()
    for part in np.array_split(np.arange(len(target)), 5):
        streamed.partial_fit(logits[part], target[part])
    np.testing.assert_allclose(streamed.offset_, offset)


def test_samples_of_prior_0_leave_no_trace():
    logits = np.array([[0.0, -900.0, 0.0], [0.0, -900.0, 0.0], [-2000.0, 0.0, 3000.0]])
    target, prior = np.array([0, 1, 2]), [0.5, 0.5, 0.0]
    want = PredictionRebalancer(target_prior=prior).fit(logits[:2], target[:2]).offset_
    np.testing.assert_allclose(PredictionRebalancer(target_prior=prior).fit(logits, target).offset_, want)
    np.testing.assert_allclose(PredictionRebalancer(target_prior=prior).partial_fit(logits, target).offset_, want)
    streamed = PredictionRebalancer(target_prior=prior)
    for row in range(3):
        streamed.partial_fit(logits[row : row + 1], target[row : row + 1])
    np.testing.assert_allclose(streamed.offset_, want)


def test_no_strength_is_no_offset_even_with_priors_of_0():
    logits, target = long_tailed()
    for method in (
        PredictionRebalancer(tau=0.0, target_prior=[0.5, 0.5, 0.0, 0.0]),
        PostHocLogitAdjustment([4, 3, 2, 1], tau=0.0, target_prior=[0.5, 0.5, 0.0, 0.0]),
    ):
        assert not method.fit(logits, target).offset_.any()


def test_a_file_that_hides_how_it_was_fitted_is_refused(tmp_path):
    path = PredictionRebalancer().fit(*long_tailed()).save(tmp_path / "offset.json")
    path.write_text(path.read_text().replace('"transductive": false', '"transductive": "no"'))
    with pytest.raises(ValueError, match="must say whether the fit was transductive. Got 'no'"):
        PredictionRebalancer.load(path)


def test_logits_whose_difference_overflows_stay_finite():
    logits = np.array([[1e308, -1e308], [1e308, -1e308]])
    assert np.isfinite(PredictionRebalancer().fit_transductive(logits).offset_).all()


def test_a_class_of_prior_0_is_never_predicted_and_needs_no_sample(tmp_path):
    logits, target = long_tailed()
    prior = [0.5, 0.5, 0.0, 0.0]
    fitted = PredictionRebalancer(target_prior=prior).fit(logits[target < 2], target[target < 2])
    assert np.isneginf(fitted.offset_[2:]).all()
    assert fitted.predict(logits).max() == 1
    np.testing.assert_allclose(fitted.predict_proba(logits)[:, 2:], 0)
    loaded = PredictionRebalancer.load(fitted.save(tmp_path / "offset.json"))
    np.testing.assert_array_equal(loaded.offset_, fitted.offset_)
    assert loaded.transductive_ is False
    with pytest.raises(TypeError, match="`converge` must be True or False. Got 'no'"):
        PredictionRebalancer(converge="no").fit(logits, target)
    with pytest.raises(ValueError, match=r"above 0 everywhere with `converge`. Got 0 for 2, 3 \(2 classes\)"):
        PredictionRebalancer(target_prior=prior, converge=True).fit(logits, target)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64"])
def test_labels_of_every_integer_dtype_fit_like_int64(dtype):
    generator = torch.Generator().manual_seed(0)
    target = torch.arange(300).repeat(2)
    logits = torch.randn(600, 300, generator=generator)
    kept = target <= min(299, np.iinfo(dtype).max)
    prior = [0.0] * 300
    prior[:100] = [0.01] * 100
    want = PredictionRebalancer(target_prior=prior).fit(logits[kept], target[kept])
    for labels in (target[kept].to(getattr(torch, dtype)), target[kept].numpy().astype(dtype)):
        got = PredictionRebalancer(target_prior=prior).fit(logits[kept], labels)
        np.testing.assert_array_equal(got.offset_, want.offset_)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda z, y: (z, y[:-1]), ValueError, r"one label per sample, \(50,\). Got \(49,\)"),
        (lambda z, y: (z, np.eye(4, dtype=int)[y]), ValueError, "Is it one-hot"),
        (lambda z, y: (z, y[:, None]), ValueError, r"Got \(50, 1\)\. Pass `target\[:, 0\]`"),
        (lambda z, y: (z, y.astype(float)), TypeError, "`target` must hold class indices, integers. Got torch.float64"),
        (lambda z, y: (z, y - 1), ValueError, r"`target` must lie in \[0, 4\). Got -1"),
        (lambda z, y: (z, np.where(y == 3, 9, y)), ValueError, r"Got 9 at index .* same classes\?"),
        (lambda z, y: (z[y < 3], y[y < 3]), ValueError, r"Got none of 3 \(1 class\). Without labels"),
        (lambda z, y: (z[:0], y[:0]), ValueError, r"`logits` must have the shape \(N, C\) with N at least 1"),
        (lambda z, y: (z[0], y[:1]), ValueError, r"`logits` must have the shape \(N, C\) with N at least 1"),
        (lambda z, y: (z[:, :1], y), ValueError, "with C at least 2"),
        (lambda z, y: (np.where(z == z[7, 2], np.nan, z), y), ValueError, r"must be finite. Got nan at \[7, 2\]"),
    ],
)
def test_data_that_does_not_fit_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        PredictionRebalancer().fit(*change(*long_tailed()))


def test_any_container_of_labels_and_any_array():
    logits, target = long_tailed()
    want = PredictionRebalancer().fit(logits, target).offset_
    read_only = logits.copy()
    read_only.setflags(write=False)
    for z, y in [
        (logits, target.tolist()),
        (torch.from_numpy(logits), torch.from_numpy(target)),
        (torch.from_numpy(logits).requires_grad_(), target.astype(np.uint8)),
        (read_only, target),
        (np.asfortranarray(logits), target),
        (logits[::-1], target[::-1]),
    ]:
        np.testing.assert_allclose(PredictionRebalancer().fit(z, y).offset_, want)


@pytest.mark.slow
def test_a_text_classifier_with_a_natural_long_tail(real_data):
    """TREC questions: held-out half, offsets from one half of it, score on the other."""
    lines = [
        line.split(" ", 1) for line in (real_data / "text/trec_train_5500.label").read_text("latin-1").splitlines()
    ]
    names, labels = np.unique([label for label, _ in lines], return_inverse=True)
    common = np.bincount(labels) >= 20
    kept = np.flatnonzero(common[labels])
    labels = (np.cumsum(common) - 1)[labels[kept]]
    part = np.arange(len(kept)) % 4
    features = TfidfVectorizer().fit_transform([lines[i][1] for i in kept])
    model = LogisticRegression(max_iter=300).fit(features[part < 2], labels[part < 2])
    logits = model.decision_function(features)
    rebalancer = PredictionRebalancer().fit(logits[part == 2], labels[part == 2])
    classes = int(common.sum())
    before, after = (
        balanced_accuracy(predictions[part == 3], labels[part == 3], classes).item()
        for predictions in (logits.argmax(1), rebalancer.predict(logits))
    )
    assert len(names) >= 47
    assert after > before + 0.05
