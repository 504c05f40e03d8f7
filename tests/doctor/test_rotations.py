import numpy as np
import pytest
from PIL import Image

from data.pictures import fill
from longtail.doctor import examine
from longtail.doctor.prints import print_of
from longtail.doctor.rotations import rotated_pairs

TURNS = [
    getattr(Image.Transpose, name)
    for name in (
        "FLIP_LEFT_RIGHT",
        "FLIP_TOP_BOTTOM",
        "ROTATE_90",
        "ROTATE_180",
        "ROTATE_270",
        "TRANSPOSE",
        "TRANSVERSE",
    )
]


def picture(seed, size=(90, 72)):
    pixels = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: turn.name)
def test_every_orientation_is_known(turn):
    one = [print_of(picture(seed)) for seed in range(20)]
    other = [print_of(picture(seed).transpose(turn)) for seed in (100, 7, 101)]
    assert rotated_pairs(one, other, within=False) == [(7, 1)]


def test_within_a_part_an_image_is_no_copy_of_itself():
    symmetric = Image.fromarray(np.hypot(*np.mgrid[-36:36, -36:36]).astype(np.uint8))
    prints = [print_of(symmetric), *(print_of(picture(seed)) for seed in range(5))]
    assert rotated_pairs(prints, prints, within=True) == []
    prints.append(print_of(picture(3).transpose(Image.Transpose.ROTATE_90)))
    assert rotated_pairs(prints, prints, within=True) == [(4, 6)]


def test_rotated_and_compressed_copies_are_a_warning(tmp_path):
    for part, seeds in (("train", range(8)), ("test", range(50, 55))):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            for seed in seeds:
                picture(seed + 1000 * (name == "b")).save(tmp_path / part / name / f"{seed}.jpg", quality=85)
    picture(5).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "test/b/new.jpg", quality=85)
    found = [finding for finding in examine(tmp_path) if "rotated" in finding.what]
    assert [(finding.severity, finding.what) for finding in found] == [
        ("warning", "1 of 11 images are rotated or mirrored copies of images in train; 1 with another label")
    ]
    assert found[0].where == f"{tmp_path}/test/b/new.jpg = {tmp_path}/train/a/5.jpg"


def test_noise_has_no_rotated_copies(tmp_path):
    fill(tmp_path, {"a": 30, "b": 30})
    assert not any("rotated" in finding.what for finding in examine(tmp_path))
