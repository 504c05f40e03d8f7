import torch

from longtail.data import class_counts
from longtail.data.built_in.digits import long_tailed_digits


def test_the_tail_is_long_and_the_test_set_balanced_and_fixed():
    first, second = (long_tailed_digits(50, seed=seed) for seed in (0, 1))
    assert first.class_counts.tolist() == class_counts(first.train_target).tolist()
    assert first.class_counts[0] / first.class_counts[-1] >= 50
    assert class_counts(first.test_target).tolist() == [40] * 10
    assert torch.equal(first.test_images, second.test_images)
    assert not torch.equal(first.train_images, second.train_images)
    assert torch.equal(first.train_images, long_tailed_digits(50, seed=0).train_images)
    assert first.train_images.shape[1:] == (8, 8)
    assert first.train_images.min() == 0
    assert first.train_images.max() == 1


def test_no_image_is_in_both_sets():
    digits = long_tailed_digits(1)
    assert len(digits.train_images) + len(digits.test_images) > 1700
    distances = torch.cdist(digits.train_images.flatten(1), digits.test_images.flatten(1))
    assert distances.min() > 0
