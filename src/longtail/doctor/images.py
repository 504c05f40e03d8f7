"""Image files that can't be read, and images that stand in two parts."""

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from longtail.doctor.findings import Finding, some

AT_ONCE = 500
NEAR_BITS = 2
BANDS = 4
FLAT_BITS = 6  # a plain image has nearly no bright or dark step: its hash says nothing
ENOUGH_TO_RUIN = 0.01
Look = Callable[[str, float], None]


class Print(NamedTuple):
    """What is kept of an image: a hash of its pixels, and one that near copies nearly share; or why it is not read."""

    exact: bytes
    near: int
    error: str = ""


def print_of(image: Image.Image) -> Print:
    """Of one image: of all pixels, and whether each of 8 x 8 steps to the right gets brighter (difference hash)."""
    plain = image.convert("RGBA" if "transparency" in image.info else "RGB") if image.mode == "P" else image
    key = f"{plain.mode} {plain.size}".encode()
    exact = blake2b(plain.tobytes(), digest_size=16, key=key).digest()
    small = np.asarray(_grey(plain).resize((9, 8), Image.Resampling.BOX), dtype=np.float64)
    bits = np.packbits(small[:, 1:] > small[:, :-1])
    return Print(exact, int.from_bytes(bits.tobytes(), "big"))


def _grey(image: Image.Image) -> Image.Image:
    """One channel that a difference hash can be taken of: transparent pixels are white, 16 bits stay what they are."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(np.asarray(image, dtype=np.float32))
    if image.mode in ("RGBA", "LA", "PA"):
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("L")
    return image.convert("L")


def prints_of_files(files: Sequence[Path], look: Look | None = None) -> list[Print]:
    """Of files, by as many processes as there are cores."""
    parts = [files[start : start + AT_ONCE] for start in range(0, len(files), AT_ONCE)]
    prints: list[Print] = []
    if len(parts) < 2:
        return _prints(files)
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for part in pool.map(_prints, parts):
            prints += part
            if look is not None:
                look("reading images", len(prints) / len(files))
    return prints


def _prints(files: Sequence[Path]) -> list[Print]:
    return [_read(path) for path in files]


def _read(path: Path) -> Print:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.load()
                return print_of(image)
    except FileNotFoundError:
        return Print(b"", 0, "missing")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        return Print(b"", 0, " ".join(str(error).split()) or type(error).__name__)


def prints_of_arrays(images: np.ndarray) -> list[Print]:
    """Of (N, channels, side, side) uint8."""
    return [print_of(Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, 2))) for image in images]


def reading_findings(files: Sequence[Path], prints: Sequence[Print], part: str) -> list[Finding]:
    """Files that a list names and that are not there, and files that are no whole images."""
    found = []
    missing = [str(path) for path, own in zip(files, prints, strict=True) if own.error == "missing"]
    if missing:
        found.append(
            Finding(
                "serious",
                f"{len(missing)} of {len(files)} files that are named are not there",
                f"{part}: {some(missing, 3)}",
                "Is --root right? Else fetch them, or drop their lines.",
            )
        )
    broken = [
        f"{path} ({own.error})" for path, own in zip(files, prints, strict=True) if own.error not in ("", "missing")
    ]
    if broken:
        found.append(
            Finding(
                "serious",
                f"{len(broken)} of {len(files)} files are no whole images",
                f"{part}: {some(broken, 3)}",
                "Fetch them again, or leave them out: training stops at the first.",
            )
        )
    return found


def unnamed_findings(files: Sequence[Path], root: Path, part: str) -> list[Finding]:
    """Images in the folders of a list that it does not name."""
    folders = {path.parent for path in files if path.parent.is_dir()}
    there = {
        entry for folder in folders for entry in folder.iterdir() if entry.suffix.lower() in (".jpg", ".jpeg", ".png")
    }
    left = sorted(str(path.relative_to(root) if path.is_relative_to(root) else path) for path in there - set(files))
    if not left:
        return []
    return [Finding("fact", f"{len(left)} images lie beside those that are named", f"{part}: {some(left, 3)}")]


def shared_findings(
    one: Sequence[Print],
    other: Sequence[Print],
    names: tuple[str, str],
    targets: tuple[np.ndarray, np.ndarray],
    files: tuple[Sequence[Path] | None, Sequence[Path] | None] = (None, None),
) -> list[Finding]:
    """Images of the second part that stand in the first, exactly or nearly; told by their files, or their places."""

    def place(part: int, index: int) -> str:
        own = files[part]
        return f"{names[part]} {index}" if own is None else str(own[index])

    first = {own.exact: index for index, own in enumerate(one) if not own.error}
    exact = [(first[own.exact], index) for index, own in enumerate(other) if not own.error and own.exact in first]
    copies = {index for _, index in exact}
    near = [pair for pair in near_pairs([p.near for p in one], [p.near for p in other]) if pair[1] not in copies]
    near = [(a, b) for a, b in near if not one[a].error and not other[b].error]
    found = []
    for kind, pairs in (("the same image", exact), ("nearly the same image (perceptual hash)", near)):
        if not pairs:
            continue
        held = len({index for _, index in pairs})
        clash = sum(targets[0][a] != targets[1][b] for a, b in pairs)
        ruins = kind == "the same image" and held >= ENOUGH_TO_RUIN * len(other)
        found.append(
            Finding(
                "serious" if ruins else "warning",
                f"{held} of {len(other)} images ({100 * held / len(other):.2f} %) stand as {kind} in {names[0]} too; "
                f"{clash} with another label",
                some([f"{place(1, b)} = {place(0, a)}" for a, b in pairs], 3),
                f"Take them out of {names[0]}: a test image that was trained on measures memory.",
            )
        )
    return found


def near_pairs(one: Sequence[int], other: Sequence[int]) -> list[tuple[int, int]]:
    """Places whose hashes differ in at most 2 of 64 bits, one partner each; two such hashes share one of 4 bands."""
    bands: list[dict[int, list[int]]] = [{} for _ in range(BANDS)]
    for place, own in enumerate(one):
        if _says_something(own):
            for number, band in enumerate(_bands(own)):
                bands[number].setdefault(band, []).append(place)
    pairs = []
    for place, own in enumerate(other):
        if not _says_something(own):
            continue
        partners = (a for number, band in enumerate(_bands(own)) for a in bands[number].get(band, ()))
        partner = next((a for a in partners if (one[a] ^ own).bit_count() <= NEAR_BITS), None)
        if partner is not None:
            pairs.append((partner, place))
    return pairs


def _bands(value: int) -> list[int]:
    return [value >> (16 * number) & 0xFFFF for number in range(BANDS)]


def _says_something(value: int) -> bool:
    return FLAT_BITS <= value.bit_count() <= 64 - FLAT_BITS
