"""Packed images come out as they went in, to the bit, or not at all."""

import numpy as np
import pytest
import torch

from longtail.data.built_in.cifar import Cifar
from packed_images import read_pack, write_pack

KEPT = np.array([7, 0, 2049, 5])


@pytest.fixture(scope="module")
def cifar():
    """More images than one sheet holds, of noise, which no compression can guess."""
    random = torch.Generator().manual_seed(0)
    train, test = (torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=random) for n in (2050, 46))
    return Cifar(train, torch.arange(2050) % 100, test, torch.arange(46))


@pytest.fixture
def pack(cifar, tmp_path):
    write_pack(cifar, KEPT, tmp_path / "some.pack")
    return tmp_path / "some.pack"


def test_what_is_packed_comes_out_to_the_bit(cifar, pack):
    found = read_pack(pack)
    assert torch.equal(found.train_images[KEPT], cifar.train_images[KEPT])
    assert torch.equal(found.train_target, cifar.train_target)
    assert torch.equal(found.test_images, cifar.test_images)
    assert torch.equal(found.test_target, cifar.test_target)
    assert found.train_target.dtype == found.test_target.dtype == torch.int64
    left_out = np.setdiff1d(np.arange(2050), KEPT)
    assert found.train_images.shape == (2050, 3, 32, 32)
    assert not found.train_images[left_out].any()


@pytest.mark.slow
def test_more_images_than_one_sheet_holds(cifar, tmp_path):
    kept = np.arange(2050)[::-1].copy()
    write_pack(cifar, kept, tmp_path / "some.pack")
    assert torch.equal(read_pack(tmp_path / "some.pack").train_images, cifar.train_images)


def damaged(pack, change):
    with np.load(pack) as arrays:
        content = dict(arrays)
    change(content)
    with pack.open("wb") as file:
        np.savez(file, **content)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(sha256=np.array("0" * 64)),
        lambda content: content.update(train=content["train"][:-100]),
        lambda content: content.update(kept=content["kept"][:-1]),
        lambda content: content.pop("test_target"),
        lambda content: content["test"].__setitem__(slice(200, 300), 0),
    ],
)
def test_altered_content_is_refused(pack, change):
    damaged(pack, change)
    with pytest.raises(ValueError, match=r"some.pack must be a whole pack of images. It is damaged: write it again"):
        read_pack(pack)


@pytest.mark.parametrize("content", [b"", b"noise", None])
def test_a_file_that_is_no_pack_is_refused(pack, content):
    whole = pack.read_bytes()
    pack.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(ValueError, match=r"some.pack must be a whole pack of images"):
        read_pack(pack)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.pack is missing: write it with pack_data.py"):
        read_pack(tmp_path / "none.pack")
