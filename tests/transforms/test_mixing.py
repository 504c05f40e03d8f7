from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from longtail import losses as lt
from longtail.losses.catalogue import LOSSES, make_loss
from longtail.transforms import cmo, cutmix, mixing, mixup, remix
from reference import mixing as reference

IMAGES = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 3, 8, 8).contiguous()
TARGET = torch.tensor([0, 0, 0, 1, 1, 2])
COUNTS = torch.tensor([90, 40, 10])


@pytest.fixture
def fixed(monkeypatch):
    """λ and the partners as a test wants them."""

    def fix(share, partner=(5, 4, 3, 2, 1, 0)):
        monkeypatch.setattr(mixing, "_share", lambda _: share)
        monkeypatch.setattr(mixing, "_partners", lambda _: torch.tensor(partner))

    return fix


def test_mixup_blends_images_and_labels_alike(fixed):
    fixed(0.7)
    images, target = mixup(IMAGES, TARGET, 3)
    torch.testing.assert_close(images[0], torch.full((3, 8, 8), 0.3 * 5))
    torch.testing.assert_close(target[0], torch.tensor([0.7, 0.0, 0.3]))
    torch.testing.assert_close(target[2], torch.tensor([0.7, 0.3, 0.0]))


def test_cutmix_labels_by_the_pixels_that_are_left():
    torch.manual_seed(0)
    seen = set()
    for _ in range(50):
        images, target = cutmix(IMAGES, TARGET, 3)
        for i in range(6):
            values = images[i, 0].flatten()
            own = (values == i).double().mean().item()
            other = values[values != i]
            if len(other):
                assert other.unique().numel() == 1
                mixed = own * F.one_hot(TARGET[i], 3) + (1 - own) * F.one_hot(TARGET[int(other[0])], 3)
                torch.testing.assert_close(target[i], mixed.float())
            seen.add(round(own, 2))
    assert len(seen) > 10


def test_remix_gives_the_label_to_the_much_rarer_class(fixed):
    fixed(0.4)  # sample 0 (class 0, 90) with 5 (class 2, 10): nine times rarer; 2 with 3: 90 / 40 < 3
    images, target = remix(IMAGES, TARGET, COUNTS)
    torch.testing.assert_close(images[0], torch.full((3, 8, 8), 0.6 * 5))
    torch.testing.assert_close(target[0], torch.tensor([0.0, 0.0, 1.0]))
    torch.testing.assert_close(target[2], torch.tensor([0.4, 0.6, 0.0]))
    torch.testing.assert_close(target[5], torch.tensor([0.6, 0.0, 0.4]))  # its share of 0.4 is too small for all
    fixed(0.6)
    _, target = remix(IMAGES, TARGET, COUNTS)
    torch.testing.assert_close(target[0], torch.tensor([0.6, 0.0, 0.4]))
    torch.testing.assert_close(target[5], torch.tensor([0.0, 0.0, 1.0]))


@pytest.mark.parametrize("seed", range(20))
def test_batches_are_mixed_as_in_the_papers(seed, fixed, monkeypatch):
    rng = np.random.default_rng(seed)
    images, target = rng.normal(size=(7, 2, 5, 9)), rng.integers(0, 3, 7)
    partner, share, centre = rng.permutation(7).tolist(), rng.random(), (rng.integers(5), rng.integers(9))
    kappa, threshold = rng.uniform(1, 6), rng.random()
    fixed(share, partner)
    centres = iter((*centre, *centre))
    monkeypatch.setattr(mixing, "_centre", lambda _: int(next(centres)))
    batch, counts = (torch.from_numpy(images), torch.from_numpy(target)), COUNTS.tolist()
    patches, patch_target = rng.normal(size=images.shape), rng.integers(0, 3, 7)
    for got, want in (
        (mixup(*batch, 3), reference.mixup(images, target, 3, partner, share)),
        (cutmix(*batch, 3), reference.cutmix(images, target, 3, partner, share, centre)),
        (
            cmo(*batch, torch.from_numpy(patches), torch.from_numpy(patch_target), 3),
            reference.cmo(images, target, patches, patch_target, 3, share, centre),
        ),
        (
            remix(*batch, COUNTS, kappa=kappa, threshold=threshold),
            reference.remix(images, target, counts, partner, share, kappa, threshold),
        ),
    ):
        np.testing.assert_allclose(got[0], want[0], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(got[1], want[1], rtol=1e-6, atol=1e-6)  # labels are float32


@pytest.mark.parametrize("kind", [mixup, cutmix])
def test_soft_targets_may_be_mixed_again(kind):
    _, target = mixup(IMAGES, TARGET, 3)
    _, again = kind(IMAGES, target, 3)
    torch.testing.assert_close(again.sum(1), torch.ones(6))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_takes_mixed_targets(name):
    _, target = mixup(IMAGES, TARGET, 3)
    logits = torch.randn(6, 3, requires_grad=True)
    loss = make_loss(name, COUNTS)(logits, target)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def test_cross_entropy_on_mixed_targets_is_the_mix_of_two(fixed):
    fixed(0.7)
    _, target = mixup(IMAGES, TARGET, 3)
    logits = torch.randn(6, 3)
    one = lt.balanced_softmax_loss(logits, target, COUNTS)
    first, second = (lt.balanced_softmax_loss(logits, labels, COUNTS) for labels in (TARGET, TARGET.flip(0)))
    torch.testing.assert_close(one, 0.7 * first + 0.3 * second)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
@pytest.mark.parametrize(
    "mix", [partial(mixup, num_classes=3), partial(cutmix, num_classes=3), partial(remix, class_counts=COUNTS)]
)
def test_labels_of_any_integer_dtype_are_class_indices(mix, dtype):
    results = []
    for target in (TARGET, TARGET.to(dtype)):
        torch.manual_seed(0)
        results.append(mix(IMAGES, target))
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=0)


def test_draws_follow_the_seed_and_the_beta_distribution():
    torch.manual_seed(1)
    first = mixup(IMAGES, TARGET, 3)
    torch.manual_seed(1)
    assert torch.equal(mixup(IMAGES, TARGET, 3)[0], first[0])
    shares = torch.tensor([mixing._share(0.2) for _ in range(2000)])
    assert shares.mean().item() == pytest.approx(0.5, abs=0.03)
    assert shares.var().item() == pytest.approx(1 / (4 * (2 * 0.2 + 1)), abs=0.02)


@pytest.mark.parametrize("alpha", [1e-15, 1e-4, 0.005, np.float32(0.5)])
def test_shares_of_a_small_alpha_are_not_one_half(alpha):
    torch.manual_seed(0)
    shares = torch.tensor([mixing._share(alpha) for _ in range(2000)])
    assert shares.mean().item() == pytest.approx(0.5, abs=0.03)
    assert shares.var().item() == pytest.approx(1 / (4 * (2 * float(alpha) + 1)), abs=0.01)


def test_a_vanishing_alpha_leaves_images_and_labels_unmixed():
    for _ in range(20):
        images, target = mixup(IMAGES, TARGET, 3, alpha=1e-12)
        assert set(images.unique().tolist()) <= set(range(6))
        assert set(target.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mixup(IMAGES, TARGET, 3, alpha=0), ValueError, "`alpha` must be finite and greater than 0"),
        (lambda: mixup(IMAGES.to(torch.uint8), TARGET, 3), TypeError, "`images` must be floating point"),
        (lambda: mixup(IMAGES, TARGET[:2], 3), ValueError, "`target` must hold one label per image, 6. Got 2"),
        (
            lambda: mixup(IMAGES, TARGET.float(), 3),
            ValueError,
            r"probabilities must have the shape \(6, 3\). Got \(6,\)",
        ),
        (lambda: mixup(IMAGES, F.one_hot(TARGET).float(), 4), ValueError, r"the shape \(6, 4\). Got \(6, 3\)"),
        (
            lambda: mixup(IMAGES, TARGET[:, None], 3),
            ValueError,
            r"class indices must have the shape \(6,\). Got \(6, 1\)",
        ),
        (lambda: cutmix(IMAGES, TARGET, 2), ValueError, r"`target` must lie in \[0, 2\). Got 2 at index 5. Is `num_cl"),
        (
            lambda: cmo(IMAGES, TARGET, IMAGES[:5], TARGET[:5], 3),
            ValueError,
            r"`patches` must have the shape and dtype ",
        ),
        (lambda: cmo(IMAGES, TARGET, IMAGES.double(), TARGET, 3), ValueError, r"`patches` must .* Got .*torch.float64"),
        (
            lambda: cmo(IMAGES, TARGET, IMAGES, TARGET[:5], 3),
            ValueError,
            "`patch_target` must hold one label per image",
        ),
        (lambda: cmo(IMAGES, TARGET, IMAGES, TARGET + 1, 3), ValueError, r"`patch_target` must lie in \[0, 3\). Got 3"),
        (lambda: cutmix(IMAGES[0], TARGET[:3], 3), ValueError, r"`images` must have the shape \(N, C, H, W\)"),
        (
            lambda: cmo(IMAGES, TARGET, IMAGES, TARGET, 3, alpha=1e-300),
            ValueError,
            r"`alpha` must lie in \[1e-15, 1e\+15",
        ),
        (lambda: remix(IMAGES, TARGET, COUNTS, kappa=10**30), ValueError, r"`kappa` must lie in \[1e-15, 1e\+15"),
        (lambda: remix(IMAGES, TARGET, COUNTS, kappa=0), ValueError, "`kappa` must be finite and greater than 0"),
        (lambda: mixup(IMAGES.numpy(), TARGET, 3), TypeError, "`images` must be a tensor of a batch. Got ndarray"),
        (lambda: remix(IMAGES, [0, 1], COUNTS), TypeError, "`target` must be a tensor of a batch. Got list"),
        (lambda: remix(IMAGES, TARGET, COUNTS, threshold=2), ValueError, r"`threshold` must lie in \[0, 1\]"),
        (lambda: remix(IMAGES, F.one_hot(TARGET).float(), COUNTS), TypeError, "`target` must hold class indices"),
    ],
)
def test_arguments_are_checked(call, error, message):
    with pytest.raises(error, match=message):
        call()
