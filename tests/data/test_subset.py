import numpy as np
import pytest
import torch

from longtail.data import class_counts, long_tailed_counts, long_tailed_indices


def test_the_field_s_cifar100_lt(real_data):
    labels = np.load(real_data / "cifar100/labels.npz")["fine_train"]
    official = np.load(real_data / "cifar100/lt_indices_ldam_seed0.npz")
    assert set(official) == {"if10", "if50", "if100", "if200"}
    for name in official:
        np.testing.assert_array_equal(long_tailed_indices(labels, imbalance=int(name[2:])), official[name])


def test_published_counts():
    assert long_tailed_counts(100, 500, 100).sum() == 10_847
    assert long_tailed_counts(10, 5000, 100).tolist() == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert long_tailed_counts(10, 5000, 100, "step").tolist() == [5000] * 5 + [50] * 5
    assert long_tailed_counts(3, 7, 1).tolist() == [7, 7, 7]


@pytest.mark.parametrize("profile", ["exp", "step"])
def test_a_subset_has_its_counts_and_its_labels(profile):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 100))
    indices = long_tailed_indices(labels, 20, profile, seed=3)
    assert class_counts(labels[indices]).tolist() == long_tailed_counts(10, 100, 20, profile).tolist()
    assert len(set(indices.tolist())) == len(indices)
    assert (np.diff(labels[indices]) >= 0).all()


def test_seeded_and_nested():
    labels = np.repeat(np.arange(5), 60)
    small, large = (long_tailed_indices(labels, imbalance, seed=1) for imbalance in (30, 5))
    assert set(small) < set(large)
    np.testing.assert_array_equal(small, long_tailed_indices(labels, 30, seed=1))
    assert small.tolist() != long_tailed_indices(labels, 30, seed=2).tolist()
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    long_tailed_indices(labels, 30)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_unequal_classes_keep_the_profile():
    labels = np.repeat([0, 1, 2], [90, 100, 25])
    kept = class_counts(labels[long_tailed_indices(torch.from_numpy(labels), 3)])
    assert kept.tolist() == long_tailed_counts(3, 75, 3).tolist() == [75, 43, 25]
    assert class_counts(labels[long_tailed_indices(labels, 3, max_count=30)]).tolist() == [30, 17, 10]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"imbalance": 0.5}, ValueError, "`imbalance` must be at least 1, largest over smallest class. Got 0.5"),
        ({"imbalance": float("nan")}, ValueError, "`imbalance` must be finite and greater than 0"),
        ({"imbalance": "100"}, TypeError, "`imbalance` must be a real number"),
        ({"imbalance": 30}, ValueError, "Class 2 would keep none: the largest class has only 10"),
        ({"imbalance": 2, "profile": "linear"}, ValueError, "`profile` must be one of 'exp', 'step'"),
        ({"imbalance": 2, "seed": -1}, ValueError, "`seed` must be at least 0"),
        ({"imbalance": 2, "seed": 2**32}, ValueError, r"`seed` must be below 2\^32"),
        ({"imbalance": 2, "max_count": 11}, ValueError, "Class 0 has 10 samples; 11 were asked for"),
        ({"imbalance": 2, "max_count": 0}, ValueError, "`max_count` must be at least 1"),
    ],
)
def test_arguments_are_checked(arguments, error, message):
    with pytest.raises(error, match=message):
        long_tailed_indices(np.repeat([0, 1, 2], 10), **arguments)


def test_a_gap_in_the_labels_is_refused():
    with pytest.raises(ValueError, match="Class 1 has no sample"):
        long_tailed_indices([0, 0, 2, 2], 2)
