"""Findings about image files: missing, corrupt, not listed, of many sizes, of another format than their suffix."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from longtail.data.counted import counted
from longtail.data.first_of_many import first
from longtail.data.images.folder import image_suffixes, pillow
from longtail.doctor.findings import Finding
from longtail.doctor.prints import Print

SHOWN = 3


def reading_findings(files: Sequence[str], prints: Sequence[Print], part: str) -> list[Finding]:
    """Listed files that are missing, and files that are corrupt or truncated."""
    found = []
    missing = [name for name, image in zip(files, prints, strict=True) if image.error == "missing"]
    if missing:
        found.append(
            Finding(
                "serious",
                f"{len(missing)} of {len(files)} listed files are missing",
                f"{part}: {first(missing, SHOWN)}",
                "Is --root right? Else fetch them, or drop their lines.",
            )
        )
    broken = [
        f"{name} ({image.error})"
        for name, image in zip(files, prints, strict=True)
        if image.error not in ("", "missing")
    ]
    if broken:
        found.append(
            Finding(
                "serious",
                f"{len(broken)} of {len(files)} images are corrupt or truncated",
                f"{part}: {first(broken, SHOWN)}",
                "Fetch them again, or train with --on-bad-file skip, which leaves them out.",
            )
        )
    return found


def size_findings(prints: Sequence[Print], part: str) -> list[Finding]:
    """Images of several sizes."""
    sizes = [image.size for image in prints if not image.error]
    if len(set(sizes)) < 2:
        return []
    shorter = np.array([min(size) for size in sizes])
    return [
        Finding(
            "fact",
            f"images of {len(set(sizes)):,} sizes: the shorter side is {shorter.min()} to {shorter.max()} pixels, "
            f"half of them have {np.median(shorter):.0f} or fewer",
            part,
        )
    ]


def suffix_findings(files: Sequence[Path], prints: Sequence[Print], part: str) -> list[Finding]:
    """Files of another format than their suffix; they can be decoded."""
    image_suffixes()  # Pillow then knows every format
    formats = pillow().registered_extensions() | {".mpo": "JPEG"}
    other = [
        f"{path} is {image.form}"
        for path, image in zip(files, prints, strict=True)
        if image.form and formats.get(path.suffix.lower(), image.form) != image.form.replace("MPO", "JPEG")
    ]
    if not other:
        return []
    what = f"{counted(len(other), 'file has', 'files have')} another image format than the suffix says"
    return [Finding("fact", what, f"{part}: {first(other, SHOWN)}")]


def unnamed_findings(files: Sequence[Path], root: Path) -> list[Finding]:
    """Images in the folders of listed files that are not listed."""
    folders = {path.parent for path in files if path.parent.is_dir()}
    there = {entry for folder in folders for entry in folder.iterdir() if entry.suffix.lower() in image_suffixes()}
    left = sorted(str(path.relative_to(root) if path.is_relative_to(root) else path) for path in there - set(files))
    if not left:
        return []
    return [
        Finding(
            "fact",
            f"{counted(len(left), 'image is', 'images are')} in the listed folders, but not in the list",
            f"{root}: {first(left, SHOWN)}",
        )
    ]
