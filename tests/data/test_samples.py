import numpy as np
import pytest

from longtail.data import Parts, Samples

TARGET = np.array([0, 1, 1, 0], dtype=np.int64)
NAMES = ("ant", "bee", "cow")


def test_every_input_is_taken_with_its_label():
    samples = Samples(
        TARGET,
        NAMES,
        files=("a/0", "b/1", "b/2", "a/3"),
        images=np.arange(4, dtype=np.uint8)[:, None, None],
        features=np.arange(4, dtype=np.float32)[:, None],
        groups=np.array(["x", "y", "y", "z"], dtype=object),
        items=[(number, None) for number in range(4)],
    )
    for indices in ([3, 1], np.array([3, 1], dtype=np.uint8)):
        taken = samples.take(indices)
        assert taken.target.tolist() == [0, 1]
        assert taken.files == ("a/3", "b/1")
        assert taken.images[:, 0, 0].tolist() == taken.features[:, 0].tolist() == [3, 1]
        assert taken.groups.tolist() == ["z", "y"]
        assert [taken.items[i][0] for i in range(2)] == [3, 1]
    assert samples.take(TARGET == 1).files == ("b/1", "b/2")
    assert len(samples.take([])) == 0


@pytest.mark.parametrize("kind", ["files", "images", "features", "items"])
def test_the_kind_is_that_of_the_input(kind):
    assert Samples(TARGET, NAMES).kind == "labels"
    assert Samples(TARGET, NAMES, **{kind: np.zeros((4, 2))}).kind == kind


def test_classes_without_a_sample_count_as_zero():
    samples = Samples(TARGET, NAMES)
    assert samples.class_counts.tolist() == [2, 2, 0]
    assert [name for name, _ in Parts(samples, test=samples).items()] == ["train", "test"]
    assert Parts(samples, test=samples).fingerprint != Parts(samples, validation=samples).fingerprint
