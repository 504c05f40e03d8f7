"""Balanced contrastive learning, sample by sample, as Zhu et al. (CVPR 2022) write it in Eq. 9 and 10."""

import math
from collections.abc import Sequence

import torch


def balanced_contrastive(
    projections: torch.Tensor, target: Sequence[int], centres: torch.Tensor, temperature: float
) -> list[float]:
    """The loss of each view, in float64."""
    views, means = projections.double().tolist(), centres.double().tolist()
    members = {c: [("view", i) for i, label in enumerate(target) if label == c] for c in range(len(means))}
    members = {c: [*own, ("centre", c)] for c, own in members.items()}

    def similarity(i: int, member: tuple[str, int]) -> float:
        other = views[member[1]] if member[0] == "view" else means[member[1]]
        return sum(a * b for a, b in zip(views[i], other, strict=True)) / temperature

    losses = []
    for i, label in enumerate(target):
        averages = []
        for own in members.values():
            others = [member for member in own if member != ("view", i)]
            averages.append(sum(math.exp(similarity(i, member)) for member in others) / len(others))
        partners = [member for member in members[label] if member != ("view", i)]
        terms = [math.log(sum(averages)) - similarity(i, member) for member in partners]
        losses.append(sum(terms) / len(partners))
    return losses
