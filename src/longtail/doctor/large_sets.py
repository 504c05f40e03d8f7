"""Findings about ImageNet-LT, Places-LT and iNaturalist 2018: are the lists official, and is every image whole."""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from longtail.data.check import SMALL, Progress, available_cores
from longtail.data.first_of_many import first
from longtail.data.images.decoding import BadImageError, upright
from longtail.data.large_sets import LARGE_SETS, missing_files, read_large_set
from longtail.data.samples import Samples
from longtail.doctor.findings import SEVERITIES, Finding
from longtail.doctor.tail import measuring_findings, tail_findings

AT_ONCE = 250
SHOWN = 3
Folder = str | os.PathLike[str]


def examine_large_set(
    name: str, data: Folder, *, root: Folder | None = None, workers: int | None = None, progress: Progress | None = None
) -> list[Finding]:
    """Check the lists of a data set, and decode every image that they name.

    Args:
        name: imagenet-lt, places-lt or inaturalist18.
        data: folder of the lists.
        root: folder of the images; by default that of the lists.
        workers: processes that decode; by default as many as there are cores.
        progress: called with the name of a step and its finished share, in [0, 1].

    Returns:
        The findings, serious ones first.

    Raises:
        FileNotFoundError: a folder or a list is missing, or no image is found in any known layout.
        ValueError: lists of another form, or whose classes can't be matched.

    Example:
        >>> examine_large_set("places-lt", "nowhere")
        Traceback (most recent call last):
        FileNotFoundError: `data` must be the folder of Places-LT. Got nowhere, which is no folder.
    """
    found = read_large_set(name, Path(data), root=None if root is None else Path(root))
    advice = f"Results on it are not comparable with published ones of {LARGE_SETS[name].title}."
    findings = [Finding("serious", problem.rstrip("."), "lists", advice) for problem in found.problems]
    findings += [Finding("fact", note.rstrip("."), "lists") for note in found.parts.notes]
    train = found.parts.train
    findings += tail_findings(train.class_counts, train.class_names, "train")
    for part, samples in found.parts.items():
        if part != "train":
            findings += measuring_findings(samples.class_counts, train.class_counts, train.class_names, part)
        findings += _file_findings(part, samples, workers or available_cores(), progress)
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def _file_findings(part: str, samples: Samples, workers: int, progress: Progress | None) -> list[Finding]:
    files, root = samples.files or (), samples.root or Path()
    missing = missing_files(root, files)
    present = np.setdiff1d(np.arange(len(files)), missing)
    damaged = damaged_files(root, [files[i] for i in present.tolist()], workers, progress, f"reading images of {part}")
    findings = []
    if len(missing):
        findings.append(
            Finding(
                "serious",
                f"{len(missing):,} of {len(files):,} files are missing",
                f"{part}: {first([files[i] for i in missing.tolist()], SHOWN)}",
                f"Are they below {root}? Else fetch them again, or train without them: --on-bad-file skip.",
            )
        )
    if damaged:
        named = [f"{file} ({reason})" for file, reason in damaged.items()]
        findings.append(
            Finding(
                "serious",
                f"{len(damaged):,} of {len(files):,} files are damaged or truncated",
                f"{part}: {first(named, SHOWN)}",
                "Fetch them again, or train without them: --on-bad-file skip.",
            )
        )
    whole = len(present) - len(damaged)
    return [*findings, Finding("fact", f"{whole:,} of {len(files):,} files are present and intact", part)]


def damaged_files(
    root: Path, files: Sequence[str], workers: int, progress: Progress | None = None, step: str = "reading images"
) -> dict[str, str]:
    """Files that can't be decoded to their end, and why.

    Args:
        root: folder of the files.
        files: relative to it.
        workers: processes that decode.
        progress: called with `step` and its finished share.
        step: what it is called with.
    """
    damaged: dict[str, str] = {}
    jobs = [(str(root), files[start : start + AT_ONCE]) for start in range(0, len(files), AT_ONCE)]
    with ProcessPoolExecutor(workers) as pool:
        for number, found in enumerate(pool.map(_damaged, jobs), 1):
            damaged |= found
            if progress is not None:
                progress(step, number / len(jobs))
    return damaged


def _damaged(job: tuple[str, Sequence[str]]) -> dict[str, str]:
    root, files = job
    reasons = ((file, _reason(Path(root, file))) for file in files)
    return {file: reason for file, reason in reasons if reason}


def _reason(path: Path) -> str:
    """Why a file can't be decoded; a JPEG is read to its end, at an eighth of its size."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            upright(path, SMALL)
    except FileNotFoundError:
        return "missing"
    except BadImageError as error:
        return error.reason
    return ""
