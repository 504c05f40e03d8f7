"""The fish photographs in the lists and folders of ImageNet-LT or Places-LT, so that their recipes train on them."""

import dataclasses
import os
from collections import defaultdict

import numpy as np

from longtail.data.large_sets import LARGE_SETS, ListFacts
from longtail.data.large_sets.list_file import counts_hash

FOLDERS = {"imagenet-lt": "{part}/n{label:08d}", "places-lt": "{part}/fish/{label:02d}"}
SOURCES = {"train": "train.txt", "validation": "val.txt", "test": "test.txt"}
OF_EACH_CLASS = 3  # as many test photographs as the rarest class has: the official test sets are balanced too


def write_fish(name, fish, images, out, *, most=None):
    """Lists and hard links to the photographs.

    Args:
        name: imagenet-lt or places-lt.
        fish: folder of the fish's own lists.
        images: folder of their class folders.
        out: a new folder.
        most: training photographs of a class, the first of the list; all by default.

    Returns:
        The facts that `LARGE_SETS` must hold for this folder.
    """
    out.mkdir(parents=True)
    known, lists = LARGE_SETS[name], {}
    for part, facts in known.lists.items():
        kept = _kept(fish / SOURCES[part], OF_EACH_CLASS if part == "test" else most)
        lines = []
        for file, label in kept:
            top = "val" if part == "test" else "train"
            path = f"{FOLDERS[name].format(part=top, label=label)}/{part}_{file.rpartition('/')[2]}"
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            os.link(images / file, out / path)
            lines.append(f"{path} {label}\n")
        (out / facts.names[0]).write_text("".join(lines))
        counts = np.bincount([label for _, label in kept])
        lists[part] = ListFacts(facts.names, len(kept), counts_hash(counts))
    return dataclasses.replace(known, classes=len(counts), lists=lists)


def _kept(path, most):
    taken: defaultdict[str, int] = defaultdict(int)
    kept = []
    for line in path.read_text().splitlines():
        file, label = line.rsplit(" ", 1)
        if most is None or taken[label] < most:
            taken[label] += 1
            kept.append((file, int(label)))
    return kept
