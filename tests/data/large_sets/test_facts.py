"""The facts that are known of the official lists, checked on those lists that are among the real data."""

import json

import numpy as np
import pytest

from data.large_set_files import COUNTS, write_full_lists
from longtail.data.large_sets import LARGE_SETS
from longtail.data.large_sets.classes import classes_of, notes_on, official_order, problems_of
from longtail.data.large_sets.list_file import counts_hash, read_list_file
from longtail.metrics.groups import FEW_BELOW, MANY_ABOVE

SIZES = {"imagenet-lt": (1280, 5, 385, 136), "places-lt": (4980, 5, 131, 71), "inaturalist18": (1000, 2, 842, 3224)}


@pytest.mark.parametrize("name", LARGE_SETS)
@pytest.mark.slow
def test_the_official_lists_are_recognised(name, real_data, tmp_path):
    known = LARGE_SETS[name]
    counts = np.array(json.loads((real_data / "lists" / COUNTS[name]).read_text()))
    many, few = int((counts > MANY_ABOVE).sum()), int((counts < FEW_BELOW).sum())
    assert (counts.max(), counts.min(), many, few) == SIZES[name]
    assert counts_hash(counts) == known.lists["train"].counts
    write_full_lists(name, real_data / "lists", tmp_path)
    own = {part: classes_of(known, read_list_file(tmp_path / facts.names[0])) for part, facts in known.lists.items()}
    order = official_order(known, own["train"])
    assert len(order) == known.classes
    for part, listed in own.items():
        assert problems_of(known, part, listed, order) == []
        assert notes_on(known, part, listed, order) == []  # official numbers and, where it is known, checksum
        assert listed.codes(order).tolist() == listed.listed.labels.tolist()


@pytest.mark.parametrize(
    ("name", "folder", "expected"),
    [
        ("imagenet-lt", "train/n01440764", "n01440764"),
        ("imagenet-lt", "ILSVRC/Data/CLS-LOC/train/n01440764", "n01440764"),
        ("imagenet-lt", "val", None),
        ("places-lt", "train/arena/hockey", "arena/hockey"),
        ("places-lt", "train/arena-hockey", "arena/hockey"),
        ("places-lt", "data_256/a/arena/hockey", "arena/hockey"),
        ("places-lt", "train/valley", "valley"),
        ("places-lt", "val", None),
        ("places-lt", "val_256", None),
        ("inaturalist18", "train_val2018/Aves/3178", "Aves/3178"),
        ("inaturalist18", "train_val2018", None),
    ],
)
def test_the_class_of_a_folder(name, folder, expected):
    assert LARGE_SETS[name].class_of(folder) == expected
