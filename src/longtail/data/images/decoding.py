"""Image files as RGB: whatever Pillow decodes, as a viewer would show it."""

import errno
import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from longtail.data.images.image_bytes import ImageBytes
from longtail.data.images.jpeg_crop import BY_PYTORCH, resize_part, stored_pixels

RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
Box = tuple[int, int, int, int]
ImageFile = str | os.PathLike[str] | ImageBytes
"""The path of an image file, or the bytes of one."""
ORIENTATION = 0x0112
TRANSPOSED = 5  # from this orientation on, width and height change places
LONGEST = 32  # an image of 1 × 10,000 pixels must not become one of 224 × 2,240,000
REDUCING_GAP = 3.0  # a large image is first reduced by a whole factor, which is fast and hardly to be seen
OF_THE_MACHINE = (
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    *(errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH),
)
"""Errors of memory, open files and network storage, that say nothing of the file: it is not left out as a bad one."""
IN_MEMORY = re.compile(r" <_io\.BytesIO object at \w+>")  # what Pillow calls bytes
LEAST_REDUCTION = 2  # a JPEG can be decoded at a half, a quarter or an eighth of its size
OVERSAMPLING = 2  # a JPEG is decoded at twice the wanted size or more, so that what remains is a smooth reduction


class BadImageError(ValueError):
    """An image file that is damaged, of an unknown format or too large; the message names it.

    Attributes:
        reason: the message without the name of the file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "broken.jpg"
        >>> _ = path.write_bytes(b"not an image")
        >>> try:
        ...     decode(path)
        ... except BadImageError as error:
        ...     print(error.reason)
        cannot identify image file '...broken.jpg'
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def decode(path: ImageFile, size: int | None = None, interpolation: str = "bicubic") -> np.ndarray:
    """Decode an image file to RGB, as a viewer would show it.

    EXIF rotation is applied, transparency is put on white, 16 bits and floats are scaled to 8, and an animation
    gives its first frame. A JPEG that is to be reduced is decoded at a reduced size to begin with.

    Args:
        path: of the file, or its bytes.
        size: shorter side of the result in pixels, the aspect ratio kept up to 32 : 1; `None` leaves the size as it is.
        interpolation: of resizing: "nearest", "bilinear", "bicubic" or "lanczos".

    Returns:
        (H, W, 3) uint8.

    Raises:
        FileNotFoundError: no such file.
        BadImageError: damaged, no image, or more pixels than `PIL.Image.MAX_IMAGE_PIXELS` allows twice (179 million).
        OSError: memory or open files ran out, or the network storage of the file does not answer.
        ValueError: `size` below 1.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "clear.png"
        >>> Image.new("RGBA", (40, 20), (0, 0, 0, 0)).save(path)
        >>> decode(path).shape, decode(path, size=10).shape, decode(path)[0, 0].tolist()
        ((20, 40, 3), (10, 20, 3), [255, 255, 255])
    """
    if size is not None and size < 1:
        raise ValueError(f"`size` must be at least 1 pixel. Got {size}.")
    return resized(upright(path, size), size, interpolation)


def as_image(source: Any) -> Image.Image:
    """An image in memory: Pillow's, an array (H, W[, channels]) uint8, or a tensor (channels, H, W).

    Args:
        source: of bytes, or of floats in [0, 1].

    Raises:
        TypeError, ValueError: something else.
    """
    if isinstance(source, Image.Image):
        return source
    if isinstance(source, (bytes, bytearray, Mapping)):
        raise TypeError(
            f"an image must be decoded. Got {type(source).__name__}: let the data set decode it, as by "
            "PIL.Image.open(io.BytesIO(content)), or pass a pandas table, whose images may be bytes."
        )
    values = np.asarray(source)
    if values.dtype.kind == "f" and values.size and values.min() >= 0 and values.max() <= 1:
        values = np.round(values * 255).astype(np.uint8)
    if values.dtype != np.uint8:
        scale = f" from {values.min():g} to {values.max():g}" if values.size and values.dtype.kind in "iuf" else ""
        raise TypeError(
            f"an image must be uint8, or floats in [0, 1], and not be normalised. Got {values.dtype}{scale}."
        )
    if values.ndim == 3 and not isinstance(source, np.ndarray):  # a tensor has its channels first
        values = values.transpose(1, 2, 0)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        raise ValueError(f"an image must have the shape (H, W) or (H, W, 1, 3 or 4). Got {values.shape}.")
    return Image.fromarray(values)


def resized(image: Image.Image, size: int | None, interpolation: str = "bicubic") -> np.ndarray:
    """(H, W, 3) uint8, the shorter side brought to `size` pixels."""
    rgb = as_rgb(image)
    if size is not None and min(rgb.size) != size:
        scale = size / min(rgb.size)
        width, height = (min(max(size, round(side * scale)), LONGEST * size) for side in rgb.size)
        rgb = rgb.resize((width, height), RESAMPLING[interpolation], reducing_gap=REDUCING_GAP)
    return np.array(rgb)


def upright(path: ImageFile, size: int | None = None) -> Image.Image:
    """Decode an image with its EXIF rotation applied, in its own mode; errors as those of `decode`."""
    with _errors_that_name(path), Image.open(_file(path)) as image:
        form = image.format
        if size is not None:
            image.draft(None, (OVERSAMPLING * size, OVERSAMPLING * size))
        turned = _turned(image)
        turned.load()
        turned.format = form
        return turned


def _file(path: ImageFile) -> str | os.PathLike[str] | io.BytesIO:
    """What Pillow opens."""
    return io.BytesIO(path.read()) if isinstance(path, ImageBytes) else path


def decode_crop(
    path: ImageFile, choose: Callable[[int, int], Box], size: int, interpolation: str = "bicubic"
) -> Image.Image:
    """Decode a part of an image file and resize it to a square; a JPEG is decoded no larger than the part needs.

    Args:
        path: of the file, or its bytes.
        choose: from width and height of the whole image, as a viewer shows it, to the part: left, top, width, height.
        size: width and height of the result in pixels.
        interpolation: as in `decode`.

    Returns:
        An image in the mode RGB; errors as those of `decode`.
    """
    with _errors_that_name(path), Image.open(_file(path)) as image:
        whole = image.size[::-1] if _orientation(image) >= TRANSPOSED else image.size
        box = choose(*whole)
        reduction = min(box[2:]) / size
        if reduction < LEAST_REDUCTION and _is_plain_jpeg(image) and interpolation in BY_PYTORCH:
            return resize_part(stored_pixels(image, path), box, size, interpolation)
        if reduction > 1:
            image.draft(None, (int(image.width / reduction), int(image.height / reduction)))
        turned = _turned(image)
        turned.load()
    return _resized_part(turned, box, (turned.width / whole[0], turned.height / whole[1]), size, interpolation)


def resize_crop(
    image: Image.Image, choose: Callable[[int, int], Box], size: int, interpolation: str = "bicubic"
) -> Image.Image:
    """The same of an image in memory."""
    return _resized_part(image, choose(*image.size), (1.0, 1.0), size, interpolation)


def _resized_part(
    image: Image.Image, box: Box, scale: tuple[float, float], size: int, interpolation: str
) -> Image.Image:
    left, top, width, height = box
    edges = (left * scale[0], top * scale[1], (left + width) * scale[0], (top + height) * scale[1])
    return as_rgb(image).resize((size, size), RESAMPLING[interpolation], box=edges, reducing_gap=REDUCING_GAP)


@contextmanager
def _errors_that_name(path: ImageFile) -> Iterator[None]:
    """Whatever goes wrong in reading a file becomes one of the errors of `decode`."""
    if not isinstance(path, ImageBytes) and _is_no_file(path):  # reading a pipe waits for ever
        reason = "it is a folder, a pipe or a device"
        raise BadImageError(f"{path} must be a whole image file. It can't be decoded: {reason}.", reason)
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} must be an image file. It is missing.") from None
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise BadImageError(
            f"{path} must have at most {limit / 1e6:.0f} million pixels. It has more: reduce it, or raise "
            "PIL.Image.MAX_IMAGE_PIXELS if you trust it.",
            f"more than {limit / 1e6:.0f} million pixels",
        ) from None
    except Warning:  # where warnings are errors, Pillow's are not those of damaged pixels
        raise
    except MemoryError as error:
        advice = "memory ran out while this image was decoded; use fewer --workers, or reduce it"
        raise OSError(errno.ENOMEM, advice, str(path)) from error
    except Exception as error:  # Pillow's readers raise whatever damaged bytes provoke
        if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
            raise OSError(error.errno, error.strerror, str(path)) from error  # one of reading names no file
        said = IN_MEMORY.sub("", " ".join(str(error).split())).rstrip(".")
        reason = "it is empty" if _is_empty(path) else said or type(error).__name__
        raise BadImageError(f"{path} must be a whole image file. It can't be decoded: {reason}.", reason) from error


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged metadata do not make a damaged image
        return 1


def _turned(image: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(image) if _orientation(image) != 1 else image


def _is_plain_jpeg(image: Image.Image) -> bool:
    """Whether the stored pixels are those that a viewer shows."""
    return image.format == "JPEG" and image.mode == "RGB" and _orientation(image) == 1


def _is_no_file(path: str | os.PathLike[str]) -> bool:
    return not os.path.isfile(path) and os.path.exists(path)  # noqa: PTH110, PTH113 - this is called for every image


def _is_empty(path: ImageFile) -> bool:
    try:
        return not isinstance(path, ImageBytes) and Path(path).stat().st_size == 0
    except OSError:
        return False


def as_rgb(image: Image.Image) -> Image.Image:
    """Any mode of Pillow as RGB; transparent pixels become white."""
    if image.mode.startswith(("I", "F")):
        return _from_numbers(np.asarray(image)).convert("RGB")
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        if image.mode == "La":
            image = image.convert("LA")
        colours = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")  # which would copy it


def _from_numbers(values: np.ndarray) -> Image.Image:
    """Grey values of more than 8 bits: 16-bit integers by their range, others by the smallest usual range."""
    numbers = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    low, high = float(numbers.min()), float(numbers.max())
    whole = values.dtype.kind in "iu"
    ranges = (65535.0,) if whole else (1.0, 255.0, 65535.0)
    limit = next((limit for limit in ranges if low >= 0 and high <= limit), None)
    if limit is None:  # no usual range: from the smallest to the largest value
        numbers, limit = numbers - low, max(high - low, 1e-30)
    return Image.fromarray(np.round(numbers * (255 / limit)).astype(np.uint8))
