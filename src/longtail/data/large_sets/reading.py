"""A data set read from its lists: parts with one order of classes, and what differs from the official data set."""

from dataclasses import dataclass
from pathlib import Path

from longtail.arguments import check_choice
from longtail.data.large_sets.classes import classes_of, notes_on, official_order, problems_of
from longtail.data.large_sets.facts import LARGE_SETS
from longtail.data.large_sets.layouts import located
from longtail.data.large_sets.lookup import find_lists
from longtail.data.raw_part import RawPart, of_one_order
from longtail.data.samples import Parts


@dataclass(frozen=True, eq=False)
class LargeSetFiles:
    """The lists of a data set, read.

    Attributes:
        parts: files below the folder of images, classes in their official order.
        problems: for each list that is not the official one, what differs.
    """

    parts: Parts
    problems: tuple[str, ...] = ()


def read_large_set(name: str, data: Path, *, root: Path | None = None) -> LargeSetFiles:
    """Read the official lists of a data set, and find its images, which are not opened.

    Args:
        name: a key of `LARGE_SETS`.
        data: folder of the lists.
        root: folder of the images; by default that of the lists.

    Raises:
        FileNotFoundError: a folder or a list is missing, or no image is found in any known layout.
        ValueError: lists of another form, or whose classes can't be matched.
    """
    check_choice("name", name, list(LARGE_SETS))
    dataset, root = LARGE_SETS[name], data if root is None else root
    for argument, folder in (("data", data), ("root", root)):
        if not folder.is_dir():
            raise FileNotFoundError(
                f"`{argument}` must be the folder of {dataset.title}. Got {folder}, which is no folder."
            )
    lists = {part: classes_of(dataset, listed) for part, listed in find_lists(dataset, data).items()}
    order = official_order(dataset, lists["train"])
    problems = [problem for part, classes in lists.items() for problem in problems_of(dataset, part, classes, order)]
    notes, raw = [], {}
    for part, classes in lists.items():
        if set(classes.names) <= set(order):
            notes += notes_on(dataset, part, classes, order)
            raw[part] = RawPart(
                classes.codes(order), order, declared=True, files=located(dataset, classes, root), root=root
            )
    return LargeSetFiles(of_one_order(raw, notes), tuple(problems))
