"""Official lists: a path and a number on each line, half a million of them, read in one pass."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from longtail.regular_file import check_regular


@dataclass(frozen=True, eq=False)
class ListedFiles:
    """Paths and labels as a list has them.

    Attributes:
        path: of the list.
        files: (N,) paths as they are written.
        labels: (N,) int64.
        checksum: SHA-256 of the list with Unix line ends; empty for annotations, whose paths and labels count.
        named: format of an entry's name in messages, filled with its number from 1.
    """

    path: Path
    files: list[str]
    labels: np.ndarray
    checksum: str = ""
    named: str = "line {:,}"

    def entry(self, index: int) -> str:
        """The name of an entry in messages."""
        return self.named.format(index + 1)


def read_list_file(path: Path) -> ListedFiles:
    """Read a list of `relative/path.jpg label` lines.

    Raises:
        ValueError: another form; names the first such line.
    """
    check_regular(path)
    content = path.read_bytes().replace(b"\r\n", b"\n")
    checksum = hashlib.sha256(content).hexdigest()
    try:
        words = content.decode().split()
        labels = np.array(words[1::2], dtype=np.int64)
    except ValueError:
        labels = np.zeros(0, dtype=np.int64)
    if not len(labels) or len(labels) != content.count(b"\n") + (not content.endswith(b"\n")) or labels.min() < 0:
        raise ValueError(_first_bad_line(path, content))
    return ListedFiles(path, words[::2], labels, checksum)


def counts_hash(counts: np.ndarray) -> str:
    """Hash of the number of images of each class.

    Example:
        >>> counts_hash(np.array([3, 2])) == counts_hash(np.array([2, 3]))
        False
    """
    return hashlib.sha256(",".join(map(str, counts.tolist())).encode()).hexdigest()[:16]


def _first_bad_line(path: Path, content: bytes) -> str:
    rule = f"{path} must hold `relative/path.jpg label` on each line, labels from 0."
    for number, line in enumerate(content.decode(errors="replace").split("\n"), 1):
        words = line.split()
        if len(words) != 2 or not words[1].isascii() or not words[1].isdigit():
            return f"{rule} Line {number} is {line[:80]!r}. Fetch the official list again."
    return f"{rule} It has no line. Fetch the official list again."
