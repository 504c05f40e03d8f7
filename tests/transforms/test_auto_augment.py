import torch
from torchvision.transforms import AutoAugment, AutoAugmentPolicy, InterpolationMode
from torchvision.transforms.autoaugment import _apply_op

from longtail.transforms import auto_augment
from longtail.transforms.auto_augment import CIFAR10_POLICY, OPERATIONS, SIGNED, Draws, apply_draws, draw, magnitude_of

REFERENCE = AutoAugment(AutoAugmentPolicy.CIFAR10)
SPACE = REFERENCE._augmentation_space(10, (32, 32))


def snake(name):
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def images(number):
    return torch.randint(0, 256, (number, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_the_policy_is_torchvision_s():
    assert len(CIFAR10_POLICY) == len(REFERENCE.policies)
    for ours, theirs in zip(CIFAR10_POLICY, REFERENCE.policies, strict=True):
        for (name, probability, level), (their_name, their_probability, their_level) in zip(ours, theirs, strict=True):
            assert (name, probability) == (snake(their_name), their_probability)
            magnitudes, signed = SPACE[their_name]
            assert signed == (name in SIGNED)
            if their_level is not None:
                assert level == their_level
                assert magnitude_of(name, level, 32, 32) == float(magnitudes[level])


def test_what_was_drawn_is_what_torchvision_would_do():
    draws = draw(300, torch.device("cpu"), torch.Generator().manual_seed(1))
    batch = images(300)
    got = apply_draws(batch, draws)
    for i, image in enumerate(batch):
        for place, (name, probability, level) in enumerate(REFERENCE.policies[draws.policy[i]]):
            if draws.uniform[i, place] <= probability:
                magnitudes, signed = SPACE[name]
                magnitude = 0.0 if level is None else float(magnitudes[level])
                magnitude *= -1 if signed and not draws.positive[i, place] else 1
                image = _apply_op(image, name, magnitude, InterpolationMode.NEAREST, None)
        assert torch.equal(got[i], image)


def test_sub_policies_signs_and_uses_have_their_frequencies():
    number = 100_000
    draws = draw(number, torch.device("cpu"), torch.Generator().manual_seed(2))
    shares = torch.bincount(draws.policy, minlength=25) / number
    assert (shares - 1 / 25).abs().max() < 4 * (0.04 * 0.96 / number) ** 0.5
    for share in (draws.positive.float().mean(0), draws.uniform.mean(0)):
        assert (share - 0.5).abs().max() < 4 * 0.5 / number**0.5
    together = torch.corrcoef(torch.cat([draws.uniform, draws.positive.float(), draws.policy[:, None]], 1).T)
    assert (together - torch.eye(5)).abs().max() < 5 / number**0.5


def test_seeded_per_image_and_harmless_to_its_input():
    batch = images(64)
    before = batch.clone()
    first, second = (auto_augment(batch, torch.Generator().manual_seed(seed)) for seed in (3, 3))
    assert torch.equal(first, second)
    assert not torch.equal(first, auto_augment(batch, torch.Generator().manual_seed(4)))
    assert torch.equal(batch, before)
    same = auto_augment(batch[:1].expand(64, -1, -1, -1), torch.Generator().manual_seed(3))
    assert len(torch.unique(same.flatten(1), dim=0)) > 20


def test_every_operation_is_reached_and_an_empty_batch_is_fine():
    assert {name for pair in CIFAR10_POLICY for name, _, _ in pair} == set(OPERATIONS)
    assert auto_augment(images(0)).shape == (0, 3, 32, 32)
    unused = Draws(torch.zeros(4, dtype=torch.int64), torch.ones(4, 2), torch.ones(4, 2, dtype=torch.bool))
    assert torch.equal(apply_draws(images(4), unused), images(4))
