"""Are the data fit to train on: all files present and intact, every class with a sample."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from longtail.arguments import check_choice
from longtail.data.ahead import results_ahead
from longtail.data.first_of_many import first
from longtail.data.samples import Parts, Samples
from longtail.data.tables.columns import UNUSED

SMALL = 8  # pixels: JPEG files are read to their end, but transformed at an eighth of their size
FILES_AT_ONCE = 500
"""Files that wait for a thread, a few times over: each takes 2 KB of memory until it has been read."""
SKIPPING = "leave them out with --on-bad-file skip"
Progress = Callable[[str, float], None]

_FOUND: dict[str, dict[int, str]] = {}
"""Bad files by the content of the part that this process has decoded: the runs of a comparison share their data."""
_OF_THE_FIRST: dict[str, dict[int, str]] = {}
"""The same from the first of several processes, which decodes for all that see the same files."""


def find_bad_files(paths: Sequence[Path], *, progress: Progress | None = None) -> dict[int, str]:
    """Decode every file, several at a time; the reason for each index that fails.

    Args:
        paths: of the images.
        progress: called with the name of the step and the completed share of it.

    Example:
        >>> find_bad_files([Path("nowhere.png")])
        {0: 'nowhere.png must be an image file. It is missing.'}
    """
    from longtail.data.images.decoding import upright

    return _find_bad(len(paths), lambda index, size: upright(paths[index], size), progress)


def find_bad_samples(samples: Samples, *, progress: Progress | None = None) -> dict[int, str]:
    """The same of samples that are files, or images as bytes."""
    if samples.encoded is not None:
        return _find_bad(len(samples), samples.encoded.decoded, progress)
    return find_bad_files(samples.paths, progress=progress)


def _find_bad(number: int, decode: Callable[[int, int], object], progress: Progress | None) -> dict[int, str]:
    bad: dict[int, str] = {}
    with ThreadPoolExecutor(available_cores()) as pool:
        starts = range(0, number, FILES_AT_ONCE)
        jobs = (
            [pool.submit(_reason, decode, index) for index in range(number)[start : start + FILES_AT_ONCE]]
            for start in starts
        )
        for start, reasons in zip(starts, results_ahead(jobs), strict=True):
            bad |= {index: reason for index, reason in enumerate(reasons, start) if reason}
            if progress is not None:
                progress("checking files", (start + len(reasons)) / number)
    return bad


def available_cores() -> int:
    """Processor cores for this process: those that it may use, divided among those of torchrun on this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def check_files(parts: Parts, *, on_bad_file: str = "fail", progress: Progress | None = None) -> Parts:
    """Decode all files, and images that a table holds as bytes, before any work starts.

    Args:
        parts: what `read_data` returned.
        on_bad_file: "fail" raises; "skip" leaves bad files out and notes it.
        progress: called with the name of the step and the completed share of it.

    Returns:
        The parts, without bad files.

    Raises:
        FileNotFoundError: files are missing, and `on_bad_file` is "fail".
        ValueError: files are damaged, likewise; no sample is left in a part.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> from longtail.data import read_data
        >>> root = Path(tempfile.mkdtemp())
        >>> for name in ("cat", "lynx"):
        ...     (root / name).mkdir()
        ...     Image.new("RGB", (8, 8)).save(root / name / "1.png")
        >>> _ = (root / "lynx" / "2.png").write_bytes(b"cut off")
        >>> parts = check_files(read_data(root), on_bad_file="skip")
        >>> parts.train.files, parts.notes
        (('cat/1.png', 'lynx/1.png'), ('train: 1 of 3 files are bad and left out: ...',))
    """
    notes = list(parts.notes)
    kept = {
        name: check_part(name, part, notes, on_bad_file=on_bad_file, progress=progress)
        for name, part in parts.given().items()
    }
    return replace(parts, notes=tuple(notes), **kept)


def check_part(
    name: str, part: Samples, notes: list[str], *, on_bad_file: str = "fail", progress: Progress | None = None
) -> Samples:
    """The same of one part; `notes` gets a note on what is left out."""
    check_choice("on_bad_file", on_bad_file, ["fail", "skip"])
    bad = _bad_files(part, progress) if part.files is not None or part.encoded is not None else {}
    if bad and on_bad_file == "fail":
        _refuse(name, part, bad)
    if bad:
        notes.append(f"{name}: {len(bad):,} of {len(part):,} {_what(part)} are bad and left out: {_listed(part, bad)}.")
        part = part.take(np.setdiff1d(np.arange(len(part)), list(bad)))
    if not len(part):
        why = f"None of {len(bad):,} can: {next(iter(bad.values()))}" if bad else "It holds none."
        raise ValueError(f"{name} must hold at least one image that can be decoded. {why}")
    return part


def found_bad() -> dict[str, list[tuple[int, str]]]:
    """What this process has found, as JSON can hold it: index and reason of each bad file, by the content of a part."""
    return {content: list(bad.items()) for content, bad in _FOUND.items()}


def take_over(found: Mapping[str, Sequence[tuple[int, str]]]) -> None:
    """Do not decode again what the first of several processes has decoded.

    Args:
        found: what `found_bad` gives there.
    """
    _OF_THE_FIRST.update({content: dict(bad) for content, bad in found.items()})


def require_trainable(parts: Parts) -> None:
    """Raise unless there are inputs, two classes or more, and of each a sample to train on.

    Raises:
        ValueError: names what is missing, and what to do.

    Example:
        >>> from longtail.data import read_data
        >>> require_trainable(read_data((np.zeros((3, 2)), ["cat", "cat", "cat"])))
        Traceback (most recent call last):
        ValueError: `data` must hold at least two classes. Got one: 'cat'.
    """
    train = parts.train
    if not len(train):
        raise ValueError("train must hold at least one sample. It holds none: are these the right files?")
    if train.kind == "labels":
        raise ValueError(
            "train must hold something to learn from. It holds labels alone: name the column of paths with "
            f"--path-column, or give numeric features.{''.join(f' {note}' for note in parts.notes if UNUSED in note)}"
        )
    if len(parts.class_names) < 2:
        raise ValueError(f"`data` must hold at least two classes. Got one: {parts.class_names[0]!r}.")
    empty = [parts.class_names[c] for c in np.flatnonzero(train.class_counts == 0)]
    if empty:
        raise ValueError(
            f"train must hold a sample of each class. {len(empty)} of {len(parts.class_names)} classes have none: "
            f"{first(empty)}. Add samples, or remove these classes from every part: delete their folders, or remove "
            "their names from the declared class names. Labels that are names need no declared names."
        )


def _bad_files(part: Samples, progress: Progress | None) -> dict[int, str]:
    """Files that were found whole, and that have not changed since, are not decoded again."""
    try:
        content = part.content
    except OSError:
        content = None  # a file is missing
    if content is None:
        return find_bad_samples(part, progress=progress)
    if content in _OF_THE_FIRST:
        return _OF_THE_FIRST[content]
    if content not in _FOUND or _FOUND[content]:  # what was bad may have been restored
        _FOUND[content] = find_bad_samples(part, progress=progress)
    return _FOUND[content]


def _reason(decode: Callable[[int, int], object], index: int) -> str:
    from longtail.data.images.decoding import BadImageError

    try:
        decode(index, SMALL)
    except (FileNotFoundError, BadImageError) as error:
        return str(error)
    return ""


def _refuse(name: str, part: Samples, bad: dict[int, str]) -> None:
    missing = [index for index, reason in bad.items() if reason.endswith("It is missing.")]
    if missing:
        why = f"Is --root right (paths are relative to {part.root})?" if part.files is not None else "Restore the file."
        raise FileNotFoundError(
            f"{len(missing):,} of {len(part):,} {_what(part)} of {name} are missing: {_listed(part, missing)}. {why} "
            f"Or {SKIPPING}."
        )
    raise ValueError(
        f"{len(bad):,} of {len(part):,} {_what(part)} of {name} can't be decoded: {_listed(part, bad)}. "
        f"{next(iter(bad.values()))} Replace them, or {SKIPPING}."
    )


def _what(part: Samples) -> str:
    return "files" if part.encoded is None else "images"


def _listed(part: Samples, indices: Sequence[int] | dict[int, str]) -> str:
    return first([part.name(index) for index in indices])
