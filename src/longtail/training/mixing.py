"""Mixing of the images of a batch, and of their labels, in pairs."""

from collections.abc import Callable

from torch import Tensor

from longtail.transforms import cutmix, mixup, remix

Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def mixing(name: str, alpha: float, class_counts: Tensor, *, of_features: bool) -> Mix | None:
    """The mixing of that name; `None` for "none".

    Args:
        name: "none", "mixup", "cutmix" or "remix".
        alpha: α > 0 of the Beta distribution of an image's share in its pair.
        class_counts: (C,) training samples.
        of_features: whether samples are features, not images.

    Raises:
        ValueError: "cutmix" of features, which have no pixels.
    """
    if name == "cutmix" and of_features:
        raise ValueError('`mixing` must not be "cutmix" for features, which have no pixels. Got "cutmix".')
    number = len(class_counts)
    known: dict[str, Mix | None] = {
        "none": None,
        "mixup": lambda images, target: mixup(images, target, number, alpha=alpha),
        "cutmix": lambda images, target: cutmix(images, target, number, alpha=alpha),
        "remix": lambda images, target: remix(images, target, class_counts, alpha=alpha),
    }
    return known[name]
