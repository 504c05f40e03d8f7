"""The properties that every post-hoc method with an offset has."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from torch import nn

from longtail import PostHocLogitAdjustment, PredictionRebalancer, TauNormalization
from longtail.posthoc.contract import OffsetMethod

NUM_CLASSES = 4
COUNTS = [40, 12, 5, 3]


def long_tailed(samples=60, seed=0):
    rng = np.random.default_rng(seed)
    target = np.repeat(np.arange(NUM_CLASSES), COUNTS)
    logits = rng.normal(size=(samples, NUM_CLASSES)) + 2 * np.eye(NUM_CLASSES)[target] + np.log(COUNTS)
    return logits, target


METHODS = {
    "rebalancer": PredictionRebalancer(),
    "rebalancer-converged": PredictionRebalancer(converge=True, tau=0.7),
    "rebalancer-prior": PredictionRebalancer(target_prior=[0.4, 0.3, 0.2, 0.1]),
    "logit-adjustment": PostHocLogitAdjustment(COUNTS),
}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@every_method
def test_transform_adds_the_offset_and_returns_what_it_was_given(method):
    logits, target = long_tailed()
    fitted = clone(method).fit(logits, target)
    for dtype in (np.float64, np.float32, np.float16):
        got = fitted.transform(logits.astype(dtype))
        assert isinstance(got, np.ndarray)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, logits + fitted.offset_, rtol=1e-2 if dtype == np.float16 else 1e-5, atol=1e-2)
    for precision in (torch.float64, torch.float32, torch.bfloat16):
        got = fitted.transform(torch.from_numpy(logits).to(precision))
        assert isinstance(got, torch.Tensor)
        assert got.dtype == precision
    assert isinstance(fitted.predict(torch.from_numpy(logits)), torch.Tensor)
    assert fitted.predict(logits).dtype == np.int64


@every_method
def test_predictions_and_probabilities_follow_the_transform(method):
    logits, target = long_tailed()
    fitted = clone(method).fit(logits, target)
    moved = fitted.transform(logits)
    np.testing.assert_array_equal(fitted.predict(logits), moved.argmax(1))
    np.testing.assert_allclose(fitted.predict_proba(logits), torch.from_numpy(moved).softmax(1))
    assert fitted.predict(logits[0]) == fitted.predict(logits)[0]
    assert (fitted.predict(logits) != logits.argmax(1)).any()


@every_method
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.slow
def test_folding_equals_transforming(method, bias, dtype):
    logits, target = long_tailed()
    fitted = clone(method).fit(logits, target)
    linear = torch.nn.Linear(3, NUM_CLASSES, bias=bias, dtype=dtype)
    before = {name: value.clone() for name, value in linear.state_dict().items()}
    features = torch.randn(5, 3, dtype=dtype)
    folded = fitted.fold_into(linear)
    torch.testing.assert_close(folded(features), fitted.transform(linear(features)))
    assert folded.weight.dtype == folded.bias.dtype == dtype
    assert folded.weight.data_ptr() != linear.weight.data_ptr()
    assert all(torch.equal(before[name], value) for name, value in linear.state_dict().items())
    assert (linear.bias is not None) == bias


@every_method
def test_strength_0_changes_nothing(method):
    logits, target = long_tailed()
    fitted = clone(method).set_params(tau=0.0).fit(logits, target)
    assert not fitted.offset_.any()
    np.testing.assert_array_equal(fitted.transform(logits), logits)


@every_method
def test_strength_scales_the_offset(method):
    logits, target = long_tailed()
    single, double = (clone(method).set_params(tau=tau).fit(logits, target).offset_ for tau in (0.8, 1.6))
    np.testing.assert_allclose(double, 2 * single)


@every_method
def test_save_and_load(method, tmp_path):
    logits, target = long_tailed()
    fitted = clone(method).fit(logits, target)
    path = fitted.save(tmp_path / "offset.json")
    loaded = type(method).load(path)
    np.testing.assert_array_equal(loaded.offset_, fitted.offset_)
    np.testing.assert_array_equal(loaded.predict(logits), fitted.predict(logits))
    assert loaded.get_params() == fitted.get_params()
    assert type(OffsetMethod.load(path)) is type(method)
    assert path.stat().st_size < 1000
    assert json.loads(path.read_text())["num_classes"] == NUM_CLASSES
    assert list(tmp_path.iterdir()) == [path]


@every_method
def test_pickles_and_clones(method):
    logits, target = long_tailed()
    fitted = clone(method).fit(logits, target)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).offset_, fitted.offset_)
    fresh = clone(fitted)
    with pytest.raises(AttributeError, match="is not fitted yet: call `fit` first"):
        fresh.transform(logits)
    assert repr(fresh) == repr(method)
    assert clone(method).fit(logits, target).predict(logits).tolist() == fitted.predict(logits).tolist()


@every_method
def test_what_was_fitted_stays_until_the_next_fit(method, tmp_path):
    logits, target = long_tailed()
    fitted = clone(method).fit(logits, target)
    before = fitted.offset_.copy()
    fitted.set_params(tau=0.0)
    np.testing.assert_array_equal(fitted.offset_, before)
    assert json.loads(fitted.save(tmp_path / "offset.json").read_text())["parameters"]["tau"] == method.tau
    with pytest.raises(ValueError, match="read-only"):
        fitted.offset_[0] = 1.0
    assert not fitted.fit(logits, target).offset_.any()


def break_version(content):
    content["version"] = 2


def break_count(content):
    content["num_classes"] = 5


def break_version_type(content):
    content["version"] = True


def break_strength(content):
    content["parameters"]["tau"] = "strong"


def break_finiteness(content):
    content["offset"][0] = 1e400


def break_size(content):
    content["offset"][0] = 10**400


def break_all(content):
    content["offset"] = [None] * 4


def break_single(content):
    content["offset"], content["num_classes"] = content["offset"][:1], 1


def break_format(content):
    content["format"] = "other"


def break_offset(content):
    content["offset"][1] = "one"


def break_parameters(content):
    content["parameters"]["temperature"] = 2


def break_fields(content):
    del content["offset"]


def break_method(content):
    content["method"] = "Unknown"


@every_method
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_version, "must hold version 1 of the format. Got version 2 .* newer longtail"),
        (break_count, "must hold one offset per class. Got 4 for 5 classes"),
        (break_version_type, "Got version True"),
        (break_finiteness, "is not one or is damaged"),
        (break_size, "must hold finite numbers as offset"),
        (break_all, "must hold an offset for at least one class"),
        (break_single, "must hold one offset per class. Got 1 for 1"),
        (break_format, "is not one or is damaged"),
        (break_offset, "must hold finite numbers as offset"),
        (break_parameters, "must hold the parameters of (PredictionRebalancer|PostHocLogitAdjustment): "),
        (break_fields, "lacks fields"),
        (break_method, "Got a Unknown"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(method, damage, message, tmp_path):
    path = clone(method).fit(*long_tailed()).save(tmp_path / "offset.json")
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        type(method).load(path)


@every_method
def test_a_file_that_cannot_be_read_is_refused(method, tmp_path):
    path = clone(method).fit(*long_tailed()).save(tmp_path / "offset.json")
    for content in (path.read_bytes()[:50], b"\xff\xfe", b"", b"[1, 2]", b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not one or is damaged"):
            type(method).load(path)
    with pytest.raises(FileNotFoundError):
        type(method).load(tmp_path / "missing.json")


@every_method
def test_a_file_with_a_strength_that_is_none_is_refused(method, tmp_path):
    path = clone(method).fit(*long_tailed()).save(tmp_path / "offset.json")
    content = json.loads(path.read_text())
    break_strength(content)
    path.write_text(json.dumps(content))
    with pytest.raises(TypeError, match="`tau` must be a real number. Got 'strong'"):
        type(method).load(path)


@every_method
def test_only_what_is_fitted_can_be_saved(method, tmp_path):
    with pytest.raises(AttributeError, match="not fitted yet"):
        clone(method).save(tmp_path / "offset.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "prior",
    [
        [np.float64(0.4), np.float32(0.35), 0.125, 0.125],
        pd.Series([0.4, 0.35, 0.125, 0.125]),
        [torch.tensor(0.25)] * 4,
        np.full(4, 0.25, dtype=np.float32),
        torch.full((4,), 0.25),
        (0.25, 0.25, 0.25, 0.25),
    ],
    ids=lambda prior: type(prior).__name__,
)
def test_a_prior_of_any_kind_can_be_saved(prior, tmp_path):
    fitted = PredictionRebalancer(target_prior=prior).fit(*long_tailed())
    loaded = PredictionRebalancer.load(fitted.save(tmp_path / "offset.json"))
    np.testing.assert_allclose(loaded.target_prior, np.array(list(map(float, prior))))


def test_a_file_of_another_method_is_refused(tmp_path):
    path = PostHocLogitAdjustment(COUNTS).fit().save(tmp_path / "offset.json")
    with pytest.raises(ValueError, match="must hold a PredictionRebalancer. Got a PostHocLogitAdjustment"):
        PredictionRebalancer.load(path)


@every_method
def test_logits_that_do_not_fit_are_refused(method):
    logits, target = long_tailed()
    fitted = clone(method).fit(logits, target)
    nan, infinite = logits.copy(), logits.copy()
    nan[3, 1], infinite[5, 2] = np.nan, -np.inf
    for bad, error, message in [
        (logits[:, :3], ValueError, "`logits` must have 4 classes, as fitted. Got 3"),
        (nan, ValueError, r"`logits` must be finite. Got nan at \[3, 1\]"),
        (infinite, ValueError, r"Got -inf at \[5, 2\]\. Logarithms of probabilities that are 0"),
        (logits[None], ValueError, r"must have the shape \(N, C\)"),
        (logits.astype(int), TypeError, "must be floating point. Got int64"),
        (logits.tolist(), TypeError, "must be a numpy array or a torch tensor. Got list"),
        (logits.astype(str), TypeError, "must hold numbers. Got ndarray of <U"),
    ]:
        for call in (fitted.transform, fitted.predict, fitted.predict_proba):
            with pytest.raises(error, match=message):
                call(bad)


@every_method
def test_a_layer_that_does_not_fit_is_refused(method):
    fitted = clone(method).fit(*long_tailed())
    with pytest.raises(ValueError, match="must have 4 outputs, one per class. Got 3"):
        fitted.fold_into(torch.nn.Linear(2, 3))
    with pytest.raises(TypeError, match="must be an nn.Linear or a 1 × 1 convolution.* Got Bilinear"):
        fitted.fold_into(torch.nn.Bilinear(2, 2, 4))
    normed = [torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 4)), torch.nn.Linear(2, 4)]
    normed[1].register_forward_hook(lambda *_: None)
    for layer in normed:
        with pytest.raises(TypeError, match="must hold plain parameters"):
            fitted.fold_into(layer)


@every_method
def test_a_frozen_bias_stays_frozen(method):
    fitted = clone(method).fit(*long_tailed())
    linear = torch.nn.Linear(2, 4).half()
    linear.bias.requires_grad_(False)
    folded = fitted.fold_into(linear)
    assert not folded.bias.requires_grad
    assert folded.weight.requires_grad
    assert folded.bias.dtype == torch.float16
    assert not fitted.fold_into(torch.nn.Linear(2, 4, bias=False).requires_grad_(False)).bias.requires_grad


@every_method
def test_strengths_and_parameters_are_checked(method):
    logits, target = long_tailed()
    for tau in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="`tau` must be finite and at least 0"):
            clone(method).set_params(tau=tau).fit(logits, target)
    with pytest.raises(ValueError, match="`strength` must be one of"):
        clone(method).set_params(strength=1)
    for prior, message in [
        ([0.5, 0.3, 0.1], "must hold one probability for each of the 4 classes. Got 3"),
        ([0.5, 0.3, 0.1, 0.2], r"must sum to 1. Got a sum of 1.1. Are these counts"),
        ([0.5, 0.7, -0.1, -0.1], "must be finite and at least 0. Got -0.1 for class 2"),
        ([0.5, 0.5, np.nan, 0.0], ".* Got nan for class 2"),
        ("balanced", "must be one of 'uniform'. Got 'balanced'"),
    ]:
        with pytest.raises(ValueError, match=f"`target_prior` {message}"):
            clone(method).set_params(target_prior=prior).fit(logits, target)


@pytest.mark.parametrize(
    "fit",
    [
        lambda logits, target: PredictionRebalancer().fit(logits, target).offset_,
        lambda logits, _: PredictionRebalancer().fit_transductive(logits).offset_,
        lambda logits, target: TauNormalization().fit(nn.Linear(6, 6), logits, target).balanced_accuracy_,
    ],
)
def test_autocast_does_not_round_what_is_learnt(fit):
    generator = torch.Generator().manual_seed(0)
    logits, target = torch.randn(600, 6, generator=generator), torch.arange(600) % 6
    torch.manual_seed(0)
    expected = fit(logits, target)
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(fit(logits, target), expected)
