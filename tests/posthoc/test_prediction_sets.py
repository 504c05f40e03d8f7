import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.base import clone

import reference.prediction_sets as reference
from longtail import PostHocLogitAdjustment, PredictionSets
from longtail.posthoc import blocks

PRIOR = np.array([0.6, 0.25, 0.1, 0.05])
NUM_CLASSES = len(PRIOR)
COUNTS = [600, 250, 100, 50]
NAMES = ["cat", "dog", "lynx", "otter"]
SEEDS = st.integers(0, 2**16)

SETS = {
    "softmax": PredictionSets(score="softmax"),
    "softmax-classwise": PredictionSets(score="softmax", thresholds="classwise"),
    "softmax-between": PredictionSets(score="softmax", thresholds=0.7, never_empty=False),
    "prevalence": PredictionSets(class_counts=COUNTS),
    "prevalence-weighted": PredictionSets(class_counts=COUNTS, class_weight=[1, 1, 3, 5], miscoverage=0.2),
    "prevalence-between": PredictionSets(class_counts=COUNTS, thresholds=0.4),
    "prevalence-of-calibration": PredictionSets(class_counts="calibration", never_empty=False),
}
every_kind = pytest.mark.parametrize("sets", SETS.values(), ids=SETS)


def sample(number=120, seed=0):
    rng = np.random.default_rng(seed)
    target = rng.choice(NUM_CLASSES, number, p=PRIOR)
    return rng.normal(size=(number, NUM_CLASSES)) + 1.5 * np.eye(NUM_CLASSES)[target] + np.log(PRIOR), target


def expected_sets(sets, fitted_on, logits):
    """By the slow reference."""
    samples, target = fitted_on
    prevalence = None
    if sets.score == "prevalence-adjusted":
        counts = np.bincount(target, minlength=NUM_CLASSES) if sets.class_counts == "calibration" else sets.class_counts
        prevalence = np.array(counts) / np.sum(counts)
    score = {"prevalence": prevalence, "weight": sets.class_weight}
    tau = {"marginal": 0, "classwise": 1}.get(sets.thresholds, sets.thresholds)
    thresholds = reference.thresholds(samples, target, str(sets.miscoverage), tau, **score)
    found = []
    for z in logits:
        own = reference.prediction_set(z, thresholds, **score)
        found.append(own | {int(np.argmin(reference.scores(z, **score)))} if sets.never_empty else own)
    return found


@every_kind
def test_sets_are_those_of_the_definitions(sets):
    logits = sample(80, seed=1)[0]
    found = clone(sets).fit(*sample()).predict_sets(logits)
    assert [set(np.flatnonzero(row)) for row in found] == expected_sets(sets, sample(), logits)
    assert 1 < found.sum(1).mean() < NUM_CLASSES or not sets.never_empty


@every_kind
def test_numpy_and_torch_precisions_and_single_samples_agree(sets):
    logits, target = sample()
    new = sample(50, seed=1)[0]
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        rounded = torch.from_numpy(logits).to(dtype), torch.from_numpy(new).to(dtype)
        of_torch = clone(sets).fit(rounded[0], torch.from_numpy(target))
        found = of_torch.predict_sets(rounded[1])
        assert isinstance(found, torch.Tensor)
        assert found.dtype == torch.bool
        exact = [part.double().numpy() for part in rounded]
        of_numpy = clone(sets).fit(exact[0], target)
        np.testing.assert_array_equal(of_numpy.thresholds_, of_torch.thresholds_)
        np.testing.assert_array_equal(of_numpy.predict_sets(exact[1]), found.numpy())
        assert of_numpy.predict_lists(exact[1]) == of_torch.predict_lists(rounded[1])
        np.testing.assert_array_equal(of_numpy.predict_sets(exact[1][3]), found[3].numpy())
        assert of_numpy.predict_lists(exact[1][3], NAMES) == of_numpy.predict_lists(exact[1], NAMES)[3]


@every_kind
def test_blocks_give_what_the_whole_gives(sets, monkeypatch):
    logits, target = sample()
    whole = clone(sets).fit(logits, target)
    expected = whole.predict_sets(logits), whole.predict_lists(logits)
    monkeypatch.setattr(blocks, "NUMBERS_AT_ONCE", 3 * NUM_CLASSES)
    in_blocks = clone(sets).fit(logits, target)
    np.testing.assert_array_equal(in_blocks.thresholds_, whole.thresholds_)
    np.testing.assert_array_equal(in_blocks.predict_sets(logits), expected[0])
    assert in_blocks.predict_lists(logits) == expected[1]


@every_kind
@given(seed=SEEDS, low=st.integers(5, 90), more=st.integers(1, 9))
@settings(max_examples=20, deadline=None)
def test_a_larger_miscoverage_adds_no_class(sets, seed, low, more):
    fitted_on, new = sample(seed=seed), sample(40, seed=seed + 1)[0]
    larger, smaller = (
        clone(sets).set_params(miscoverage=percent / 100).fit(*fitted_on).predict_sets(new)
        for percent in (low, low + more)
    )
    assert not (smaller & ~larger).any()


@every_kind
@given(seed=SEEDS, order=st.permutations(range(NUM_CLASSES)))
@settings(max_examples=20, deadline=None)
def test_the_order_of_classes_changes_nothing(sets, seed, order):
    logits, target = sample(seed=seed)
    new = sample(40, seed=seed + 1)[0]
    moved = clone(sets)
    for name in ("class_counts", "class_weight"):
        if isinstance(getattr(sets, name), list):
            moved.set_params(**{name: [getattr(sets, name)[c] for c in order]})
    moved.fit(logits[:, order], np.argsort(order)[target])
    expected = clone(sets).fit(logits, target).predict_lists(new, NAMES)
    found = moved.predict_lists(new[:, order], [NAMES[c] for c in order])
    assert [sorted(names) for names in found] == [sorted(names) for names in expected]


@pytest.mark.parametrize("name", ["softmax", "prevalence"])
@pytest.mark.parametrize(("number", "miscoverage"), [(30, 0.1), (9, 0.1), (40, 0.25)])
@pytest.mark.slow
def test_coverage_has_its_distribution_in_finite_samples(name, number, miscoverage):
    """Given samples to fit on, coverage is Beta(k, n + 1 − k), so that covered samples of m are Beta-binomial."""
    repetitions, m = 500, 30
    rank = np.ceil(round((number + 1) * (1 - miscoverage), 9))
    law = stats.betabinom(m, rank, number + 1 - rank)
    covered = []
    for seed in range(repetitions):
        logits, target = sample(number + m, seed)
        sets = clone(SETS[name]).set_params(miscoverage=miscoverage, never_empty=False)
        found = sets.fit(logits[:number], target[:number]).predict_sets(logits[number:])
        covered.append(found[np.arange(m), target[number:]].sum())
    assert abs(np.mean(covered) - law.mean()) < 4 * law.std() / np.sqrt(repetitions)
    assert 1 - miscoverage <= law.mean() / m <= 1 - miscoverage + 1 / (number + 1)
    fourth_moment = law.expect(lambda x: (x - law.mean()) ** 4)
    error_of_variance = np.sqrt((fourth_moment - law.var() ** 2) / repetitions)
    assert abs(np.var(covered) - law.var()) < 4 * error_of_variance


@pytest.mark.slow
def test_classwise_thresholds_cover_each_class():
    repetitions, miscoverage = 200, 0.2
    covered, number = np.zeros(NUM_CLASSES), np.zeros(NUM_CLASSES)
    for seed in range(repetitions):
        logits, target = sample(400, seed)
        sets = PredictionSets(miscoverage, "softmax", "classwise", never_empty=False)
        found = sets.fit(logits[:200], target[:200]).predict_sets(logits[200:])
        covered += np.bincount(target[200:], found[np.arange(200), target[200:]], NUM_CLASSES)
        number += np.bincount(target[200:], minlength=NUM_CLASSES)
    # A class of n_y samples to fit on has a coverage of Beta(k, n_y + 1 − k), whose variance is below α / n_y.
    error = np.sqrt(miscoverage / (200 * PRIOR) / repetitions + miscoverage * (1 - miscoverage) / number)
    assert (covered / number >= 1 - miscoverage - 4 * error).all()


@given(seed=SEEDS, share=st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_between_holds_what_both_hold_and_nothing_that_neither_holds(seed, share):
    """So that it misses at most what either misses, 2 α of all samples."""
    fitted_on, new = sample(seed=seed), sample(40, seed=seed + 1)[0]
    marginal, between, classwise = (
        PredictionSets(0.1, "softmax", thresholds, never_empty=False).fit(*fitted_on).predict_sets(new)
        for thresholds in ("marginal", share, "classwise")
    )
    assert not (marginal & classwise & ~between).any()
    assert not (between & ~marginal & ~classwise).any()


@every_kind
def test_the_ends_of_the_path_have_names(sets):
    for name, share in (("marginal", 0), ("classwise", 1.0)):
        by_name, by_number = (
            clone(sets).set_params(thresholds=given).fit(*sample()).thresholds_ for given in (name, share)
        )
        np.testing.assert_array_equal(by_name, by_number)


def test_exactly_the_rank_of_the_samples_to_fit_on_is_covered():
    logits, target = sample(119)
    for sets in (SETS["softmax"], SETS["prevalence"]):
        fitted = clone(sets).set_params(never_empty=False).fit(logits, target)
        assert fitted.predict_sets(logits)[np.arange(119), target].sum() == 108  # 120 · 0.9


def test_classes_without_a_sample_have_the_threshold_that_the_docs_say():
    logits, target = sample()
    logits, target = logits[target != 3], target[target != 3]
    marginal = PredictionSets(class_counts=COUNTS).fit(logits, target)
    assert len(set(marginal.thresholds_)) == 1
    assert marginal.samples_.tolist() == [*np.bincount(target), 0]
    classwise = PredictionSets(class_counts=COUNTS, thresholds="classwise").fit(logits, target)
    assert classwise.thresholds_[3] == 0
    assert classwise.predict_sets(logits)[:, 3].all()
    between = PredictionSets(class_counts=COUNTS, thresholds=0.75).fit(logits, target)
    assert between.thresholds_[3] == pytest.approx(marginal.thresholds_[3] / 4)
    counted = PredictionSets(class_counts="calibration").fit(logits, target)
    np.testing.assert_allclose(counted.factors_[3] / counted.factors_[0], (target == 0).sum() / 0.5)
    with pytest.warns(UserWarning, match="without a training sample are counted as ½: 3"):
        empty = PredictionSets(class_counts=[*COUNTS[:3], 0]).fit(logits, target)
    assert empty.factors_[3] / empty.factors_[0] == pytest.approx(1200)


def test_masked_classes_are_in_no_set():
    logits, target = sample()
    masked = logits.copy()
    masked[np.arange(len(target)), (target + 1) % NUM_CLASSES] = -np.inf
    for sets in SETS.values():
        fitted = clone(sets).fit(masked, target)
        found = fitted.predict_sets(masked)
        assert not found[masked == -np.inf].any()
        assert found.any(1).all() or not sets.never_empty
        assert all(masked[row, own].min() > -np.inf for row, own in enumerate(fitted.predict_lists(masked)) if own)
    everywhere = PredictionSets(score="softmax", thresholds="classwise").fit(logits, np.minimum(target, 2))
    assert everywhere.thresholds_[3] == 0
    logits[:, 3] = -np.inf
    assert not everywhere.predict_sets(logits)[:, 3].any()


def test_ties_enter_together():
    logits, target = np.zeros((20, NUM_CLASSES)), np.arange(20) % NUM_CLASSES
    assert PredictionSets(score="softmax").fit(logits, target).predict_sets(logits).all()
    twice = np.repeat(sample(60)[0][:, :2], 2, axis=1)
    found = PredictionSets(score="softmax").fit(twice, sample(60)[1]).predict_sets(twice)
    np.testing.assert_array_equal(found[:, 0], found[:, 1])
    np.testing.assert_array_equal(found[:, 2], found[:, 3])
    many = PredictionSets(score="softmax").fit(np.zeros((20, 100)), target)
    assert many.predict_lists(np.zeros((3, 100))) == [list(range(100))] * 3


def test_no_set_is_empty_unless_that_is_allowed():
    logits, target = sample(400)
    sets = PredictionSets(0.6, "softmax").fit(logits, target)
    allowed = PredictionSets(0.6, "softmax", never_empty=False).fit(logits, target)
    empty = ~allowed.predict_sets(logits).any(1)
    assert 0.1 < empty.mean() < 0.9
    np.testing.assert_array_equal(sets.predict_sets(logits)[~empty], allowed.predict_sets(logits)[~empty])
    assert [own for own, is_empty in zip(sets.predict_lists(logits), empty, strict=True) if is_empty] == [
        [best] for best in logits[empty].argmax(1)
    ]


def test_lists_go_from_the_largest_adjusted_probability_down():
    logits, target = sample()
    adjusted = PostHocLogitAdjustment(COUNTS).fit().transform(logits)
    for own, row in zip(SETS["prevalence"].fit(logits, target).predict_lists(logits), adjusted, strict=True):
        assert own == sorted(own, key=lambda c: -row[c])
        assert own[0] == row.argmax()
    softmax = PredictionSets(score="softmax").fit(logits, target)
    assert [own[0] for own in softmax.predict_lists(logits)] == logits.argmax(1).tolist()


def test_only_ratios_of_counts_and_weights_matter():
    logits, target = sample()
    first = clone(SETS["prevalence-weighted"]).fit(logits, target)
    other = PredictionSets(0.2, class_counts=torch.tensor(COUNTS) / 8, class_weight=np.array([2, 2, 6, 10])).fit(
        logits, target
    )
    assert first.predict_lists(logits) == other.predict_lists(logits)


def test_prevalence_brings_rare_classes_into_sets():
    logits, target = sample(2000)
    new, labels = sample(2000, seed=1)
    softmax, prevalence = (
        clone(SETS[name]).fit(logits, target).predict_sets(new)[np.arange(2000), labels]
        for name in ("softmax", "prevalence")
    )
    assert softmax[labels == 3].mean() < 0.6
    assert prevalence[labels == 3].mean() > 0.9
    weighted = PredictionSets(class_counts=COUNTS, class_weight=[1, 1, 1, 4]).fit(logits, target).predict_sets(new)
    assert weighted[labels == 3, 3].mean() > prevalence[labels == 3].mean()


def test_many_classes():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 8142, 60)
    logits = rng.normal(size=(60, 8142)).astype(np.float32)
    logits[np.arange(60), target] += 9
    sets = PredictionSets(class_counts=np.arange(1, 8143), thresholds=0.5).fit(logits, target)
    found = sets.predict_sets(logits)
    assert found[np.arange(60), target].mean() >= 0.9
    assert [len(own) for own in sets.predict_lists(logits)] == found.sum(1).tolist()


@every_kind
def test_save_and_load(sets, tmp_path):
    logits, target = sample()
    fitted = clone(sets).fit(logits, target)
    path = fitted.save(tmp_path / "sets.json")
    loaded = PredictionSets.load(path)
    for name in ("thresholds_", "factors_", "samples_"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(fitted, name))
        assert getattr(loaded, name).dtype == getattr(fitted, name).dtype
    assert loaded.predict_lists(logits) == fitted.predict_lists(logits)
    assert loaded.get_params() == fitted.get_params()
    assert path.stat().st_size < 1000
    assert list(tmp_path.iterdir()) == [path]
    assert loaded.save(tmp_path / "again.json").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "counts", [np.array(COUNTS), torch.tensor(COUNTS), tuple(COUNTS), [np.int64(n) for n in COUNTS]], ids=type
)
def test_counts_of_any_kind_can_be_saved(counts, tmp_path):
    fitted = PredictionSets(class_counts=counts).fit(*sample())
    assert PredictionSets.load(fitted.save(tmp_path / "sets.json")).class_counts == COUNTS


@pytest.mark.parametrize("counts", [range(5, 1, -1), dict(enumerate(COUNTS)).values()], ids=type)
def test_counts_that_json_does_not_know_can_be_saved(counts, tmp_path):
    fitted = PredictionSets(class_counts=counts).fit(*sample())
    assert PredictionSets.load(fitted.save(tmp_path / "sets.json")).class_counts == list(counts)


def test_counts_that_are_changed_in_place_are_saved_as_they_were_fitted(tmp_path):
    counts = np.array(COUNTS)
    fitted = PredictionSets(class_counts=counts).fit(*sample())
    counts[:] = counts[::-1].copy()
    assert PredictionSets.load(fitted.save(tmp_path / "sets.json")).class_counts == COUNTS


def test_names_are_in_the_order_of_the_columns():
    logits, target = sample()
    fitted = PredictionSets(class_counts=COUNTS).fit(logits, target)
    by_index = fitted.predict_lists(logits)
    for names in (["a", "b", "c", "d"], np.array(["a", "b", "c", "d"]), pd.Series(list("abcd"), index=[3, 2, 1, 0])):
        assert fitted.predict_lists(logits, names) == [["abcd"[index] for index in own] for own in by_index]
    others: list[Any] = ["abcd", b"abcd", {"a": 0, "b": 1, "c": 2, "d": 3}, {"a", "b", "c", "d"}, iter("abcd"), 4]
    for other in others:
        with pytest.raises(TypeError, match="`class_names` must be a list of names in the order of the columns. Got"):
            fitted.predict_lists(logits, other)
    with pytest.raises(ValueError, match="`class_names` must differ from each other. Got 'b' twice"):
        fitted.predict_lists(logits, ["a", "b", "c", "b"])


DAMAGE = {
    "more samples than there are": (lambda c: c["samples"].__setitem__(0, 1e25), "a number of samples for each class"),
    "version": (lambda c: c.update(version=2), "must hold version 1 of the format. Got version 2"),
    "format": (lambda c: c.update(format="longtail.offset"), "is not one or is damaged"),
    "number of classes": (lambda c: c.update(num_classes=5), "`class_counts` must hold 5 classes"),
    "a factor too few": (lambda c: c["factors"].pop(), "as factors, 4 in all"),
    "one class": (lambda c: c.update(num_classes=1), "lacks fields"),
    "a number that is true": (lambda c: c.update(num_classes=True), "lacks fields"),
    "no thresholds": (lambda c: c.pop("thresholds"), "as thresholds, 4 in all"),
    "a threshold below 0": (lambda c: c["thresholds"].__setitem__(0, -0.1), "thresholds of at least 0"),
    "a threshold that is null": (lambda c: c["thresholds"].__setitem__(0, None), "as thresholds, 4 in all"),
    "a factor of 0": (lambda c: c["factors"].__setitem__(3, 0), "factors above 0"),
    "a factor of text": (lambda c: c["factors"].__setitem__(3, "1"), "as factors, 4 in all"),
    "half a sample": (lambda c: c["samples"].__setitem__(3, 0.5), "a number of samples for each class"),
    "no parameters": (lambda c: c.pop("parameters"), "lacks fields"),
    "an unknown parameter": (lambda c: c["parameters"].update(alpha=1), "must hold the parameters of PredictionSets"),
    "a parameter out of range": (
        lambda c: c["parameters"].update(miscoverage=2),
        "`miscoverage` must lie between 0 and 1",
    ),
    "counts of other classes": (
        lambda c: c["parameters"].update(class_counts=[1, 2]),
        "`class_counts` must hold 4 classes",
    ),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_file_that_does_not_fit_is_refused(damage, message, tmp_path):
    path = clone(SETS["prevalence"]).fit(*sample()).save(tmp_path / "sets.json")
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        PredictionSets.load(path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    path = clone(SETS["prevalence"]).fit(*sample()).save(tmp_path / "sets.json")
    for content in (path.read_bytes()[:50], b"\xff\xfe", b"", b"[1, 2]", b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not one or is damaged"):
            PredictionSets.load(path)
    with pytest.raises(FileNotFoundError):
        PredictionSets.load(tmp_path / "missing.json")
    with pytest.raises(AttributeError, match="not fitted yet: call `fit` first"):
        PredictionSets().save(tmp_path / "other.json")
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_fitted_stays_until_the_next_fit(tmp_path):
    logits, target = sample(400)
    fitted = PredictionSets(0.6, "softmax").fit(logits, target)
    before = fitted.predict_lists(logits)
    fitted.set_params(never_empty=False, miscoverage=0.1)
    assert fitted.predict_lists(logits) == before
    assert json.loads(fitted.save(tmp_path / "sets.json").read_text())["parameters"]["miscoverage"] == 0.6
    assert pickle.loads(pickle.dumps(fitted)).predict_lists(logits) == before
    with pytest.raises(ValueError, match="read-only"):
        fitted.thresholds_[0] = 0
    assert fitted.fit(logits, target).predict_lists(logits) != before


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"miscoverage": 0}, ValueError, "`miscoverage` must lie between 0 and 1. Got 0. .* pass 0.1"),
        ({"miscoverage": 1.0}, ValueError, "`miscoverage` must lie between 0 and 1. Got 1.0"),
        ({"miscoverage": 10}, ValueError, "`miscoverage` must lie between 0 and 1. Got 10. .* pass 0.1"),
        ({"miscoverage": float("nan")}, ValueError, "`miscoverage` must lie between 0 and 1. Got nan"),
        ({"miscoverage": "0.1"}, TypeError, "`miscoverage` must be a real number"),
        ({"miscoverage": 0.001}, ValueError, "at least 999 samples for a `miscoverage` of 0.001. Got 120"),
        ({"score": "pas"}, ValueError, "`score` must be one of 'prevalence-adjusted', 'softmax'. Got 'pas'"),
        ({"thresholds": "class-wise"}, ValueError, "`thresholds` must be one of .* Did you mean 'classwise'"),
        ({"thresholds": 1.5}, ValueError, r"`thresholds` must lie in \[0, 1\]. Got 1.5"),
        ({"thresholds": True}, TypeError, "`thresholds` must be a real number"),
        (
            {"class_counts": None},
            ValueError,
            "`class_counts` must hold the training samples .* 'prevalence|calibration",
        ),
        ({"class_counts": "training"}, ValueError, "`class_counts` must be one of 'calibration'. Got 'training'"),
        ({"class_counts": [5, 3]}, ValueError, "`class_counts` must hold 4 classes, as `logits`. Got 2"),
        ({"class_counts": [5, 3, -1, 2]}, ValueError, "`class_counts` must be finite and at least 0. Got -1"),
        (
            {"class_counts": [1e-320, 1, 1, 1]},
            ValueError,
            "whose ratios a float holds. They are not for 0 [(]1 class[)]",
        ),
        ({"class_weight": [1e-308] * 4}, ValueError, "whose ratios a float holds. They are not for 0, 1, 2, 3"),
        (
            {"class_weight": [1, 1e308, 1, 1]},
            ValueError,
            "whose ratios a float holds. They are not for 1 [(]1 class[)]",
        ),
        ({"class_weight": [1, 1, 0, 1]}, ValueError, "`class_weight` must be finite and above 0. Got 0 for class 2"),
        ({"class_weight": [1, 1]}, ValueError, "`class_weight` must hold one weight for each of the 4 classes. Got 2"),
        ({"class_weight": {"cat": 1}}, TypeError, "`class_weight` must hold one number for each class, in order"),
        ({"class_weight": [1] * 4, "score": "softmax"}, ValueError, "`class_weight` must be None with"),
        ({"never_empty": 1}, TypeError, "`never_empty` must be True or False. Got 1"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(parameters, error, message):
    with pytest.raises(error, match=message):
        PredictionSets(**{"class_counts": COUNTS, **parameters}).fit(*sample())


def test_samples_that_do_not_fit_are_refused():
    logits, target = sample()
    nan, masked, all_masked = logits.copy(), logits.copy(), logits.copy()
    nan[3, 1], masked[5, target[5]], all_masked[7] = np.nan, -np.inf, -np.inf
    sets = PredictionSets(class_counts=COUNTS)
    for bad, labels, error, message in [
        (nan, target, ValueError, r"`logits` must be finite, or -inf for masked classes. Got nan at \[3, 1\]"),
        (
            masked,
            target,
            ValueError,
            f"above -inf for the own class .* for class {target[5]} in row 5. Drop the sample.* that are 0. Clip those",
        ),
        (all_masked, target, ValueError, "Got -inf everywhere in row 7"),
        (logits, target[:5], ValueError, "`target` must hold one label per sample"),
        (logits, target + 2, ValueError, r"`target` must lie in \[0, 4\)"),
        (logits, [NAMES[c] for c in target], TypeError, "Got names"),
        (logits[:0], target[:0], ValueError, "with N at least 1"),
        (logits.tolist(), target, TypeError, "must be a numpy array or a torch tensor"),
    ]:
        with pytest.raises(error, match=message):
            sets.fit(bad, labels)
    with pytest.raises(AttributeError, match="not fitted yet"):
        sets.predict_sets(logits)
    sets.fit(logits, target)
    for call in (sets.predict_sets, sets.predict_lists):
        with pytest.raises(ValueError, match="`logits` must have 4 classes, as fitted. Got 3"):
            call(logits[:, :3])
        with pytest.raises(ValueError, match="Got -inf everywhere in row 7"):
            call(all_masked)
    with pytest.raises(ValueError, match="`class_names` must hold 4 names, one of each class. Got 2"):
        sets.predict_lists(logits, ["cat", "dog"])


def test_tensors_that_torch_does_not_compute_with_are_refused():
    logits, target = map(torch.as_tensor, sample())
    for odd, kind in (
        (logits.to("meta"), "on the device meta, without values"),
        (logits.to_sparse(), "sparse"),
        (logits.to(torch.float8_e4m3fn), "of torch.float8_e4m3fn"),
    ):
        with pytest.raises(TypeError, match=f"`logits` must be a dense tensor .* Got one {kind}"):
            PredictionSets(class_counts=COUNTS).fit(odd, target)
    with pytest.raises(TypeError, match="`target` must be a dense tensor .* Got one on the device meta"):
        PredictionSets(class_counts=COUNTS).fit(logits, target.to("meta"))


def test_probabilities_in_the_place_of_logits_are_noticed():
    logits, target = sample()
    with pytest.warns(UserWarning, match="Are they probabilities") as caught:
        PredictionSets(score="softmax").fit(torch.from_numpy(logits).softmax(1), target)
    assert caught[0].filename == __file__


def test_the_code_of_the_docs_does_what_it_says(tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs/prediction-sets.md").read_text()
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(code, names)
    assert "(1000, 3)\n" in capsys.readouterr().out
    new = names["logits"][names["new"]]
    assert PredictionSets.load("sets.json").predict_lists(new) == names["sets"].predict_lists(new)
    assert names["after_fix"].score == "softmax"
    first, second = (
        sets.predict_lists(given[names["new"]], names["class_names"])
        for sets, given in ((names["sets"], names["logits"]), (names["after_fix"], names["adjusted"]))
    )
    assert first != second  # but the classes that both hold come in one order
    for own, other in zip(first, second, strict=True):
        both = set(own) & set(other)
        assert [name for name in own if name in both] == [name for name in other if name in both]
