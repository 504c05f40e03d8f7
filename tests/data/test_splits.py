import json
from dataclasses import replace

import numpy as np
import pytest

from data.pictures import fill, save
from longtail.data import Parts, Samples, SplitPlan, make_splits, plan_splits, read_data

COUNTS = [200, 60, 20, 10, 5, 3, 2, 1]


def tailed(groups=None, counts=COUNTS):
    target = np.repeat(np.arange(len(counts)), counts)
    names = tuple(map(str, range(len(counts))))
    features = np.arange(len(target), dtype=np.float32)[:, None]
    return Parts(Samples(target, names, features=features, groups=groups))


def ids(samples):
    return set(samples.features[:, 0].tolist())


def assert_apart(parts):
    """No group is in two parts."""
    groups = [set(part.groups) for _, part in parts.items()]
    assert sum(map(len, groups)) == len(set.union(*groups))


@pytest.mark.parametrize("grouped", [False, True])
def test_parts_are_disjoint_complete_and_leave_every_class_in_training(grouped):
    random = np.random.default_rng(0)
    groups = np.array([str(g) for g in random.integers(0, 150, sum(COUNTS))], dtype=object) if grouped else None
    whole = tailed(groups)
    for seed in range(5):
        parts = make_splits(whole, validation=0.1, test=0.2, seed=seed)
        own = [ids(part) for _, part in parts.items()]
        assert sum(map(len, own)) == len(set.union(*own)) == len(whole.train)
        assert parts.train.class_counts.min() >= 1
        if grouped:
            assert_apart(parts)


def test_every_class_gives_its_share():
    parts = make_splits(tailed(), validation=0.1, test=0.2)
    assert parts.test.class_counts.tolist() == [40, 12, 4, 2, 1, 1, 0, 0]
    assert parts.validation.class_counts.tolist() == [20, 6, 2, 1, 1, 0, 0, 0]
    assert "validation 30, test 60; 211 are left" in parts.notes[0]
    assert parts.notes[1:] == (
        "3 classes have no validation sample: 5, 6, 7.",
        "2 classes have no test sample: 6, 7.",
    )


def test_a_class_of_one_group_stays_in_training():
    groups = np.array([f"{c} {i // 4}" for c, n in enumerate(COUNTS) for i in range(n)], dtype=object)
    parts = make_splits(tailed(groups), validation=0.2, test=0.3)
    assert parts.train.class_counts[5:].tolist() == [3, 2, 1]
    assert parts.train.class_counts.min() >= 1
    assert "class, groups kept together" in parts.notes[0]


def test_groups_of_several_classes_stay_together():
    random = np.random.default_rng(1)
    counts = [300, 100, 30]
    groups = np.array([str(g) for g in random.integers(0, 60, sum(counts))], dtype=object)
    parts = make_splits(tailed(groups, counts), validation=0.15, test=0.25)
    assert not set(parts.train.groups) & set(parts.test.groups)
    assert np.abs(parts.test.class_counts / counts - 0.25).max() < 0.12
    assert abs(len(parts.test) / sum(counts) - 0.25) < 0.03


def test_the_seed_draws_and_nothing_else():
    whole = tailed()
    one, same, other = (make_splits(whole, seed=seed) for seed in (3, 3, 4))
    assert one.fingerprint == same.fingerprint
    assert ids(one.test) != ids(other.test)


def test_parts_that_are_given_stay(tmp_path):
    fill(tmp_path / "train", {"a": 20, "b": 10})
    fill(tmp_path / "test", {"a": 4, "b": 3})
    parts = make_splits(read_data(tmp_path), validation=0.1, test=0.5)
    assert {name: len(part) for name, part in parts.items()} == {"train": 27, "validation": 3, "test": 7}
    nothing = make_splits(read_data(tmp_path), validation=0)
    assert (len(nothing.train), nothing.validation, nothing.notes) == (30, None, ())


@pytest.mark.parametrize("kind", ["files", "twice", "arrays"])
def test_a_plan_is_kept_as_json_and_read_back(tmp_path, kind):
    if kind == "arrays":
        whole = tailed()
    else:
        fill(tmp_path, {"a": 20, "b": 10})
        lines = [f"{name}/{i}.png {name}" for name, n in (("a", 20), ("b", 10)) for i in range(n)]
        (tmp_path / "list.txt").write_text("\n".join(lines + lines[:1] * (kind == "twice")))
        whole = read_data(tmp_path / "list.txt")
    plan = plan_splits(whole, seed=5)
    text = json.dumps(plan.as_dict())
    again = SplitPlan.from_dict(json.loads(text))
    assert again.apply(whole).fingerprint == make_splits(whole, seed=5).fingerprint
    assert ('"a/' in text) == (kind == "files")


def test_a_plan_of_other_data_is_refused(tmp_path):
    fill(tmp_path, {"a": 20, "b": 10})
    plan = plan_splits(read_data(tmp_path))
    save(tmp_path / "b/new.png")
    with pytest.raises(
        ValueError, match="the data must be those that the split was made for. Files, labels or class names"
    ):
        plan.apply(read_data(tmp_path))
    for content, message in (
        ({}, "must have fingerprint, seed and held_out"),
        ({**plan.as_dict(), "held_out": {"train": []}}, "must hold out validation and test. Got train"),
    ):
        with pytest.raises(ValueError, match=message):
            SplitPlan.from_dict(content)
    strange = SplitPlan.from_dict({**plan.as_dict(), "held_out": {"test": ["a/no.png"]}})
    (tmp_path / "b/new.png").unlink()
    with pytest.raises(ValueError, match="must hold out samples of the data. 'a/no.png' is none"):
        strange.apply(read_data(tmp_path))


def test_the_fingerprint_is_that_of_the_content(tmp_path):
    one = read_data(fill(tmp_path / "one", {"a": 3, "b": 2}))
    moved = read_data(fill(tmp_path / "two", {"a": 3, "b": 2}))
    assert one.fingerprint == moved.fingerprint  # wherever the folder lies
    other = replace(one.train, target=one.train.target[::-1])
    assert Parts(other).fingerprint != one.fingerprint
    assert Parts(replace(one.train, class_names=("b", "a"))).fingerprint != one.fingerprint
    arrays = tailed()
    changed = arrays.train.features.copy()
    changed[-1] += 1
    assert Parts(replace(arrays.train, features=changed)).fingerprint != arrays.fingerprint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"validation": 1.0}, r"`validation` must be a share of the samples, in \[0, 1\). Got 1.0"),
        ({"test": -0.1}, "`test` must be a share"),
        ({"validation": 0.5, "test": 0.5}, "must leave samples to train on. Got 0.5 and 0.5"),
        ({"seed": -1}, "`seed` must be at least 0"),
    ],
)
def test_shares_that_leave_nothing_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_splits(tailed(), **arguments)


@pytest.mark.slow
def test_fish_are_split_by_trajectory_close_to_the_wanted_shares(fish, real_data):
    whole = read_data(fish, groups=real_data / "fish/groups.csv")
    counts = whole.train.class_counts
    for seed in range(3):
        parts = make_splits(whole, validation=0.1, test=0.2, seed=seed)
        for part, share in ((parts.train, 0.7), (parts.validation, 0.1), (parts.test, 0.2)):
            assert len(part) / len(whole.train) == pytest.approx(share, abs=0.002)
            assert np.abs(part.class_counts - share * counts).max() <= 4.5
            assert part.class_counts.min() >= 1
        assert_apart(parts)
