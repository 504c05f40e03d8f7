"""Prints of samples, by which copies are found: hashes of an image, its size, or why it can't be read."""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from longtail.data.check import Progress, available_cores
from longtail.data.images.decoding import BadImageError, upright
from longtail.data.samples import Samples

AT_ONCE = 500
Decode = Callable[[], Image.Image]
SMALL = 9


class Print(NamedTuple):
    """The print of a sample.

    Attributes:
        exact: hash of all pixels, or of a row of features.
        near: difference hash of 64 bits, which near copies nearly share.
        error: why the file could not be read, "missing" or a reason; empty otherwise.
        size: width and height in pixels.
        form: format of the file, as Pillow names it.
        small: grey picture of 9 x 9 bytes.
    """

    exact: bytes
    near: int
    error: str = ""
    size: tuple[int, int] = (0, 0)
    form: str = ""
    small: bytes = b""


def prints_of(samples: Samples, progress: Progress | None = None) -> list[Print] | None:
    """Prints of samples; `None` for labels alone and data set objects, whose inputs can't be compared."""
    if samples.files is not None:
        return prints_of_files(samples.paths, progress)
    if samples.encoded is not None:
        images = map(samples.encoded.file, range(len(samples)))
        return _prints_of([partial(upright, image) for image in images], progress)
    if samples.images is not None:
        return [print_of(Image.fromarray(image)) for image in samples.images]
    if samples.features is not None:
        return [Print(blake2b(row.tobytes(), digest_size=16).digest(), 0) for row in samples.features]
    return None


def print_of(image: Image.Image) -> Print:
    """The print of an image. The difference hash says for each of 8 x 8 steps to the right whether it gets brighter."""
    plain = image.convert("RGBA" if "transparency" in image.info else "RGB") if image.mode == "P" else image
    key = f"{plain.mode} {plain.size}".encode()
    exact = blake2b(plain.tobytes(), digest_size=16, key=key).digest()
    grey = _grey(plain)
    steps = np.asarray(grey.resize((9, 8), Image.Resampling.BOX), dtype=np.float64)
    bits = np.packbits(steps[:, 1:] > steps[:, :-1])
    small = np.asarray(grey.resize((SMALL, SMALL), Image.Resampling.BOX), dtype=np.float64)
    if grey.mode == "F":
        small = 255 * (small - small.min()) / max(float(np.ptp(small)), 1e-30)
    return Print(
        exact,
        int.from_bytes(bits.tobytes(), "big"),
        size=image.size,
        form=image.format or "",
        small=np.round(small).astype(np.uint8).tobytes(),
    )


def _grey(image: Image.Image) -> Image.Image:
    """The image with one channel; transparent pixels become white, 16 bits are not reduced to 8."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(np.asarray(image, dtype=np.float32))
    if image.mode in ("RGBA", "LA", "PA"):
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("L")
    return image.convert("L")


def prints_of_files(files: Sequence[Path], progress: Progress | None = None) -> list[Print]:
    """Prints of files, by as many processes as there are cores."""
    return _prints_of([partial(upright, path) for path in files], progress)


def _prints_of(images: Sequence[Decode], progress: Progress | None) -> list[Print]:
    parts = [images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE)]
    prints: list[Print] = []
    if len(parts) < 2:
        return _read_all(images)
    with ProcessPoolExecutor(available_cores()) as pool:
        for part in pool.map(_read_all, parts):
            prints += part
            if progress is not None:
                progress("reading images", len(prints) / len(images))
    return prints


def _read_all(images: Sequence[Decode]) -> list[Print]:
    return list(map(_read, images))


def _read(decode: Decode) -> Print:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return print_of(decode())
    except FileNotFoundError:
        return Print(b"", 0, "missing")
    except BadImageError as error:
        return Print(b"", 0, error.reason)
