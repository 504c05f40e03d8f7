"""Divide training samples into training, validation and test: stratified, groups together, seeded.

Every class keeps a sample to train on. Without groups each class gives the rounded share of its samples. With groups,
the groups of the rarest classes come first, the largest of a class before the others, and each goes to the part whose
class counts then are nearest to the wanted ones: the least increase of Σ (count − wanted)² / wanted. scikit-learn's
`StratifiedGroupKFold` cuts folds of one size and may leave a class without a training sample.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from longtail.arguments import check_integer
from longtail.data.check import require_trainable
from longtail.data.counted import counted
from longtail.data.first_of_many import first
from longtail.data.samples import Parts, Samples

HELD_OUT = ("validation", "test")


@dataclass(frozen=True)
class SplitPlan:
    """The result of `plan_splits`: which training samples are held out; `as_dict` and `from_dict` give and take JSON.

    Attributes:
        fingerprint: of the data before they were divided.
        seed: seed of the draw.
        held_out: for validation and test the samples taken from training: relative paths, or indices where there are no
            files or one is listed twice; a part that is not made is absent.

    Example:
        >>> from longtail.data import read_data
        >>> X, y = np.zeros((14, 2)), np.repeat(["ant", "bee"], [10, 4])
        >>> plan = plan_splits(read_data((X, y)), validation=0.25, test=0.25)
        >>> [len(part) for _, part in plan.apply(read_data((X, y))).items()]
        [6, 4, 4]
        >>> plan.apply(read_data((X[1:], y[1:])))
        Traceback (most recent call last):
        ValueError: the data must be those that the split was made for. ...
    """

    fingerprint: str
    seed: int
    held_out: Mapping[str, tuple[str, ...] | tuple[int, ...]]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "fingerprint": self.fingerprint,
            "seed": self.seed,
            "held_out": {name: list(own) for name, own in self.held_out.items()},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Read what `as_dict` gave.

        Raises:
            ValueError: something else.
        """
        try:
            held_out = {str(name): tuple(own) for name, own in content["held_out"].items()}
            plan = cls(str(content["fingerprint"]), int(content["seed"]), held_out)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"a split must have fingerprint, seed and held_out. It does not: {error!r}.") from None
        if not set(held_out) <= set(HELD_OUT):
            raise ValueError(f"a split must hold out {' and '.join(HELD_OUT)}. Got {', '.join(held_out)}.")
        return plan

    def apply(self, parts: Parts) -> Parts:
        """Divide the data that the plan was made for.

        Raises:
            ValueError: other data; a class would have no sample to train on.
        """
        if parts.fingerprint != self.fingerprint:
            raise ValueError(
                "the data must be those that the split was made for. Files, labels or class names have changed since "
                f"(fingerprint {parts.fingerprint}, not {self.fingerprint}). Restore them, or start a new run."
            )
        chosen = {name: _indices(parts.train, own) for name, own in self.held_out.items()}
        taken = np.concatenate([np.zeros(0, dtype=np.int64), *chosen.values()])
        made = {name: parts.train.take(own) for name, own in chosen.items()}
        divided = Parts(
            parts.train.take(np.setdiff1d(np.arange(len(parts.train)), taken)) if len(taken) else parts.train,
            made.get("validation", parts.validation),
            made.get("test", parts.test),
        )
        require_trainable(divided)
        return Parts(divided.train, divided.validation, divided.test, (*parts.notes, *_notes(divided, made, self.seed)))


def make_splits(parts: Parts, *, validation: float = 0.1, test: float = 0.2, seed: int = 0) -> Parts:
    """Make the validation and test parts that were not given.

    Args:
        parts: what `read_data` returned; parts that it holds stay as they are.
        validation: share of the training samples to hold out for validation; 0 makes none.
        test: likewise for the test.
        seed: of the draw.

    Returns:
        Parts with notes on what was made. `plan_splits(...)` gives what to keep.

    Raises:
        ValueError, TypeError: a share outside [0, 1) or both together not below 1; data that can't be trained on.

    Example:
        >>> import numpy as np
        >>> from longtail.data import read_data
        >>> X, y = np.zeros((44, 2)), np.repeat(["ant", "bee", "cow"], [30, 13, 1])
        >>> parts = make_splits(read_data((X, y)), validation=0.1, test=0.2)
        >>> {name: part.class_counts.tolist() for name, part in parts.items()}
        {'train': [21, 9, 1], 'validation': [3, 1, 0], 'test': [6, 3, 0]}
    """
    return plan_splits(parts, validation=validation, test=test, seed=seed).apply(parts)


def plan_splits(parts: Parts, *, validation: float = 0.1, test: float = 0.2, seed: int = 0) -> SplitPlan:
    """Decide which training samples to hold out; arguments and errors as those of `make_splits`.

    Example:
        >>> from longtail.data import read_data
        >>> parts = read_data((np.zeros((14, 2)), np.repeat(["ant", "bee"], [10, 4])))
        >>> plan = plan_splits(parts, validation=0.25, test=0.25)
        >>> {name: len(own) for name, own in plan.held_out.items()}
        {'validation': 4, 'test': 4}
        >>> kept = SplitPlan.from_dict(plan.as_dict())  # as_dict gives plain values for JSON
        >>> len(kept.apply(parts).train)
        6
    """
    check_integer("seed", seed, minimum=0)
    shares = {"validation": validation, "test": test}
    for name, share in shares.items():
        if isinstance(share, bool) or not 0 <= share < 1:
            raise ValueError(f"`{name}` must be a share of the samples, in [0, 1). Got {share!r}.")
    shares = {name: share for name, share in shares.items() if share > 0 and getattr(parts, name) is None}
    if sum(shares.values()) >= 1:
        raise ValueError(f"`validation` and `test` must leave samples to train on. Got {validation!r} and {test!r}.")
    require_trainable(parts)
    random = np.random.default_rng(seed)
    choose = _by_class if parts.train.groups is None else _by_group
    place = choose(parts.train, np.array([1 - sum(shares.values()), *shares.values()]), random)
    names = _names(parts.train)
    held_out = {name: tuple(names[i] for i in np.flatnonzero(place == number)) for number, name in enumerate(shares, 1)}
    return SplitPlan(parts.fingerprint, seed, held_out)


def _names(samples: Samples) -> Any:
    """What a plan calls the samples."""
    files = samples.files
    return files if files is not None and len(set(files)) == len(files) else range(len(samples))


def _indices(samples: Samples, own: tuple[str, ...] | tuple[int, ...]) -> np.ndarray:
    place = {name: index for index, name in enumerate(_names(samples))}
    try:
        return np.array([place[name] for name in own], dtype=np.int64)
    except KeyError as error:
        raise ValueError(f"a split must hold out samples of the data. {error.args[0]!r} is none.") from None


def _by_class(samples: Samples, shares: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The part of each sample; every class gives the rounded shares of its samples, and keeps one."""
    place = np.zeros(len(samples), dtype=np.int64)
    order = np.argsort(samples.target, kind="stable")
    ends = np.cumsum(samples.class_counts)
    for start, end in zip(ends - samples.class_counts, ends, strict=True):
        own = random.permutation(order[start:end])
        begin = 0
        for part in range(len(shares) - 1, 0, -1):  # test before validation: without it nothing can be measured
            count = min(int(np.floor(shares[part] * len(own) + 0.5)), len(own) - 1 - begin)
            place[own[begin : begin + count]] = part
            begin += count
    return place


def _by_group(samples: Samples, shares: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The part of each sample, the same for all samples of a group."""
    assert samples.groups is not None
    names, group = np.unique(samples.groups.astype(str), return_inverse=True)
    table = _class_counts_of(group, samples.target, len(names))
    counts = samples.class_counts
    wanted = shares[:, None] * counts[None, :]
    held = np.zeros_like(wanted)
    part_of = np.zeros(len(names), dtype=np.int64)
    for own in _order(table, counts, random):
        classes, sizes = table[own]
        now, aim = held[:, classes], np.maximum(wanted[:, classes], 1e-12)
        cost = ((2 * (now - aim) + sizes) * sizes / aim).sum(axis=1)
        untrained = (now[0] == 0).any()
        part_of[own] = 0 if untrained else int(cost.argmin())
        held[part_of[own], classes] += sizes
    return part_of[group]


def _class_counts_of(group: np.ndarray, target: np.ndarray, groups: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The classes of each group, and how many samples it has of each."""
    pairs, counts = np.unique(np.stack([group, target]), axis=1, return_counts=True)
    starts = np.searchsorted(pairs[0], np.arange(groups + 1))
    return [(pairs[1, a:b], counts[a:b]) for a, b in pairwise(starts)]


def _order(table: list[tuple[np.ndarray, np.ndarray]], counts: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Groups of the rarest class first, within a class the largest first, equal ones as drawn."""
    rarest = np.array([counts[classes].min() for classes, _ in table])
    size = np.array([sizes.sum() for _, sizes in table])
    drawn = random.permutation(len(table))
    return drawn[np.lexsort((-size[drawn], rarest[drawn]))]


def _notes(parts: Parts, made: Mapping[str, Samples], seed: int) -> list[str]:
    if not made:
        return []
    total = len(parts.train) + sum(map(len, made.values()))
    by = "class" if parts.train.groups is None else "class, groups kept together"
    sizes = ", ".join(f"{name} {len(part):,}" for name, part in made.items())
    found = [f"Held out of {total:,} training samples by {by} (seed {seed}): {sizes}; {len(parts.train):,} are left."]
    for name, part in made.items():
        lacking = [parts.class_names[c] for c in np.flatnonzero(part.class_counts == 0)]
        if lacking:
            found.append(f"{counted(len(lacking), 'class has', 'classes have')} no {name} sample: {first(lacking)}.")
    return found
