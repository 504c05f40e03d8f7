"""Findings about the parts of a data set of any kind."""

from pathlib import Path

import numpy as np

from longtail.data import Parts, Samples
from longtail.data.check import Progress
from longtail.doctor.copies import duplicate_findings, shared_findings
from longtail.doctor.findings import Finding
from longtail.doctor.image_files import reading_findings, size_findings, suffix_findings, unnamed_findings
from longtail.doctor.prints import Print, prints_of
from longtail.doctor.rotations import rotated_findings
from longtail.doctor.shared_groups import shared_group_findings
from longtail.doctor.tail import measuring_findings, tail_findings


def part_findings(parts: Parts, *, listed: bool = False, progress: Progress | None = None) -> list[Finding]:
    """Findings about parts to train and evaluate on.

    Args:
        parts: what `read_data` returned.
        listed: whether files come from a list or table; then images in their folders that it omits are a finding.
        progress: called with the name of a step and its finished share, in [0, 1].
    """
    train, names = parts.train, parts.class_names
    notes = [Finding("fact", note.rstrip("."), "reading") for note in parts.notes]
    if not len(train):
        nothing = "Is the path right? Class folders must hold images."
        return [Finding("serious", "there is no sample", "train", nothing), *notes]
    counts = train.class_counts
    found = tail_findings(*_classes_of_training(parts), "train")
    for name, part in parts.items():
        if name != "train":
            found += measuring_findings(part.class_counts, counts, names, name)
            found += shared_group_findings(train, part, name)
    found += _copy_findings(parts, progress)
    if listed and train.files is not None:
        files = [path for _, part in parts.items() for path in part.paths]
        found += unnamed_findings(files, train.root or Path())
    return found + notes


def _classes_of_training(parts: Parts) -> tuple[np.ndarray, tuple[str, ...]]:
    """Counts and names of the classes without those that only other parts have, which are a finding there."""
    declared = set(parts.train.declared or parts.class_names)
    indices = [c for c, name in enumerate(parts.class_names) if name in declared]
    return parts.train.class_counts[indices], tuple(parts.class_names[c] for c in indices)


def _copy_findings(parts: Parts, progress: Progress | None) -> list[Finding]:
    found: list[Finding] = []
    prints: dict[str, list[Print]] = {}
    for name, part in parts.items():
        part_prints = prints_of(part, progress)
        if part_prints is None:
            continue
        prints[name] = part_prints
        if part.files is not None or part.kind == "items":
            found += _file_findings(part, part_prints, name)
        if name == "train":
            found += duplicate_findings(part_prints, part, name)
        if part.kind != "features" and "train" in prints:
            found += rotated_findings(prints["train"], part_prints, ("train", name), (parts.train, part))
        if name != "train" and "train" in prints:
            found += shared_findings(prints["train"], part_prints, ("train", name), (parts.train, part))
    return found


def _file_findings(part: Samples, prints: list[Print], name: str) -> list[Finding]:
    names = [part.name(index) for index in range(len(part))]
    found = [*reading_findings(names, prints, name), *size_findings(prints, name)]
    return found if part.files is None else [*found, *suffix_findings(part.paths, prints, name)]
