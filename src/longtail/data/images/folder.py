"""Image files below a folder: linked folders once, hidden and system files left out."""

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from longtail.data.counted import counted
from longtail.data.first_of_many import first

SYSTEM_FOLDERS = frozenset({"__macosx", "__pycache__", "@eadir", "$recycle.bin", "lost+found"})
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})
# Formats that Pillow lists but opens only with other programs, or never decodes.
NOT_DECODED = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})


@cache
def image_suffixes() -> frozenset[str]:
    """Lower-case suffixes of the image formats that Pillow decodes."""
    pil = pillow()
    pil.init()
    known = pil.registered_extensions().items()
    return frozenset(suffix for suffix, kind in known if kind in pil.OPEN and kind not in NOT_DECODED)


def pillow() -> Any:
    """The module `PIL.Image`.

    Raises:
        ModuleNotFoundError: it is missing; says how to install it.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise ModuleNotFoundError("Image files are read by Pillow: install longtail with its extra `data`") from None
    return Image


def left_out(name: str) -> bool:
    """Whether a file or folder is hidden or made by an operating system or a notebook."""
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS | SYSTEM_FILES


@dataclass
class Walk:
    """Collects image files; each real folder is read once, however many links lead to it.

    Attributes:
        hidden: files and folders that are hidden or made by the system.
        others: files of no image suffix.
        repeated: links to folders that are read elsewhere, or that contain the link.
    """

    hidden: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def class_folders(self, root: Path) -> list[str]:
        """Names of the folders in `root`, sorted."""
        names = []
        for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
            if left_out(entry.name):
                self.hidden.append(entry.name)
            elif entry.is_dir():
                names.append(entry.name)
            else:
                self.others.append(entry.name)
        return names

    def images(self, root: Path, names: list[str]) -> dict[str, list[str]]:
        """Image files below each of these folders, as sorted paths relative to `root`.

        Real folders come before links, so that a class keeps its own files where a link leads to it.
        """
        found: dict[str, list[str]] = {name: [] for name in names}
        queue = deque((name, name) for name in names if not (root / name).is_symlink())
        links = deque((name, name) for name in names if (root / name).is_symlink())
        while queue or links:
            name, folder = queue.popleft() if queue else links.popleft()
            if not self._first_visit(root / folder):
                self.repeated.append(folder)
                continue
            for entry in self._entries(root / folder):
                path = f"{folder}/{entry.name}"
                if left_out(entry.name):
                    self.hidden.append(path)
                elif entry.is_dir():
                    (links if entry.is_symlink() else queue).append((name, path))
                elif _is_image(entry):
                    found[name].append(path)
                else:
                    self.others.append(path)
        return {name: sorted(files) for name, files in found.items()}

    def _first_visit(self, folder: Path) -> bool:
        status = folder.stat()
        identity = (status.st_dev, status.st_ino)
        new = identity not in self._seen
        self._seen.add(identity)
        return new

    def _entries(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        with os.scandir(folder) as entries:
            yield from sorted(entries, key=lambda entry: entry.name)

    def notes(self, root: Path) -> list[str]:
        """What was left out, in sentences."""
        kinds = (
            (
                self.hidden,
                "hidden or system file or folder is left out",
                "hidden or system files and folders are left out",
            ),
            (
                self.others,
                "file that is not an image of a class is left out",
                "files that are not images of a class are left out",
            ),
            (
                self.repeated,
                "link leads to a folder that is already read, and is not followed",
                "links lead to folders that are already read, and are not followed",
            ),
        )
        return [f"{root}: {counted(len(names), one, many)}: {first(names)}." for names, one, many in kinds if names]


def _is_image(entry: os.DirEntry[str]) -> bool:
    suffix = Path(entry.name).suffix.lower()
    return suffix in image_suffixes() or (not suffix and entry.is_file() and _opens(entry.path))


def _opens(path: str) -> bool:
    """Files without a suffix are known by their content."""
    try:
        with pillow().open(path) as image:
            return bool(image.format not in NOT_DECODED)
    except Exception:  # readers of broken files raise anything
        return False
