"""Batches of a Meta Sampler: shared by processes, and the same from any step on."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from longtail.data import FeatureViews, StoredFeatures
from longtail.data.features.rows import FeatureRows
from longtail.losses import BalancedSoftmaxLoss
from longtail.training.meta_sampled_epochs import MetaSampledEpochs
from longtail.training.meta_sampler import BETAS, MetaSampler
from longtail.training.seeds import generator_for
from reference.meta_sampler import gradient_of_rates

TARGET = torch.tensor([0] * 20 + [1] * 8 + [2] * 4)


def epochs_of(rank=0, processes=1, batch_size=10, views=2):
    torch.manual_seed(0)
    return MetaSampledEpochs(
        FeatureViews(torch.randn(views, 32, 5), TARGET),
        None,
        batch_size,
        7,
        rank,
        processes,
        meta_sampler=MetaSampler(TARGET, 3, learning_rate=0.1),
        classifier=nn.Linear(5, 3),
        criterion=BalancedSoftmaxLoss([20, 8, 4]),
        meta_batch_size=30,
        rate=lambda epoch, _: 0.1 / epoch,
    )


def test_processes_share_each_batch_and_learn_the_same_rates():
    whole, shares = epochs_of(), [epochs_of(rank, 3) for rank in range(3)]
    for (features, target), *parts in zip(*(epochs.batches(1) for epochs in (whole, *shares)), strict=True):
        assert [len(target) for _, target in parts] == [3, 3, 4]
        assert torch.equal(torch.cat([x for x, _ in parts]), features)
        assert torch.equal(torch.cat([y for _, y in parts]), target)
    for share in shares:
        assert torch.equal(share.meta_sampler.logits, whole.meta_sampler.logits)


def test_an_epoch_goes_on_from_any_step():
    epochs = epochs_of()
    batches = epochs.batches(2)
    next(batches)
    resumed = copy.deepcopy(epochs)
    for (features, target), (same, labels) in zip(batches, resumed.batches(2, first_step=1), strict=True):
        assert torch.equal(features, same)
        assert torch.equal(target, labels)
    assert torch.equal(epochs.meta_sampler.logits, resumed.meta_sampler.logits)


def test_features_on_disk_give_the_same_batches(tmp_path):
    epochs = epochs_of(views=1)
    np.save(tmp_path / "features.npy", epochs.data.features[0].numpy())
    rows = FeatureRows(np.load(tmp_path / "features.npy", mmap_mode="r"))
    stored = dataclasses.replace(epochs_of(views=1), data=StoredFeatures(rows, TARGET))
    for (features, target), (same, labels) in zip(epochs.batches(1), stored.batches(1), strict=True):
        assert torch.equal(features, same)
        assert torch.equal(target, labels)
    assert torch.equal(epochs.meta_sampler.logits, stored.meta_sampler.logits)


def test_every_step_and_epoch_draws_others():
    epochs = epochs_of()
    seen = [features for epoch in (1, 2) for features, _ in epochs.batches(epoch)]
    assert len(seen) == 6
    assert all(not torch.equal(one, other) for i, one in enumerate(seen) for other in seen[:i])


def test_the_first_step_is_that_of_the_paper():
    epochs = epochs_of(views=1)
    classifier, features = epochs.classifier, epochs.data.features[0].double()
    weight, bias = classifier.weight.detach().double(), classifier.bias.detach().double()
    noise = torch.empty(32, 10).exponential_(generator=generator_for(TARGET.device, 7, 2, 1, 0, 1)).double().T
    others = epochs._balanced(2)[0]
    balanced, counts = (features[others], TARGET[others]), torch.tensor([20.0, 8.0, 4.0], dtype=torch.float64)
    expected = gradient_of_rates(
        torch.zeros(3, dtype=torch.float64), TARGET, noise, features, weight, bias, balanced, counts, rate=0.05
    )
    batch, target = next(epochs.batches(2))
    drawn = (1 / noise).argmax(1)
    assert torch.equal(batch.double(), features[drawn])
    assert torch.equal(target, TARGET[drawn])
    torch.testing.assert_close(epochs.meta_sampler.mean.double() / (1 - BETAS[0]), expected, rtol=2e-5, atol=1e-9)


def test_the_samples_to_learn_on_are_class_balanced():
    balanced = epochs_of()._balanced(1)
    assert balanced.shape == (3, 30)
    assert torch.bincount(TARGET[balanced.flatten()]).float().std() < 15
    assert not torch.equal(balanced, epochs_of()._balanced(2))


@pytest.mark.parametrize("batch_size", [33, 64])
def test_data_smaller_than_a_batch_make_one_batch(batch_size):
    [(features, target)] = epochs_of(batch_size=batch_size).batches(1)
    assert len(features) == len(target) == 32
