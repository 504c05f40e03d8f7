"""What is known of the three data sets: sizes and checksums of the official lists, and where the images may lie.

ImageNet-LT and Places-LT: Liu et al., "Large-Scale Long-Tailed Recognition in an Open World", CVPR 2019. iNaturalist
2018: Van Horn et al., CVPR 2018; its validation images, whose labels are public, are the test set of the field.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

PREFIXES = ("", "ILSVRC/Data/CLS-LOC/", "Data/CLS-LOC/", "ILSVRC2012/", "imagenet/", "ImageNet/")
PLACES_PREFIXES = ("", "places365_standard/", "places365/", "Places365/")


@dataclass(frozen=True)
class ListFacts:
    """An official list of images and labels.

    Attributes:
        names: of the file; others are recognised by their content.
        images: number of lines.
        counts: hash of the number of images of each class (`counts_hash`), classes in their official order.
        checksum: SHA-256 of the file with Unix line ends; `None` if it is not known.
        json: name of an annotation file in COCO's format that holds the same.
    """

    names: tuple[str, ...]
    images: int
    counts: str
    checksum: str | None = None
    json: str | None = None


@dataclass(frozen=True)
class LargeSet:
    """A data set whose images are files named in official lists.

    Attributes:
        title: its usual name.
        classes: C.
        lists: the facts of its parts: train, test and, where there is one, validation.
        class_of: the class that a folder of a list names; `None` for a folder that names none.
        order: key that sorts the class names as the official labels do.
        layouts: for each kind of folder (`kind_of`) the folders in which the images of a class may lie. `{name}` is the
            class, `{joined}` the class with hyphens for slashes, `{letter}` its first letter.
        kind_of: the kind of folder that a path of a list starts with.
        source: where the lists come from.
    """

    title: str
    classes: int
    lists: Mapping[str, ListFacts]
    class_of: Callable[[str], str | None]
    layouts: Mapping[str, tuple[str, ...]]
    source: str
    order: Callable[[str], Any] = str
    kind_of: Callable[[str], str] = field(default=lambda path: "val" if path.startswith("val") else "train")


def _wordnet_id(folder: str) -> str | None:
    name = folder.rpartition("/")[2]
    return name if re.fullmatch(r"n\d{8}", name) else None


def _scene(folder: str) -> str | None:
    """`train/arena/hockey`, `train/arena-hockey` and `data_256/a/arena/hockey` are one class."""
    name = re.sub(r"^(?:train|val|data_(?:256|large)(?:_standard)?/[a-z])(?:/|$)", "", folder)
    return name.replace("-", "/") if name and name != folder else None


def _species(folder: str) -> str | None:
    name = "/".join(folder.split("/")[-2:])
    return name if re.fullmatch(r"[A-Za-z]+/\d+", name) else None


def _with_prefixes(prefixes: tuple[str, ...], folders: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(prefix + folder for prefix in prefixes for folder in folders)


_OLTR = "the repository of Liu et al., CVPR 2019 (OpenLongTailRecognition-OLTR)"

LARGE_SETS: dict[str, LargeSet] = {
    "imagenet-lt": LargeSet(
        title="ImageNet-LT",
        classes=1000,
        lists={
            "train": ListFacts(("ImageNet_LT_train.txt",), 115_846, "93782c2e7eda453a"),
            "validation": ListFacts(
                ("ImageNet_LT_val.txt",),
                20_000,
                "165fb5b9b2e26d2a",
                "9af7ba688acf9532ff5845a8fb14a1e97fdc4c51ac48bc72c08ea9c3f7ff142e",
            ),
            "test": ListFacts(
                ("ImageNet_LT_test.txt",),
                50_000,
                "75e7e6d3e00229b2",
                "d1590191cf8a71fada7b1aaedaa2d139a2aea93ff2f1b755319d0bd8dbaa55d5",
            ),
        },
        class_of=_wordnet_id,
        layouts={
            "train": _with_prefixes(PREFIXES, ("train/{name}", "ILSVRC2012_img_train/{name}")),
            "val": _with_prefixes(PREFIXES, ("val/{name}", "val", "ILSVRC2012_img_val/{name}", "ILSVRC2012_img_val")),
        },
        source=_OLTR,
    ),
    "places-lt": LargeSet(
        title="Places-LT",
        classes=365,
        lists={
            "train": ListFacts(
                ("Places_LT_train.txt",),
                62_500,
                "50c3529becbfdca5",
                "981eb2a3aca124826ee016df1d75fa42d9fd72ada3b5b723c402d0593593790e",
            ),
            "validation": ListFacts(
                ("Places_LT_val.txt",),
                7_300,
                "92ad553f476dafea",
                "c27e5d755960932fca355e7d644e455474a9d02340b6ad28aafbcb7b7cb7ab71",
            ),
            "test": ListFacts(
                ("Places_LT_test.txt",),
                36_500,
                "2455ae5ed002554b",
                "44eee8441c8098c59195465abede425721bc35525d75209f9433b161a6eb37bc",
            ),
        },
        class_of=_scene,
        order=lambda name: name.replace("/", "_"),
        layouts={
            "train": _with_prefixes(
                PLACES_PREFIXES,
                (
                    "train/{name}",
                    "train/{joined}",
                    "data_256/{letter}/{name}",
                    "data_256_standard/{letter}/{name}",
                    "data_large/{letter}/{name}",
                    "data_large_standard/{letter}/{name}",
                ),
            ),
            "val": _with_prefixes(
                PLACES_PREFIXES, ("val/{name}", "val/{joined}", "val", "val_256", "val_large", "val_256/{name}")
            ),
        },
        source=_OLTR,
    ),
    "inaturalist18": LargeSet(
        title="iNaturalist 2018",
        classes=8142,
        lists={
            "train": ListFacts(("iNaturalist18_train.txt",), 437_513, "15490ddfe172c58c", json="train2018.json"),
            "test": ListFacts(
                ("iNaturalist18_val.txt",),
                24_426,
                "205a2b634c7c242a",
                "efaeff65f80641b60864470e6f255aa69453406ef5717eec8c6681748f3a61f3",
                json="val2018.json",
            ),
        },
        class_of=_species,
        order=lambda name: int(name.rpartition("/")[2]),
        layouts={"train": ("train_val2018/{name}", "{name}", "inat2018/train_val2018/{name}")},
        kind_of=lambda _: "train",
        source="the annotations of the competition (train2018.json, val2018.json)",
    ),
}
"""The data sets by the names of their sources and recipes."""
