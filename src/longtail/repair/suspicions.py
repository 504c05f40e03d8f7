"""Warnings about predictions: accuracy at chance level, duplicates, classes with few samples."""

from collections.abc import Sequence

import numpy as np

from longtail.repair.samples import Samples

NEARLY_PERFECT = 0.99
FEW = 3  # samples: with fewer, a recall is hardly known
COPIES = 0.01  # share of rows with the same scores as another row
NAMED = 5
AT_LIMIT = (
    "No temperature fits best: either the scores separate all samples of a fit, or they are unrelated to the labels. "
    "The probabilities are not calibrated: do not rely on them."
)


def decisions_and_fingerprints(samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """The model's predictions (N,) and a hash of each row of scores (N,), in one pass."""
    factors = np.random.default_rng(0).integers(0, 2**63, samples.num_classes, dtype=np.uint64) | np.uint64(1)
    step, start = "the model as it is", samples.own.start
    decisions, fingerprints = (np.empty(samples.own.stop - start, dtype=kind) for kind in (np.int64, np.uint64))
    for part, block in samples.blocks(step):
        rows = slice(part.start - start, part.stop - start)
        decisions[rows] = block.argmax(1)
        bits = (block + 0.0).view(np.uint64)  # −0 becomes 0
        bits ^= bits >> np.uint64(32)  # round numbers have low bits of 0, which a product would keep
        fingerprints[rows] = (bits * factors).sum(1, dtype=np.uint64)
    return samples.gathered(step, decisions), samples.gathered(step, fingerprints)


def digest_of(fingerprint: np.ndarray) -> str:
    """A hash of all rows in any order, to recognise the scores that a fix was fitted on."""
    return f"{len(fingerprint)}-{int(fingerprint.sum(dtype=np.uint64)):016x}"


def suspicions(
    target: np.ndarray,
    predicted: np.ndarray,
    fingerprint: np.ndarray,
    class_names: Sequence[str],
    groups: np.ndarray | None = None,
) -> tuple[str, ...]:
    """Warnings about predictions, the most important first.

    Args:
        target: (N,) class indices.
        predicted: (N,) predictions of the model.
        fingerprint: (N,) hashes of the rows of scores.
        class_names: (C,).
        groups: (N,) samples of one group are not independent of each other; or None.

    Example:
        >>> target = np.array([0, 1, 2] * 20)
        >>> suspicions(target, (target + 1) % 3, np.arange(60), ["cat", "dog", "lynx"])
        ('The accuracy, 0.0 %, is no better than chance (33.3 %): do scores and labels belong to the same samples, and \
are the classes in the same order?',)
    """
    found = [
        _accuracy(target, predicted, len(class_names)),
        _rare(target, class_names),
        _absent(target, class_names),
        *([_copies(fingerprint)] if groups is None else _groups(groups, target, fingerprint, class_names)),
    ]
    return tuple(sentence for sentence in found if sentence is not None)


def contradicts(target: np.ndarray, predicted: np.ndarray, num_classes: int) -> bool:
    """Whether decisions agree with labels less often than chance does, by two standard errors."""
    accuracy, chance = _agreement(target, predicted, num_classes)
    return bool(accuracy < chance - 2 * np.sqrt(chance * (1 - chance) / len(target)))


def _agreement(target: np.ndarray, predicted: np.ndarray, num_classes: int) -> tuple[float, float]:
    """The accuracy, and that of independent labels and decisions of the same frequencies, as in Cohen's kappa."""
    shares = [np.bincount(labels, minlength=num_classes) / len(target) for labels in (target, predicted)]
    return float((target == predicted).mean()), float(shares[0] @ shares[1])


def _accuracy(target: np.ndarray, predicted: np.ndarray, num_classes: int) -> str | None:
    accuracy, chance = _agreement(target, predicted, num_classes)
    if accuracy <= chance + 2 * np.sqrt(chance * (1 - chance) / len(target)):
        if (predicted == predicted[0]).all():
            return f"The model predicts the same class for all samples: its accuracy is {100 * accuracy:.1f} %."
        return (
            f"The accuracy, {100 * accuracy:.1f} %, is no better than chance ({100 * chance:.1f} %): do scores and "
            "labels belong to the same samples, and are the classes in the same order?"
        )
    if accuracy > NEARLY_PERFECT:
        return (
            f"The accuracy is {100 * accuracy:.1f} %: was the model trained on these samples? A fix needs samples that "
            "it was not trained on."
        )
    return None


def _absent(target: np.ndarray, class_names: Sequence[str]) -> str | None:
    absent = np.flatnonzero(np.bincount(target, minlength=len(class_names)) == 0)
    if not len(absent):
        return None
    return f"There are no samples of {_classes(absent, class_names)}: the results do not cover them."


def _rare(target: np.ndarray, class_names: Sequence[str]) -> str | None:
    counts = np.bincount(target, minlength=len(class_names))
    rare = np.flatnonzero((counts > 0) & (counts < FEW))
    if not len(rare):
        return None
    return f"Fewer than {FEW} samples of {_classes(rare, class_names)}: their recall is hardly known."


def _copies(fingerprint: np.ndarray) -> str | None:
    copies = len(fingerprint) - len(np.unique(fingerprint))
    if copies < max(2, COPIES * len(fingerprint)):
        return None
    return (
        f"{copies:,} of {len(fingerprint):,} rows have exactly the scores of another row. If they are copies of one "
        "sample, pass groups or drop them: intervals assume that rows are independent."
    )


def _groups(
    groups: np.ndarray, target: np.ndarray, fingerprint: np.ndarray, class_names: Sequence[str]
) -> list[str | None]:
    _, member = np.unique(groups, return_inverse=True)
    number = int(member.max()) + 1
    if number == len(member):
        return ["Each group holds one sample, so groups have no effect. Is this the column of an identifier?"]
    several = np.bincount(member) > 1
    distinct = np.bincount(np.unique(np.stack([member, fingerprint.astype(np.int64)]), axis=1)[0], minlength=number)
    copied = int((several & (distinct == 1)).sum())
    copies = None
    if copied > several.sum() / 2:
        copies = (
            f"In {copied:,} of {int(several.sum()):,} groups of several samples all scores are equal: the samples look "
            "like copies. Intervals count groups, not samples."
        )
    held = np.bincount(np.unique(np.stack([target, member]), axis=1)[0], minlength=len(class_names))
    alone = np.flatnonzero(held == 1)
    single = None
    if len(alone):
        single = f"All samples of {_classes(alone, class_names)} belong to one group: their recall is hardly known."
    return [copies, single]


def _classes(labels: np.ndarray, class_names: Sequence[str]) -> str:
    """The number of classes, and some of their names."""
    names = ", ".join(class_names[label] for label in labels[:NAMED]) + (", …" if len(labels) > NAMED else "")
    return f"{len(labels):,} of {len(class_names):,} classes ({names})"
