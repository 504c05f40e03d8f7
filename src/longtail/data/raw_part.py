"""What every reader returns for a part: labels by their own names; and how parts come to one order of classes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from longtail.data.class_names import INTEGER, as_text, ordered, refuse_distinct
from longtail.data.counted import counted
from longtail.data.features.rows import FeatureRows
from longtail.data.samples import Parts, Samples, values_of_rows
from longtail.data.shared_files import note_shared_files
from longtail.data.tables.vector_columns import refuse_longer

PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(eq=False)
class RawPart:
    """One part as read: labels are indices into the names that this part has.

    Attributes:
        codes: (N,) int64.
        names: of its classes, also of those without a sample where the source declares them.
        declared: whether the source gives the order of the names.
        labels_from: the column or array that was taken for labels and may be another; `None` where it is certain.
    """

    codes: np.ndarray
    names: tuple[str, ...]
    declared: bool = False
    files: tuple[str, ...] | None = None
    root: Path | None = None
    images: np.ndarray | None = None
    features: np.ndarray | FeatureRows | None = None
    feature_names: tuple[str, ...] | None = None
    items: Any = None
    groups: np.ndarray | None = None
    labels_from: str | None = None

    def declare(self, names: tuple[str, ...], where: str, notes: list[str], *, indices: bool = True) -> None:
        """Take the names that the source declares, if the labels are these or, with `indices`, their places."""
        if not names:
            return
        of_places = [as_text(name) or name for name in names]  # as labels are read
        names = tuple(dict.fromkeys(of_places))
        if indices and all(INTEGER.fullmatch(name) and 0 <= int(name) < len(of_places) for name in self.names):
            places = [names.index(of_places[int(name)]) for name in self.names]
        elif set(self.names) <= set(names):
            places = [names.index(name) for name in self.names]
        else:
            notes.append(f"{where} names {len(names)} classes, but has other labels: the labels are kept as names.")
            return
        self.codes = np.array(places, dtype=np.int64)[self.codes]
        self.names, self.declared = names, True


def rows_of(part: RawPart, rows: np.ndarray) -> RawPart:
    """The samples (n,) of a part of files, arrays or features, as a part of the same classes."""
    return replace(part, codes=part.codes[rows], **values_of_rows(part, rows))


def of_one_order(raw: Mapping[str, RawPart], notes: list[str], known: Collection[str] = ()) -> Parts:
    """Match the classes of all parts by name.

    Args:
        raw: the parts.
        notes: gets a note on files that parts share.
        known: names of classes; labels among which one is are no identifiers, even if they all differ.

    Raises:
        ValueError: no training part, parts of different kinds, training labels that all differ, or no class in common.
    """
    train = raw["train"]
    # A test part may have one sample of each class.
    if train.labels_from is not None and not set(train.names) & set(known):
        refuse_distinct(train.codes, train.labels_from)
    for name, part in raw.items():
        if len(part.codes) and len(train.codes) and not set(part.names) & set(train.names):
            raise ValueError(
                f"the classes of {name} must be those of train. Not one is: {', '.join(part.names[:3])} beside "
                f"{', '.join(train.names[:3])}."
            )
    every = {name for part in raw.values() for name in part.names}
    names = (*train.names, *ordered(every - set(train.names))) if train.declared else ordered(every)
    for name, part in raw.items():
        _match_features(name, part, train)
    parts = {name: _samples(part, names) for name, part in raw.items()}
    for name, samples in parts.items():
        if samples.kind != parts["train"].kind and "labels" not in (samples.kind, parts["train"].kind):
            raise ValueError(f"{name} must hold {parts['train'].kind}, as train does. Got {samples.kind}.")
    note_shared_files(parts, notes)
    return Parts(parts["train"], parts.get("validation"), parts.get("test"), tuple(notes))


def _samples(part: RawPart, names: tuple[str, ...]) -> Samples:
    place = {name: index for index, name in enumerate(names)}
    order = np.array([place[name] for name in part.names], dtype=np.int64)
    target = order[part.codes] if len(part.codes) else part.codes
    return Samples(
        target,
        names,
        files=part.files,
        root=part.root,
        images=part.images,
        features=part.features,
        feature_names=part.feature_names,
        items=part.items,
        groups=part.groups,
        declared=part.names,
    )


def _match_features(name: str, part: RawPart, train: RawPart) -> None:
    """Columns by name where both parts name them; else there must be as many."""
    if part.features is None or train.features is None:
        return
    if part.feature_names is not None and train.feature_names is not None and part.feature_names != train.feature_names:
        missing = [column for column in train.feature_names if column not in part.feature_names]
        if missing:
            raise ValueError(f"{name} must have the features of train. It lacks {', '.join(missing[:5])}.")
        refuse_longer(part.feature_names, train.feature_names, name)
        part.features = np.asarray(part.features)[
            :, [part.feature_names.index(column) for column in train.feature_names]
        ]
        part.feature_names = train.feature_names
    if part.features.shape[1] != train.features.shape[1]:
        raise ValueError(
            f"{name} must hold {counted(train.features.shape[1], 'feature', 'features')}, as train does. "
            f"Got {part.features.shape[1]}."
        )
