"""The images that a command is given: by name, in folders, or in lists."""

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from longtail.cli.console import say
from longtail.regular_file import check_regular

WITH_LABEL = re.compile(r"(.*\.\w+)[ \t,;]+.+")


def image_files(files: Sequence[Path], *, missing_allowed: bool = False) -> list[Path]:
    """Images that are named, that lie in folders that are named, or that lists name; patterns of any of these.

    Parquet and tar files stand for the images that they hold.

    Args:
        files: images, Parquet and tar files, folders of any of these, and lists of paths (.txt), which are relative to
            the folder of the list or begin with ~/; or patterns such as photos/*.jpg, whose matches are sorted.
        missing_allowed: whether lists may name files that are missing.

    Raises:
        FileNotFoundError: a name that is neither file nor folder, a pattern without a match, a missing file in a
            list, of Parquet and tar files also with `missing_allowed`.
        ValueError: no image among them, another table, a list with labels, a pipe or a device, a folder in a list, or a
            folder that lacks some of its Parquet or tar files.
    """
    from longtail.data.check import SKIPPING
    from longtail.data.counted import counted
    from longtail.data.first_of_many import first
    from longtail.data.packed_images import is_packed

    found = [image for path in files for match in matches(path) for image in _of(match)]
    missing = [path for path in found if not path.is_file()]
    for path in missing:
        check_regular(path)
    _refuse_labels(missing)
    if missing and not missing_allowed:
        raise FileNotFoundError(
            f"`files` must exist. {counted(len(missing), 'listed file is', 'listed files are')} missing, such as "
            f"{missing[0]}. Correct the list, or {SKIPPING}."
        )
    if packed := [str(path) for path in missing if is_packed(path)]:
        raise FileNotFoundError(
            f"`files` must exist. Listed files of images are missing: {first(packed)}. Correct the list: --on-bad-file "
            "skip leaves out images alone."
        )
    if not found:
        raise ValueError(
            f"`files` must name at least one image. Got {first(list(map(str, files)))}, which "
            f"{'holds' if len(files) == 1 else 'hold'} none."
        )
    return found


def matches(path: Path) -> list[Path]:
    """The paths that match a pattern, sorted; any other path itself.

    Raises:
        FileNotFoundError: no path matches the pattern.
    """
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207, it may be absolute
    if not found:
        raise FileNotFoundError(f"`files` must match files. Got {path}.")
    return list(map(Path, found))


def _of(path: Path) -> list[Path]:
    from longtail.data.images.folder import Walk
    from longtail.data.list_source import LISTS, from_home
    from longtail.data.packed_images import is_packed
    from longtail.data.tables.file import TABLES
    from longtail.data.text_file import kind_of

    if path.is_dir():
        whole = path.resolve()
        files_below = Walk().images(whole.parent, [whole.name])[whole.name]
        return _below(path, [path / Path(file).relative_to(whole.name) for file in files_below])
    if not path.is_file():
        check_regular(path)
        raise FileNotFoundError(
            f"`files` must be images, Parquet or tar files, folders or lists of paths (.txt). Got {path}, which is "
            "missing."
        )
    if path.suffix.lower() in LISTS:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        return [path.parent / line for line in from_home(lines, str(path), [])]
    if kind_of(path) in TABLES and not is_packed(path):
        raise ValueError(
            f"`files` must be images, Parquet or tar files, folders or lists of paths (.txt). Got the table {path}. "
            "Write its paths to a text file, one per line."
        )
    return [path]


def _refuse_labels(missing: Sequence[Path]) -> None:
    """Raise if a missing file is one that exists with a label behind its path, as lists to train on have it."""
    for path in missing:
        found = WITH_LABEL.fullmatch(str(path))
        if found and Path(found[1]).is_file():
            raise ValueError(
                f"`files` must hold paths alone, one per line, in lists. Got {str(path)!r}, the path {found[1]} and a "
                "label. Leave out the labels, or score the list: longtail evaluate RUN --data LIST."
            )


def _below(folder: Path, images: list[Path]) -> list[Path]:
    """The images of a folder, or else its Parquet or tar files, which beside images are about these."""
    from longtail.data.packed_images import packed_at

    if not images:
        return packed_at(folder)
    try:
        beside = bool(packed_at(folder))
    except ValueError:  # these are no data set, but they are not read
        beside = True
    if beside:
        say(
            f"{folder} holds images: its Parquet or tar files are left out. Name them to predict what they hold.",
            error=True,
        )
    return images
