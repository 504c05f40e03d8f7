import errno
import io
import zlib

import numpy as np
import pytest
from PIL import Image

from data.pictures import save
from longtail.data import BadImageError, decode
from longtail.data.check import find_bad_files
from longtail.data.images.decoding import as_image

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (12, 16, 3), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (12, 16), dtype=np.uint8)


def keep(path, image, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp", ".tiff", ".ppm", ".TGA"])
def test_lossless_colours_are_what_was_saved(tmp_path, suffix):
    options = {"lossless": True} if suffix == ".webp" else {}
    found = decode(keep(tmp_path / f"a{suffix}", Image.fromarray(PIXELS), **options))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, PIXELS)


def test_grey_is_repeated_for_each_channel(tmp_path):
    found = decode(keep(tmp_path / "a.png", Image.fromarray(GREY)))
    np.testing.assert_array_equal(found, np.repeat(GREY[..., None], 3, axis=2))
    bits = decode(keep(tmp_path / "b.png", Image.fromarray(GREY > 127)))
    np.testing.assert_array_equal(bits[..., 0], np.where(GREY > 127, 255, 0))


def test_transparency_is_put_on_white(tmp_path):
    alpha = np.where(GREY > 127, 255, 0).astype(np.uint8)
    expected = np.where(alpha[..., None] == 255, PIXELS, 255)
    rgba = Image.fromarray(np.dstack([PIXELS, alpha]))
    np.testing.assert_array_equal(decode(keep(tmp_path / "a.png", rgba)), expected)
    la = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha)])
    np.testing.assert_array_equal(decode(keep(tmp_path / "b.png", la))[..., 0], np.where(alpha == 255, GREY, 255))


def test_palettes_with_and_without_transparency(tmp_path):
    image = Image.new("P", (3, 1))
    image.putdata([0, 1, 2])
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    np.testing.assert_array_equal(decode(keep(tmp_path / "a.png", image))[0], colours)
    found = decode(keep(tmp_path / "b.png", image, transparency=1))[0]
    np.testing.assert_array_equal(found, [colours[0], [255, 255, 255], colours[2]])


def test_cmyk_is_not_inverted(tmp_path):
    """Red without cyan, and white, in a JPEG as printers have it."""
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    found = decode(keep(tmp_path / "a.jpg", image, quality=100))
    assert found[..., 0].min() > 240
    assert found[..., 1:].max() < 15
    white = decode(keep(tmp_path / "b.jpg", Image.new("CMYK", (16, 16), (0, 0, 0, 0)), quality=100))
    assert white.min() > 250


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    values = np.linspace(0, 65535, 192).reshape(12, 16).astype(np.uint16)
    for suffix in (".png", ".tiff"):
        found = decode(keep(tmp_path / f"a{suffix}", Image.fromarray(values)))[..., 0]
        np.testing.assert_array_equal(found, np.round(values / 257))
    big = Image.fromarray(values.astype(np.int32))
    np.testing.assert_array_equal(decode(keep(tmp_path / "b.tiff", big))[..., 0], np.round(values / 257))


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 255), (0, 65535), (-3, 5)])
def test_floats_are_scaled_by_their_range(tmp_path, low, high):
    values = np.linspace(low, high, 192, dtype=np.float32).reshape(12, 16)
    found = decode(keep(tmp_path / "a.tiff", Image.fromarray(values)))[..., 0]
    expected = np.linspace(0, 255, 192).reshape(12, 16)
    assert np.abs(found - expected).max() <= 0.51
    assert (found.min(), found.max()) == (0, 255)


def test_an_image_is_turned_as_its_camera_says(tmp_path):
    for orientation, turn in ((3, lambda x: x[::-1, ::-1]), (6, lambda x: np.rot90(x, -1)), (8, np.rot90)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = keep(tmp_path / "a.png", Image.fromarray(PIXELS), exif=exif)
        np.testing.assert_array_equal(decode(path), turn(PIXELS))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_metadata_make_no_damaged_image(tmp_path):
    path = keep(tmp_path / "a.jpg", Image.fromarray(PIXELS), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\0\1", quality=95)
    assert decode(path).shape == (12, 16, 3)


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode(tmp_path / "a.gif"), np.array(frames[0]))


def test_a_suffix_does_not_matter(tmp_path):
    path = keep(tmp_path / "a.png", Image.fromarray(PIXELS)).rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(decode(path), PIXELS)


@pytest.mark.parametrize(("size", "shape"), [(100, (100, 133, 3)), (6, (6, 8, 3)), (12, (12, 16, 3)), (1, (1, 1, 3))])
def test_the_shorter_side_is_the_wanted_one(tmp_path, size, shape):
    assert decode(keep(tmp_path / "a.png", Image.fromarray(PIXELS)), size).shape == shape


def test_a_very_long_image_does_not_fill_the_memory(tmp_path):
    path = keep(tmp_path / "a.png", Image.new("RGB", (10_000, 1), "red"))
    assert decode(path, 64).shape == (64, 2_048, 3)


def test_a_reduced_jpeg_is_the_reduction_of_the_whole(tmp_path):
    """Draft mode saves time and changes next to nothing."""
    y, x = np.mgrid[0:600, 0:800]
    smooth = np.stack([127 + 100 * np.sin(x / 60), 127 + 100 * np.cos(y / 50), (x + y) / 6], axis=2).astype(np.uint8)
    for orientation in (1, 6):
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = keep(tmp_path / "a.jpg", Image.fromarray(smooth), quality=95, exif=exif)
        whole = Image.fromarray(decode(path))
        small = decode(path, 64)
        reference = np.asarray(whole.resize(small.shape[1::-1], Image.Resampling.BICUBIC), dtype=float)
        assert min(small.shape[:2]) == 64
        assert np.abs(small - reference).mean() < 1.5


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif", ".tiff"])
def test_truncated_files_are_named(tmp_path, suffix):
    path = save(tmp_path / f"a{suffix}", size=(64, 64))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for size in (None, 8):
        with pytest.raises(BadImageError, match=f"{path} must be a whole image file. It can't be decoded: ."):
            decode(path, size)


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(BadImageError, match="a.jpg must be a whole image file. It can't be decoded: it is empty"):
        decode(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_text("no image")
    with pytest.raises(BadImageError, match="b.jpg must be a whole image file. It can't be decoded: cannot identify"):
        decode(tmp_path / "b.jpg")
    with pytest.raises(FileNotFoundError, match="c.jpg must be an image file. It is missing"):
        decode(tmp_path / "c.jpg")
    with pytest.raises(ValueError, match="`size` must be at least 1 pixel. Got 0"):
        decode(tmp_path / "c.jpg", 0)


def bomb(path, width, height):
    """The head of a PNG of that many pixels; nobody waits for its pixels."""
    buffer = io.BytesIO()
    Image.new("L", (1, 1)).save(buffer, "PNG")
    content = bytearray(buffer.getvalue())
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    path.write_bytes(bytes(content))
    return path


def test_200_million_pixels_are_refused(tmp_path):
    with pytest.raises(BadImageError, match="a.png must have at most 179 million pixels. It has more: reduce it"):
        decode(bomb(tmp_path / "a.png", 20_000, 10_000))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "memory ran out .* fewer --workers"),
        (OSError(errno.EMFILE, "Too many open files"), "open files: .*a.png"),
        (OSError(errno.ESTALE, "Stale file handle"), "Stale file handle: .*a.png"),
        (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "Connection timed out: .*a.png"),
    ],
)
def test_what_the_machine_lacks_is_no_bad_file(tmp_path, monkeypatch, error, said):
    path = keep(tmp_path / "a.png", Image.fromarray(PIXELS))

    def fail(*_):
        raise error

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    with pytest.raises(OSError, match=said) as raised:
        decode(path)
    assert not isinstance(raised.value, ValueError)
    with pytest.raises(OSError, match=said):
        find_bad_files([path])


@pytest.mark.parametrize("source", [b"\xff\xd8", {"bytes": b"\xff\xd8", "path": None}])
def test_bytes_are_no_image_in_memory(source):
    with pytest.raises(TypeError, match=r"an image must be decoded. Got (bytes|dict): .* or pass a pandas table"):
        as_image(source)


def test_a_normalised_image_is_refused_with_its_range():
    with pytest.raises(TypeError, match=r"floats in \[0, 1\], and not be normalised. Got float32 from -1 to 0.5"):
        as_image(np.linspace(-1, 0.5, 12, dtype=np.float32).reshape(2, 2, 3))
