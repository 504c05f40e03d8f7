import json
from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from longtail.data import class_counts, labels_of

LABELS = [2, 0, 0, 3, 2, 2]


class Folder(Dataset):
    """Like torchvision's data sets: labels in `targets`, names in `classes`."""

    targets: Sequence[int] = LABELS
    classes: Sequence[str] = ("a", "b", "c", "d", "e")

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        raise AssertionError("images must not be read to count labels")


class Pairs(Dataset):
    """Labels only in the items."""

    def __init__(self, wrap=int):
        self.wrap = wrap

    def __len__(self):
        return len(LABELS)

    def __getitem__(self, index):
        return torch.zeros(3), self.wrap(LABELS[index])


class Stream(IterableDataset):
    """No length, no index; items as lists."""

    def __iter__(self):
        return ([torch.zeros(3), label] for label in LABELS)


class Records(Pairs):
    """Items by name."""

    def __getitem__(self, index):
        return {"image": torch.zeros(3), "label": LABELS[index]}


class Relabelled(Folder):
    """Raw labels one too high, and a transform that mends them."""

    targets = tuple(label + 1 for label in LABELS)
    classes = ()

    def target_transform(self, label):
        return label - 1


class Table:
    """Like a Hugging Face data set: columns by name."""

    column_names = ("image", "label")
    features: dict[str, Any]

    def __getitem__(self, name):
        return {"label": LABELS}[name]


@pytest.mark.parametrize(
    "source",
    [
        LABELS,
        tuple(LABELS),
        np.array(LABELS, dtype=np.uint8),
        torch.tensor(LABELS),
        pd.Series(LABELS, index=range(10, 16)),
        Pairs(),
        Pairs(torch.tensor),
        Table(),
        TensorDataset(torch.zeros(6, 2), torch.tensor(LABELS)),
        ConcatDataset([Pairs()]),
        DataLoader(Pairs(), batch_size=4),
        Stream(),
        Records(),
        Relabelled(),
        Subset(Pairs(), range(6)),
        (label for label in LABELS),
    ],
    ids=lambda source: type(source).__name__,
)
def test_anything_that_has_labels(source):
    counts = class_counts(source)
    assert counts.dtype == torch.int64
    assert counts.tolist() == [2, 0, 3, 1]


def test_declared_classes_count_even_if_empty():
    assert class_counts(Folder()).tolist() == [2, 0, 3, 1, 0]
    assert class_counts(Subset(Folder(), [1, 2])).tolist() == [2, 0, 0, 0, 0]
    assert class_counts(ConcatDataset([Subset(Folder(), [0, 1]), Folder()])).tolist() == [3, 0, 4, 1, 0]
    assert class_counts(Subset(Subset(Folder(), range(6)), torch.arange(6))).tolist() == [2, 0, 3, 1, 0]
    assert class_counts(DataLoader(Folder())).tolist() == [2, 0, 3, 1, 0]
    named = Table()
    named.features = {"label": SimpleNamespace(num_classes=7)}
    assert len(class_counts(named)) == 7
    assert class_counts(LABELS, num_classes=6).tolist() == [2, 0, 3, 1, 0, 0]
    np.testing.assert_array_equal(labels_of(Subset(Folder(), [3, 1])), [3, 0])


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ([], ValueError, "at least one sample"),
        (["cat", "dog"], TypeError, r"integer labels. Got <U3, such as .*cat.*np\.unique"),
        ([0.0, 1.0], TypeError, "integer labels. Got float64"),
        ([0, -3, 1], ValueError, "labels of at least 0. Got -3 at index 1"),
        (
            np.eye(3, dtype=int),
            ValueError,
            r"one label per sample, \(N,\) or \(N, 1\). Got the shape \(3, 3\). One-hot",
        ),
        (7, TypeError, "Got int, which has none"),
        (np.ma.masked_equal(LABELS, 3), TypeError, "`source` must have no masked values"),
        (Counter(LABELS), TypeError, "not be a mapping. Got Counter with keys 2, 0, 3"),
    ],
)
def test_what_has_no_labels_is_refused(source, error, message):
    with pytest.raises(error, match=message):
        class_counts(source)


def test_a_label_beyond_the_classes_is_refused():
    with pytest.raises(ValueError, match=r"labels in \[0, 3\). Got 3 at index 3. Is `num_classes` right\?"):
        class_counts(LABELS, num_classes=3)


def test_official_list_files_have_their_published_counts(real_data):
    lines = (real_data / "lists/Places_LT_train.txt").read_text().splitlines()
    counts = class_counts([int(line.rsplit(" ", 1)[1]) for line in lines])
    assert counts.sum() == 62_500
    assert [counts.max().item(), counts.min().item()] == [4980, 5]
    groups = counts > 100, (counts >= 20) & (counts <= 100), counts < 20
    assert [group.sum().item() for group in groups] == [131, 163, 71]
    assert counts.tolist() == json.loads((real_data / "lists/Places_LT.json").read_text())


def test_a_natural_long_tail(real_data):
    counts = class_counts(np.load(real_data / "plankton/ndsb48.npz")["y"])
    assert counts.sum() == 30_336
    assert len(counts) == 121
    assert [counts.max().item(), counts.min().item()] == [1979, 9]


def test_a_part_of_a_data_set_reads_only_its_own_items():
    class Counting(Pairs):
        read = 0

        def __getitem__(self, index):
            self.read += 1
            return super().__getitem__(index)

    source = Counting()
    assert class_counts(Subset(source, [0, 5])).tolist() == [0, 0, 2]
    assert source.read == 2
