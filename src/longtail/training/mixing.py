"""Mixing of the images of a batch, and of their labels, in pairs."""

from collections.abc import Callable

from torch import Tensor

from longtail.transforms import cutmix, mixup, remix

Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

OF_PIXELS = ("cutmix", "cmo")
"""Mixings that cut boxes out of images."""


def mixing(name: str, alpha: float, class_counts: Tensor, *, of_features: bool) -> Mix | None:
    """The mixing of that name; `None` for "none", and for "cmo", whose batches come mixed (`training.pasting`).

    Args:
        name: "none", "mixup", "cutmix", "remix" or "cmo".
        alpha: α > 0 of the Beta distribution of an image's share in its pair.
        class_counts: (C,) training samples.
        of_features: whether samples are features, not images.

    Raises:
        ValueError: "cutmix" or "cmo" of features, which have no pixels.
    """
    if of_features:
        check_for_features(name)
    number = len(class_counts)
    known: dict[str, Mix | None] = {
        "none": None,
        "cmo": None,
        "mixup": lambda images, target: mixup(images, target, number, alpha=alpha),
        "cutmix": lambda images, target: cutmix(images, target, number, alpha=alpha),
        "remix": lambda images, target: remix(images, target, class_counts, alpha=alpha),
    }
    return known[name]


def check_for_features(name: str) -> None:
    """Raise for a mixing that cuts boxes out of images.

    Raises:
        ValueError: "cutmix" or "cmo".
    """
    if name in OF_PIXELS:
        raise ValueError(
            f'`mixing` must not be "{name}" for features, which have no pixels. Pass "mixup" or "remix", or train on '
            "the images: recipe finetune or scratch, such as longtail train finetune --data photos/."
        )
