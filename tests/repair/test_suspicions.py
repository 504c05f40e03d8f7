"""What looks wrong with predictions is said before the verdict; what is right raises no suspicion."""

import numpy as np
import pytest

from longtail.repair import diagnose
from longtail.repair.samples import Samples
from longtail.repair.suspicions import decisions_and_fingerprints

NAMES = ["cat", "dog", "lynx", "puma"]


def data(number=400, strength=2.0, seed=0, share=(0.4, 0.3, 0.2, 0.1)):
    rng = np.random.default_rng(seed)
    target = np.sort(rng.choice(4, number, p=share))
    return rng.normal(size=(number, 4)) + strength * np.eye(4)[target], target


def warnings_of(logits, target, **options):
    return diagnose(logits, target, class_names=NAMES, **options).warnings


@pytest.mark.slow
def test_plain_predictions_raise_none():
    assert warnings_of(*data()) == ()
    logits, target = data()
    assert warnings_of(logits, target, groups=np.arange(400) // 2) == ()


@pytest.mark.parametrize("change", [lambda z: z[:, ::-1], lambda z: np.random.default_rng(1).permutation(z)])
@pytest.mark.slow
def test_scores_that_do_not_belong_to_the_labels(change):
    logits, target = data()
    warning = warnings_of(np.ascontiguousarray(change(logits)), target)[0]
    assert "is no better than chance" in warning
    assert "are the classes in the same order?" in warning


@pytest.mark.slow
def test_one_class_alone():
    logits, target = data()
    (warning,) = warnings_of(logits + np.array([20.0, 0, 0, 0]), target)
    assert warning.startswith("The model predicts the same class for all samples")


def test_almost_all_right():
    logits, target = data(strength=9.0)
    assert warnings_of(logits, target)[0].startswith("The accuracy is 100.0 %: was the model trained on these samples?")


def test_classes_without_a_sample_or_with_few():
    logits, target = data()
    kept = (target != 3) & ((target != 2) | (np.cumsum(target == 2) <= 2))
    rare, absent = warnings_of(logits[kept], target[kept])
    assert rare == "Fewer than 3 samples of 1 of 4 classes (lynx): their recall is hardly known."
    assert absent == "There are no samples of 1 of 4 classes (puma): the results do not cover them."


@pytest.mark.slow
def test_many_names_are_cut():
    rng = np.random.default_rng(0)
    target = np.repeat([0, 1], 50)
    logits = rng.normal(size=(100, 9)) + 3 * np.eye(9)[target]
    warnings = diagnose(logits, target).warnings
    assert warnings == ("There are no samples of 7 of 9 classes (2, 3, 4, 5, 6, …): the results do not cover them.",)


@pytest.mark.slow
def test_copies():
    logits, target = data()
    logits[100:110] = logits[99]
    (warning,) = warnings_of(logits, target)
    assert warning.startswith("10 of 400 rows have exactly the scores of another row.")
    logits, target = data()
    logits[101] = logits[100]  # one pair in 400 is no pattern
    assert warnings_of(logits, target) == ()


def test_copies_are_found_whatever_the_block_and_the_sign_of_zero():
    rng = np.random.default_rng(0)
    logits = rng.integers(-1, 2, (3000, 300)).astype(np.float32)
    logits[2999] = -logits[0] * -1
    logits[2999][logits[2999] == 0] = -0.0
    _, fingerprint = decisions_and_fingerprints(Samples.of(logits, np.zeros(3000, dtype=np.int64)))
    assert fingerprint[2999] == fingerprint[0]
    assert len(np.unique(fingerprint)) == 2999


@pytest.mark.slow
def test_groups_of_copies_of_single_samples_and_of_whole_classes():
    logits, target = data()
    copies = np.arange(400) // 4
    (warning,) = warnings_of(logits[copies * 4], target[copies * 4], groups=copies)
    assert warning.startswith("In 100 of 100 groups of several samples all scores are equal")
    (warning,) = warnings_of(logits, target, groups=np.arange(400))
    assert warning.startswith("Each group holds one sample")
    groups = np.where(target == 3, 1000, np.arange(400) // 2)
    (warning,) = warnings_of(logits, target, groups=groups)
    assert warning == "All samples of 1 of 4 classes (puma) belong to one group: their recall is hardly known."


@pytest.mark.slow
def test_a_temperature_at_its_limit():
    logits, target = data()
    logits = -logits
    found = diagnose(logits, target, class_names=NAMES)
    assert found.calibration.at_limit
    assert any("No temperature fits best" in warning for warning in found.warnings)
    assert not diagnose(*data()).calibration.at_limit


@pytest.mark.slow
def test_predictions_worse_than_chance_get_no_fix():
    logits, target = data()
    found = diagnose(np.ascontiguousarray(logits[:, ::-1]), target, class_names=NAMES)
    assert found.verdict == "keep"
    assert found.summary.startswith("The model decides worse than chance")
    assert not found.fix.offset.any()
    assert (
        diagnose(logits + np.array([20.0, 0, 0, 0]), target).verdict == "use"
    )  # one class for all is no contradiction
