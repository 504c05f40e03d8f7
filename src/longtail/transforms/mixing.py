"""Mixing augmentations of whole batches: two images become one, and so do their labels.

mixup (Zhang et al., ICLR 2018), CutMix (Yun et al., ICCV 2019) and Remix (Chou et al., "Remix: Rebalanced Mixup", ECCV
2020 workshops); CMO (Park et al., "The Majority Can Help the Minority: Context-rich Minority Oversampling for
Long-tailed Classification", CVPR 2022). One share λ ~ Beta(α, α) per batch, as in their code. The partners are
the same batch in a random order; in CMO they are a second, class-balanced batch. The target comes back as
probabilities, which every loss here takes as one target: two calls of a loss that learns, one per label, would count
every sample twice. Draws come from PyTorch's global generators, λ from that of the CPU.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from longtail.arguments import as_class_indices, check_fraction, check_num_classes, check_size
from longtail.class_vectors import as_class_counts
from longtail.transforms.image_batches import check_images

SMALL = 0.01  # α; below, PyTorch's draws of both gamma variables underflow to the same number too often


def mixup(images: Tensor, target: Tensor, num_classes: int, *, alpha: float = 1.0) -> tuple[Tensor, Tensor]:
    """λ x_i + (1 − λ) x_j, labelled λ y_i + (1 − λ) y_j.

    Args:
        images: (N, …) floating point.
        target: (N,) class indices, or (N, C) probabilities.
        num_classes: C.
        alpha: α > 0; 1 is usual for small images, 0.2 for large ones.

    Returns:
        Images of the same shape, and (N, C) float32 probabilities.

    Raises:
        ValueError, TypeError: a shape, dtype or setting outside what is written above.

    Example:
        >>> images, target = mixup(torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 2]), num_classes=3)
        >>> images.shape, target.sum(1).tolist()
        (torch.Size([4, 3, 8, 8]), [1.0, 1.0, 1.0, 1.0])
    """
    labels = _probabilities(images, target, num_classes, alpha)
    share, partner = _share(alpha), _partners(images)
    return _blend(images, partner, share), torch.lerp(labels[partner], labels, share)


def cutmix(images: Tensor, target: Tensor, num_classes: int, *, alpha: float = 1.0) -> tuple[Tensor, Tensor]:
    """A box of x_j in x_i, of the area 1 − λ before it is cut at the border; labels by the pixels that are left.

    Args:
        images: (N, C, H, W) floating point.
        target: (N,) class indices, or (N, C) probabilities.
        num_classes: C.
        alpha: α > 0.

    Returns:
        Images of the same shape, and (N, C) float32 probabilities.

    Raises:
        ValueError, TypeError: a shape, dtype or setting outside what is written above.

    Example:
        >>> images, target = cutmix(torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 2]), num_classes=3)
        >>> images.shape, target.shape
        (torch.Size([4, 3, 8, 8]), torch.Size([4, 3]))
    """
    labels = _probabilities(images, target, num_classes, alpha)
    check_images(images)
    partner, (rows, columns, share) = _partners(images), _box(images, alpha)
    mixed = images.clone()
    mixed[:, :, rows, columns] = images[partner, :, rows, columns]
    return mixed, torch.lerp(labels[partner], labels, share)


def cmo(
    images: Tensor, target: Tensor, patches: Tensor, patch_target: Tensor, num_classes: int, *, alpha: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Context-rich minority oversampling: CutMix whose boxes come from a second, class-balanced batch.

    Rare classes get the varied backgrounds of the frequent ones. Draw `patches` with equal probability for each class,
    as the authors do (`longtail.samplers.ClassBalancedSampler`), and mix every second batch.

    Args:
        images: (N, C, H, W) floating point, drawn as usual.
        target: (N,) class indices, or (N, num_classes) probabilities.
        patches: of the shape and dtype of `images`; a box of each is pasted into the image of the same index.
        patch_target: labels of the patches, like `target`.
        num_classes: the number of classes.
        alpha: α > 0.

    Returns:
        Images of the same shape, and (N, num_classes) float32 probabilities: the shares of the pixels.

    Raises:
        ValueError, TypeError: a shape, dtype or setting outside what is written above.

    Example:
        >>> common, rare = torch.zeros(4, 3, 8, 8), torch.ones(4, 3, 8, 8)
        >>> images, target = cmo(common, torch.tensor([0, 0, 0, 1]), rare, torch.tensor([2, 1, 0, 2]), num_classes=3)
        >>> torch.allclose(images[0].mean(), target[0, 2])  # the share of the rare image's pixels
        True

    Source: Park et al., "The Majority Can Help the Minority", CVPR 2022, and their code. In training,
    `longtail.training.pasting` chooses the batches that are mixed.
    """
    labels = _probabilities(images, target, num_classes, alpha)
    check_images(images)
    if patches.shape != images.shape or patches.dtype != images.dtype:
        raise ValueError(
            f"`patches` must have the shape and dtype of the images, {tuple(images.shape)} {images.dtype}. "
            f"Got {tuple(patches.shape)} {patches.dtype}."
        )
    patch_labels = _probabilities(patches, patch_target, num_classes, alpha, name="patch_target")
    rows, columns, share = _box(images, alpha)
    mixed = images.clone()
    mixed[:, :, rows, columns] = patches[:, :, rows, columns]
    return mixed, torch.lerp(patch_labels, labels, share)


def remix(
    images: Tensor,
    target: Tensor,
    class_counts: Tensor,
    *,
    alpha: float = 1.0,
    kappa: float = 3.0,
    threshold: float = 0.5,
) -> tuple[Tensor, Tensor]:
    """Images as mixup; the label goes wholly to the rarer class if that is κ times rarer and has a large enough share.

    With n the training samples of a class, the label's share of x_i is 0 where n_i / n_j ≥ κ and λ < threshold, 1 where
    n_i / n_j ≤ 1/κ and 1 − λ < threshold, and λ otherwise.

    Args:
        images: (N, …) floating point.
        target: (N,) class indices.
        class_counts: (C,) training samples of each class.
        alpha: α > 0.
        kappa: κ > 0; the paper has 3.
        threshold: in [0, 1]; the paper has 0.5.

    Returns:
        Images of the same shape, and (N, C) float32 probabilities.

    Raises:
        ValueError, TypeError: a shape, dtype or setting outside what is written above.

    Example:
        >>> images, target = remix(torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), torch.tensor([90, 10]))
        >>> target.shape
        torch.Size([2, 2])
    """
    check_size("kappa", kappa)
    check_fraction("threshold", threshold)
    counts = as_class_counts(class_counts)
    labels = _probabilities(images, target, counts.numel(), alpha)
    target = as_class_indices("target", target)
    share, partner = _share(alpha), _partners(images)
    counts = counts.to(images.device)
    own, other = counts[target], counts[target[partner]]
    shares = torch.full((len(target), 1), share, device=images.device)
    shares[(own >= kappa * other) & (share < threshold)] = 0.0
    shares[(kappa * own <= other) & (1 - share < threshold)] = 1.0
    return _blend(images, partner, share), torch.lerp(labels[partner], labels, shares)


def _probabilities(images: Tensor, target: Tensor, num_classes: int, alpha: float, *, name: str = "target") -> Tensor:
    check_num_classes(num_classes)
    check_size("alpha", alpha)
    for argument, value in (("images", images), (name, target)):
        if not isinstance(value, Tensor) or not value.dim():
            kind = "a number" if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(f"`{argument}` must be a tensor of a batch. Got {kind}.")
    if not images.is_floating_point():
        raise TypeError(f"`images` must be floating point. Got {images.dtype}. Normalise them first.")
    if len(target) != len(images):
        raise ValueError(f"`{name}` must hold one label per image, {len(images)}. Got {len(target)}.")
    soft = target.is_floating_point()
    expected = (len(images), num_classes) if soft else (len(images),)
    if target.shape != expected:
        raise ValueError(
            f"`{name}` given as {'probabilities' if soft else 'class indices'} must have the shape {expected}. "
            f"Got {tuple(target.shape)}."
        )
    if soft:
        return target.to(torch.float32)
    checked = num_classes if target.device.type == "cpu" else None  # on another device it would synchronise
    labels = as_class_indices(name, target, checked, "Is `num_classes` right?")
    return F.one_hot(labels, num_classes).to(torch.float32)


def _share(alpha: float) -> float:
    """λ ~ Beta(α, α)."""
    alpha = float(alpha)
    if alpha >= SMALL:
        return float(torch.distributions.Beta(alpha, alpha).sample())
    # λ = G / (G + G'), where G of shape α is a gamma variable of shape α + 1 times U^(1/α).
    first, second = torch.distributions.Gamma(1 + alpha, 1.0).sample((2,)).log().double()
    one, other = torch.rand(2, dtype=torch.float64).log()
    return float((first - second + (one - other) / alpha).sigmoid())


def _partners(images: Tensor) -> Tensor:
    return torch.randperm(len(images), device=images.device)


def _blend(images: Tensor, partner: Tensor, share: float) -> Tensor:
    return torch.lerp(images[partner], images, share)


def _box(images: Tensor, alpha: float) -> tuple[slice, slice, float]:
    """Rows and columns of a box of the area 1 − λ before it is cut at the border, and the share of pixels outside."""
    height, width = images.shape[2:]
    side = (1 - _share(alpha)) ** 0.5
    rows, columns = _interval(height, side), _interval(width, side)
    return rows, columns, 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)


def _interval(length: int, side: float) -> slice:
    """A random interval of that share of a length, cut at its ends."""
    size, centre = int(length * side), _centre(length)
    return slice(max(centre - size // 2, 0), min(centre + size // 2, length))


def _centre(length: int) -> int:
    return int(torch.randint(length, ()))
