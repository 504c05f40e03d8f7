"""The random numbers of the compiled kernel: known bits, the right distributions, seeds from PyTorch's generator."""

import math

import pytest
import torch
from scipy import stats

from longtail.losses import EQLLoss, GCLLoss
from longtail.losses.fused.draws import random_half_normals, random_mask, random_words
from longtail.losses.fused.library import NoKernelError, library

pytestmark = pytest.mark.skipif(isinstance(library(), NoKernelError), reason="no C compiler")

MANY = torch.empty(50, 10_007)  # tiles of 1,024 numbers leave a remainder


def test_words_are_those_of_philox():
    words = random_words(0, 1024)  # the first counter's four words lie 256 apart
    assert [f"{word:08x}" for word in words[::256].tolist()] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    assert words.unique().numel() > 1020
    assert not torch.equal(random_words(1, 1024), words)
    assert torch.equal(random_words(0, 5000)[:1024], words)


@pytest.mark.parametrize("probability", [0.9, 0.5, 0.001])
def test_a_mask_is_true_as_often_as_asked(probability):
    torch.manual_seed(0)
    true = int(random_mask(MANY, probability).sum())
    assert stats.binomtest(true, MANY.numel(), probability).pvalue > 1e-3


def test_a_mask_may_be_wholly_true_or_false():
    assert random_mask(MANY, 1.0).all()
    assert not random_mask(MANY, 0.0).any()


def test_entries_of_a_mask_are_independent():
    torch.manual_seed(0)
    mask = random_mask(MANY, 0.5).flatten().double() - 0.5
    for lag in (1, 2, 256, 512, 1024, MANY.shape[1]):
        correlation = 4 * (mask[lag:] * mask[:-lag]).mean().item()
        assert abs(correlation) < 4 / math.sqrt(mask.numel())


def test_half_normals_are_absolute_values_of_clamped_normals():
    torch.manual_seed(0)
    found = random_half_normals(MANY, 0.5).flatten().double() / 0.5
    assert found.min() >= 0
    assert found.max() == 3
    clamped = int((found == 3).sum())
    beyond = 2 * stats.norm.sf(3)
    assert stats.binomtest(clamped, len(found), beyond).pvalue > 1e-3
    inside = found[found < 3].numpy()
    assert stats.kstest(inside, lambda x: (2 * stats.norm.cdf(x) - 1) / (1 - beyond)).pvalue > 1e-3


def test_half_normals_are_the_quantiles_of_their_words():
    torch.manual_seed(0)
    key = int(torch.randint(-(2**63), 2**63 - 1, (), dtype=torch.int64))
    torch.manual_seed(0)
    got = random_half_normals(MANY, 1.0).flatten()
    share = (random_words(key % 2**64, MANY.numel()) >> 8).double() * 2**-24
    want = math.sqrt(2) * torch.erfinv(share.clamp_max(math.erf(3 / math.sqrt(2))))
    torch.testing.assert_close(got.double(), want, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("make", [EQLLoss, GCLLoss])
def test_a_seed_of_pytorch_repeats_the_draws_of_a_loss(make):
    criterion, logits = make(range(1, 1001)), torch.zeros(8, 1000)
    torch.manual_seed(5)
    first, second = criterion.draw(logits), criterion.draw(logits)
    torch.manual_seed(5)
    assert torch.equal(criterion.draw(logits), first)
    assert torch.equal(criterion.draw(logits), second)
    assert not torch.equal(first, second)
