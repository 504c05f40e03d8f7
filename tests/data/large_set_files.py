"""ImageNet-LT, Places-LT and iNaturalist 2018 without their photographs: official lists, and tiny JPEG files for them.

`write_full_lists` and `link_images` make a data set of its true size; the content of its images does not matter, so
that a few files are hard-linked to all names. `write_tiny` makes one of three classes whose images differ.
"""

import dataclasses
import hashlib
import json
import os
import shutil

import numpy as np
from PIL import Image

from longtail.data.large_sets import LARGE_SETS, ListFacts
from longtail.data.large_sets.list_file import counts_hash

COUNTS = {"imagenet-lt": "ImageNet_LT.json", "places-lt": "Places_LT.json", "inaturalist18": "iNaturalist18.json"}
MADE = {"imagenet-lt": "train", "inaturalist18": "train"}
"""Training lists that are not among the real data: they are made from the official counts."""
LINKED = 32  # a file system allows 65,000 links to a file
TINY_COUNTS = {"train": (24, 12, 6), "validation": (4, 4, 4), "test": (6, 6, 6)}
FOLDERS = {
    "imagenet-lt": {"train": "train/n0000000{}", "validation": "train/n0000000{}", "test": "val/n0000000{}"},
    "places-lt": {"train": "train/arena/{}", "validation": "train/arena/{}", "test": "val/arena/{}"},
    "inaturalist18": {"train": "train_val2018/Aves/{}", "test": "train_val2018/Aves/{}"},
}


def write_full_lists(name, lists, out):
    """The official lists of a data set in `out`: copies of those in `lists`, or made from the class counts there."""
    out.mkdir(parents=True, exist_ok=True)
    for part, facts in LARGE_SETS[name].lists.items():
        source = lists / facts.names[0]
        if source.exists():
            shutil.copy(source, out)
        else:
            lines = _made_lines(name, lists)
            (out / facts.names[0]).write_text("".join(f"{line}\n" for line in lines))
            assert part == MADE[name]
    return out


def _made_lines(name, lists):
    """As many images of each class as the official list has, in a random order, with file names of the usual length."""
    with_folders = lists / LARGE_SETS[name].lists["validation" if name == "imagenet-lt" else "test"].names[0]
    folders = {}
    for line in with_folders.read_text().splitlines():
        path, label = line.split()
        folders[int(label)] = path.rpartition("/")[0]
    lines = []
    for label, count in enumerate(json.loads((lists / COUNTS[name]).read_text())):
        folder = folders[label]
        for index in range(count):
            if name == "imagenet-lt":
                file = (
                    f"{folder.rpartition('/')[2]}_{100_000 + index}.JPEG"  # beyond the numbers of the validation list
                )
            else:
                file = f"{hashlib.md5(f'{label} {index}'.encode()).hexdigest()}.jpg"
            lines.append(f"{folder}/{file} {label}")
    return [lines[i] for i in np.random.default_rng(0).permutation(len(lines))]


def link_images(lists, out, *, size=(32, 24), make=None):
    """A JPEG file for each line of the lists: hard links to a few that `make` writes (`noise`). Returns the number."""
    originals = [(make or noise)(out / "originals" / f"{number}.jpg", number, size) for number in range(LINKED)]
    made, folders = 0, set()
    for path in sorted(lists.glob("*.txt")):
        for number, line in enumerate(path.read_text().splitlines()):
            file = out / line.rpartition(" ")[0]
            if file.parent not in folders:
                file.parent.mkdir(parents=True, exist_ok=True)
                folders.add(file.parent)
            os.link(originals[number % LINKED], file)
            made += 1
    return made


def noise(path, seed, size):
    """A JPEG file of coloured noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def photograph(path, seed, size):
    """A JPEG file as large as that of a photograph: smooth colours with a little noise, quality 90."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    detail = random.normal(0, 6, (size[1], size[0], 3))
    pixels = np.clip(np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)) + detail, 0, 255)
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=90)
    return path


def write_tiny(name, folder):
    """Lists and images of a data set of three classes, each of its own colour, and the facts that it is known by."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for part, known in LARGE_SETS[name].lists.items():
        lines = []
        for label, count in enumerate(TINY_COUNTS[part]):
            for index in range(count):
                path = f"{FOLDERS[name][part].format(label)}/{part}_{index}.jpg"
                lines.append(f"{path} {label}\n")
                _coloured(folder / path, label, random)
        (folder / known.names[0]).write_text("".join(lines))
    return tiny_facts(name, folder)


def tiny_facts(name, folder):
    """The facts of a data set that `write_tiny` has written."""
    facts = {}
    for part, known in LARGE_SETS[name].lists.items():
        content, counts = (folder / known.names[0]).read_bytes(), np.array(TINY_COUNTS[part])
        checksum = None if known.checksum is None else hashlib.sha256(content).hexdigest()
        facts[part] = ListFacts(known.names, int(counts.sum()), counts_hash(counts), checksum, known.json)
    return dataclasses.replace(LARGE_SETS[name], classes=3, lists=facts)


def _coloured(path, label, random):
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = np.roll((200, 40, 40), label)
    pixels = np.clip(colour + random.normal(0, 40, (24, 28, 3)), 0, 255)
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=90)


def write_annotations(name, folder):
    """COCO's format in the place of the lists of a data set."""
    for facts in LARGE_SETS[name].lists.values():
        lines = [line.split() for line in (folder / facts.names[0]).read_text().splitlines()]
        images = [{"id": 10 + i, "file_name": path, "license": 1, "width": 8} for i, (path, _) in enumerate(lines)]
        labels = [{"id": 7 + i, "image_id": 10 + i, "category_id": int(label)} for i, (_, label) in enumerate(lines)]
        categories = [{"id": number, "name": str(number), "supercategory": "Aves"} for number in range(3)]
        content = {"info": {"year": 2018}, "images": images, "annotations": labels[::-1], "categories": categories}
        (folder / facts.json).write_text(json.dumps(content))
        (folder / facts.names[0]).unlink()
