"""Data on which `longtail fix` is measured: texts, tables, features of photographs, and published predictions.

Seed 0 is the official split where there is one. Every other seed draws a split of the same sizes.
"""

import csv
import gzip
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits, make_classification
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split

from fix_splits import Case, Samples, case_of, drawn_by_group, official_or_drawn
from longtail.data import long_tailed_indices
from longtail.repair.inputs import as_log_probabilities

DIGITS, MADE_UP, TREC, BANKING = "digits", "synthetic", "TREC", "BANKING77"
HWU, EMOTIONS, SHUTTLE, FISH = "HWU64", "GoEmotions", "Shuttle", "fish features"
SEEDS = {TREC: 5, BANKING: 5, HWU: 5, EMOTIONS: 3, SHUTTLE: 5, FISH: 10, DIGITS: 10, MADE_UP: 5}
HALVINGS = 20


class Content(NamedTuple):
    """All samples of a data set. In the official split, the last ones are the test set, or a held-out and a test set.

    Attributes:
        items: texts, or features (N, D).
        labels: N names.
        sizes: of the parts after the training set.
        min_df: of TF-IDF: words and pairs of words that occur in fewer texts are left out.
    """

    items: Any
    labels: Any
    sizes: tuple[int, ...]
    min_df: int = 1


def trec(folder: Path) -> Content:
    parts = [
        [line.split(" ", 1) for line in (folder / name).read_text(encoding="latin-1").splitlines()]
        for name in ("trec_train_5500.label", "trec_test_500.label")
    ]
    labels, texts = zip(*parts[0], *parts[1], strict=True)
    return Content(texts, labels, (len(parts[1]),))


def banking(folder: Path) -> Content:
    return texts_of([folder / "banking77_train.csv", folder / "banking77_test.csv"], "category")


def hwu(folder: Path) -> Content:
    return texts_of([folder / f"hwu64/{part}.csv.gz" for part in ("train", "test")])


def emotions(folder: Path) -> Content:
    parts = [folder / f"goemotions/{part}.csv.gz" for part in ("train", "val", "test")]
    return texts_of(parts)._replace(min_df=2)


def shuttle(folder: Path) -> Content:
    parts = [rows_of(folder / f"shuttle/{part}.csv.gz") for part in ("train", "test")]
    rows = parts[0] + parts[1]
    features = np.array([[float(row[f"x{place}"]) for place in range(9)] for row in rows])
    return Content(features, [row["label"] for row in rows], (len(parts[1]),))


def texts_of(paths: list[Path], label: str = "label") -> Content:
    """The training file first."""
    parts = [rows_of(path) for path in paths]
    rows = [row for part in parts for row in part]
    return Content([row["text"] for row in rows], [row[label] for row in rows], tuple(map(len, parts[1:])))


def rows_of(path: Path) -> list[dict[str, str]]:
    read = gzip.open if path.suffix == ".gz" else open
    with read(path, "rt", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def split(read: Callable[[Path], Content], folder: Path, seed: int) -> Case:
    content = read(folder)
    target = np.unique(content.labels, return_inverse=True)[1]
    parts = official_or_drawn(target, content.sizes, seed)
    return case_of(features_of(content, parts), target, parts)


def features_of(content: Content, parts: list[np.ndarray]) -> list[Any]:
    """Of each part; TF-IDF of words and pairs of words is fitted on the first."""
    if isinstance(content.items, np.ndarray):
        return [content.items[part] for part in parts]
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=content.min_df)
    texts = [[content.items[i] for i in part] for part in parts]
    return [vectors.fit_transform(texts[0]), *map(vectors.transform, texts[1:])]


def fish(path: Path, seed: int) -> Case:
    """Features of photographs; those of one trajectory are not independent."""
    with np.load(path) as arrays:
        features, labels, groups = arrays["features"], arrays["labels"], arrays["groups"]
    target = np.unique(labels, return_inverse=True)[1]
    parts = drawn_by_group(target, groups, seed)
    return case_of([features[part] for part in parts], target, parts, groups)


def digits(seed: int) -> Case:
    """8 × 8 pixels as a table of 64 numbers; half of each class is the test set, the other half gets a long tail."""
    pixels, labels = load_digits(return_X_y=True)
    train, test, target, truth = train_test_split(pixels, labels, test_size=0.5, stratify=labels, random_state=seed)
    kept = long_tailed_indices(target, 20, seed=seed)
    return Case(Samples(train[kept], target[kept]), Samples(test, truth))


def synthetic(seed: int) -> Case:
    """20 classes of made-up features, their frequencies from 1 to 1 / 50; the test set has the same tail."""
    prior = 0.02 ** (np.arange(20) / 19)
    features, labels = make_classification(
        12_000, 20, n_informative=12, n_classes=20, n_clusters_per_class=1, weights=list(prior / prior.sum()),
        class_sep=1.0, flip_y=0.0, random_state=seed,
    )  # fmt: skip
    train, test, target, truth = train_test_split(features, labels, test_size=0.5, stratify=labels, random_state=seed)
    return Case(Samples(train, target), Samples(test, truth))


def splits_of(text: Path | None, tables: Path | None, features: Path | None) -> dict[str, Callable[[int], Case]]:
    """The split by seed of each data set that is given, and of those that scikit-learn has or makes."""
    found: dict[str, Callable[[int], Case]] = {}
    if text:
        read = {TREC: trec, BANKING: banking, HWU: hwu, EMOTIONS: emotions}
        found |= {name: partial(split, own, text) for name, own in read.items()}
    if tables:
        found[SHUTTLE] = partial(split, shuttle, tables)
    if features:
        found[FISH] = partial(fish, features)
    return found | {DIGITS: digits, MADE_UP: synthetic}


def published(folder: Path) -> Iterator[tuple[str, Samples]]:
    """The predictions of each file, by its name; of probabilities the logarithms."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as arrays:
            if "logits" in arrays:
                yield path.stem, Samples(arrays["logits"], arrays["target"])
            else:
                yield path.stem, Samples(as_log_probabilities(arrays["probabilities"])[0], arrays["target"])
