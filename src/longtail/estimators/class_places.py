"""Labels matched with classes by name, in whatever order a classifier keeps these."""

import numpy as np


def places_of(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(N,) the index of each label among the classes; -1 for one that is none of them.

    Labels of another type than the classes are matched by their text, as a classifier may be told the names of classes.

    Example:
        >>> places_of(np.array(["low", "high"]), np.array(["low", "middle", "high"])).tolist()
        [0, 2]
        >>> places_of(np.array([1, 2, 7]), np.array(["2", "1"])).tolist()
        [1, 0, -1]
    """
    distinct, inverse = np.unique(labels, return_inverse=True)
    places = {label: place for place, label in enumerate(np.asarray(classes).tolist())}
    texts = {str(label): place for label, place in places.items()}
    if len(texts) < len(places):  # such as 1 and "1"
        texts = {}
    found = [places.get(label, texts.get(str(label), -1)) for label in distinct.tolist()]
    return np.array(found, dtype=np.int64)[inverse]


def places_of_all(known: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(C,) the index among the classes of each that a fitted classifier knows.

    Raises:
        ValueError: it knows others, or not all.
    """
    places = places_of(known, classes)
    lacking = np.setdiff1d(np.arange(len(classes)), places)
    if len(lacking) or len(known) != len(classes):
        wrong = f"does not know {classes[lacking].tolist()[0]!r}" if len(lacking) else f"knows {list(known)}"
        raise ValueError(
            f"`estimator` must know the classes of `y` and no others. It {wrong}. If it is told its classes, as by "
            "`class_names`, name those of `y`; if it was fitted before, wrap all of it in FrozenEstimator."
        )
    return places
