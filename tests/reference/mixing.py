"""Mixing of images and labels, sample by sample in float64.

mixup: Zhang et al., ICLR 2018. CutMix: Yun et al., ICCV 2019, equation 1 and algorithm A1. Remix: Chou et al., "Remix:
Rebalanced Mixup", ECCV 2020 workshops, equation 5. CMO: Park et al., CVPR 2022, algorithm 1.
"""

import numpy as np


def one_hot(label, num_classes):
    return np.eye(num_classes)[label]


def mixup(images, target, num_classes, partner, share):
    """λ x_i + (1 − λ) x_j and λ y_i + (1 − λ) y_j."""
    mixed, labels = [], []
    for i, j in enumerate(partner):
        mixed.append(share * images[i] + (1 - share) * images[j])
        labels.append(share * one_hot(target[i], num_classes) + (1 - share) * one_hot(target[j], num_classes))
    return np.stack(mixed), np.stack(labels)


def cutmix(images, target, num_classes, partner, share, centre):
    """CMO with the batch itself, in another order, as patches."""
    return cmo(images, target, images[partner], target[partner], num_classes, share, centre)


def cmo(images, target, patches, patch_target, num_classes, share, centre):
    """A box with √(1 − λ) of each side, cut at the border; the label's λ is the share of pixels that are left."""
    height, width = images.shape[2:]
    inside = np.zeros((height, width), bool)
    half = [int(length * np.sqrt(1 - share)) // 2 for length in (height, width)]
    for row in range(height):
        for column in range(width):
            offsets = row - centre[0], column - centre[1]
            inside[row, column] = all(-h <= offset < h for h, offset in zip(half, offsets, strict=True))
    left = 1 - inside.mean()
    mixed = np.stack([np.where(inside, patch, image) for image, patch in zip(images, patches, strict=True)])
    labels = [
        left * one_hot(own, num_classes) + (1 - left) * one_hot(other, num_classes)
        for own, other in zip(target, patch_target, strict=True)
    ]
    return mixed, np.stack(labels)


def remix(images, target, counts, partner, share, kappa, threshold):
    """As mixup, with a λ of its own for the label of each sample."""
    mixed, labels = [], []
    for i, j in enumerate(partner):
        ratio, own = counts[target[i]] / counts[target[j]], share
        if ratio >= kappa and share < threshold:
            own = 0.0
        elif ratio <= 1 / kappa and 1 - share < threshold:
            own = 1.0
        mixed.append(share * images[i] + (1 - share) * images[j])
        labels.append(own * one_hot(target[i], len(counts)) + (1 - own) * one_hot(target[j], len(counts)))
    return np.stack(mixed), np.stack(labels)
