import tracemalloc

import numpy as np
import pytest

from longtail.repair import diagnose
from longtail.repair.folds import Splits
from longtail.repair.samples import Samples


def long_tailed(counts, num_classes=None, seed=0):
    rng = np.random.default_rng(seed)
    num_classes = num_classes or len(counts)
    target = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    slant = 3 * np.linspace(1, 0, num_classes)
    return (rng.normal(size=(len(target), num_classes)) + 2 * np.eye(num_classes)[target] + slant), target


def mapped(path, logits):
    np.save(path, logits)
    return np.load(path, mmap_mode="r")


@pytest.mark.slow
def test_a_mapped_file_gives_what_the_array_gives(tmp_path):
    logits, target = long_tailed([200, 100, 50, 25])
    logits = logits.astype(np.float32)
    on_disk = diagnose(mapped(tmp_path / "z.npy", logits), target, seed=1)
    in_memory = diagnose(logits, target, seed=1)
    assert on_disk.summary == in_memory.summary
    np.testing.assert_array_equal(on_disk.fix.offset, in_memory.fix.offset)


@pytest.mark.slow
def test_a_mapped_file_is_never_held_as_a_whole(tmp_path):
    """20,000 x 400 float32 are 32 MB, 64 MB in float64."""
    logits, target = long_tailed(np.linspace(190, 10, 200).astype(int), num_classes=400)
    logits = mapped(tmp_path / "z.npy", logits.astype(np.float32))
    tracemalloc.start()
    found = diagnose(logits, target)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.verdict == "use"
    assert peak < 0.8 * logits.nbytes


@pytest.mark.slow
def test_a_candidate_that_would_take_too_long_is_left_out(monkeypatch):
    monkeypatch.setattr("longtail.repair.candidates.MOST_WORK", 0)
    found = diagnose(*long_tailed([60, 30, 20]), metric="macro-f1")
    left_out = next(outcome for outcome in found.outcomes if outcome.name == "offsets fitted to the metric")
    assert "skipped, because it would take too long" in (left_out.failure or "")


def test_blocks_cover_all_rows_of_a_part():
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(700, 3)), rng.integers(0, 3, 700)
    part = Samples.of(logits, target).where(target > 0).where(np.arange((target > 0).sum()) % 2 == 0)
    expected = logits[target > 0][::2]
    seen = []
    for where, block in part.blocks("x"):
        np.testing.assert_array_equal(part.target[where], target[target > 0][::2][where])
        seen.append(block)
    np.testing.assert_array_equal(np.concatenate(seen), expected)


@pytest.mark.parametrize(
    ("numbers", "expected"), [(10**6, [50, 20, 3]), (60, [9, 8, 3]), (3, [1, 0, 0]), (24, [3, 3, 2])]
)
def test_what_is_thinned_keeps_the_rare(numbers, expected):
    target = np.repeat([0, 1, 2], [50, 20, 3])
    thin = Samples.of(np.zeros((73, 3)), target).thinned(numbers)
    kept = np.bincount(thin.target, minlength=3)
    assert kept[2] == min(3, kept.max())
    assert len(thin) <= max(numbers // 3, 3)
    assert abs(kept.astype(int) - expected).sum() <= 3


@pytest.mark.slow
def test_a_watch_sees_each_pass_to_its_end():
    told = []
    logits, target = long_tailed([200, 100, 50, 25])
    diagnose(logits, target, progress=lambda step, share: told.append((step, share)))
    assert {"re-balancing", "re-balancing to the fixed point", "calibration"} <= {step for step, _ in told}
    assert told[-1][1] == 1


def test_weights_are_repetitions():
    """A weight of 3 on each sample of a set of whole folds is what three copies are: offsets and scores agree."""
    from longtail.repair.candidates import rebalancing_offsets
    from longtail.repair.metrics import make_metric

    logits, target = long_tailed([60, 30, 20])
    weight = np.where(np.arange(len(target)) % 4 == 0, 3.0, 1.0)
    fold = np.arange(len(target)) % 3
    copies = np.repeat(np.arange(len(target)), weight.astype(int))
    metric = make_metric("balanced-accuracy", 3)
    one = Samples(logits, target, weight)
    many = Samples.of(logits[copies], target[copies])
    for converge in (False, True):
        np.testing.assert_allclose(
            rebalancing_offsets(one, Splits(fold, 3), metric, converge=converge),
            rebalancing_offsets(many, Splits(fold[copies], 3), metric, converge=converge),
            atol=1e-5,
        )


@pytest.mark.slow
def test_weights_change_scores_and_intervals():
    logits, target = long_tailed([200, 100, 50, 25])
    right = logits.argmax(1) == target
    found = diagnose(logits, target, sample_weight=np.where(right, 1.0, 1e-3))
    assert found.before.accuracy > 0.99
    assert diagnose(logits, target).before.accuracy < 0.9


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(3), r"`sample_weight` must hold one weight per sample, \(30,\). Got \(3,\)"),
        (np.zeros(30), "`sample_weight` must be finite and above 0. Got 0.0. Drop samples without weight"),
        (np.full(30, np.nan), "`sample_weight` must be finite and above 0"),
    ],
)
def test_weights_that_are_none_are_refused(weight, message):
    with pytest.raises(ValueError, match=message):
        diagnose(np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 3, sample_weight=weight)


@pytest.mark.parametrize("numbers", [300, 33, 7])
def test_a_subsample_depends_on_content_not_on_order_or_scale(numbers):
    logits, target = long_tailed([200, 100, 50, 5])
    rows, columns = np.random.default_rng(1).permutation(355), np.random.default_rng(2).permutation(4)
    first = Samples.of(logits, target).thinned(numbers)
    shuffled = Samples.of(5.3 * logits[rows][:, columns], np.argsort(columns)[target[rows]]).thinned(numbers)
    assert set(rows[shuffled.rows]) == set(first.rows)


def test_a_subsample_has_evenly_spaced_margins():
    margin = np.random.default_rng(0).permutation(100).astype(float)
    logits = np.stack([margin, np.zeros(100)], axis=1)
    kept = Samples.of(logits, np.zeros(100, dtype=np.int64)).thinned(20)
    assert sorted(margin[kept.rows]) == [4, 14, 24, 34, 44, 54, 64, 74, 84, 94]
