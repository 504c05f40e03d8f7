import dataclasses
import hashlib
import io
import tarfile

import numpy as np
import pytest

from longtail.data import class_counts, load_cifar, long_tailed_indices
from longtail.data.built_in import cifar as cifar_module
from longtail.data.built_in.cifar import ARCHIVES


@pytest.mark.slow
def test_cifar100_is_the_published_one(cifar100):
    data = load_cifar("cifar100", cifar100)
    assert data.train_images.shape == (50_000, 3, 32, 32)
    assert data.test_images.shape == (10_000, 3, 32, 32)
    assert class_counts(data.train_target).tolist() == [500] * 100
    assert class_counts(data.test_target).tolist() == [100] * 100
    mean = data.train_images.double().mean((0, 2, 3)) / 255
    np.testing.assert_allclose(mean, [0.5071, 0.4865, 0.4409], atol=1e-4)
    assert len(long_tailed_indices(data.train_target, 100)) == 10_847


def test_one_altered_byte_is_noticed(cifar100, tmp_path):
    content = bytearray((cifar100 / "cifar-100-binary/test.bin").read_bytes())
    content[1234] ^= 1
    (tmp_path / "test.bin").write_bytes(content)
    (tmp_path / "train.bin").symlink_to(cifar100 / "cifar-100-binary/train.bin")
    with pytest.raises(ValueError, match="test.bin must have the published md5 4499cf.*Fetch it again"):
        load_cifar("cifar100", tmp_path)


def small(name):
    """The layout of an archive with three records per file, and its contents."""
    archive = dataclasses.replace(ARCHIVES[name], records=(3, 3), file_md5={})
    rng = np.random.default_rng(0)
    size = archive.label_bytes + cifar_module.PIXELS
    files = {file: rng.integers(0, 10, (3, size), dtype=np.uint8) for file in archive.train + archive.test}
    return archive, files


def packed(archive, files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for file, rows in files.items():
            member = tarfile.TarInfo(f"{archive.folder}/{file}")
            member.size = rows.size
            tar.addfile(member, io.BytesIO(rows.tobytes()))
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("layout", ["archive", "folder", "inside"])
def test_records_are_read_from_any_layout(name, layout, tmp_path, monkeypatch):
    archive, files = small(name)
    content = packed(archive, files)
    monkeypatch.setitem(ARCHIVES, name, dataclasses.replace(archive, md5=hashlib.md5(content).hexdigest()))
    if layout == "archive":
        (tmp_path / archive.file).write_bytes(content)
    else:
        inside = tmp_path if layout == "inside" else tmp_path / archive.folder
        inside.mkdir(exist_ok=True)
        for file, rows in files.items():
            (inside / file).write_bytes(rows.tobytes())
    data = load_cifar(name, tmp_path)
    rows = np.concatenate([files[file] for file in archive.train])
    np.testing.assert_array_equal(data.train_images.flatten(1), rows[:, archive.label_bytes :])
    np.testing.assert_array_equal(data.train_target, rows[:, archive.label_bytes - 1])
    np.testing.assert_array_equal(data.test_target, files[archive.test[0]][:, archive.label_bytes - 1])


def test_a_missing_archive_says_both_ways(tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match=r"cifar-100-binary.tar.gz or the folder .* download=True \(--download\), or fetch https",
    ):
        load_cifar("cifar100", tmp_path)
    with pytest.raises(ValueError, match="`name` must be one of 'cifar10', 'cifar100'"):
        load_cifar("cifar", tmp_path)


def test_a_truncated_file_and_a_damaged_archive_are_refused(tmp_path, monkeypatch):
    archive, files = small("cifar100")
    monkeypatch.setitem(ARCHIVES, "cifar100", archive)
    (tmp_path / archive.file).write_bytes(packed(archive, files))
    with pytest.raises(ValueError, match="cifar-100-binary.tar.gz must have the published md5 03b5.*Delete it"):
        load_cifar("cifar100", tmp_path)
    (tmp_path / "train.bin").write_bytes(files["train.bin"].tobytes()[:-1])
    with pytest.raises(ValueError, match=r"train.bin must have 9,222 bytes. Got 9,221 in .* Truncated\?"):
        load_cifar("cifar100", tmp_path)


@pytest.mark.parametrize("damage", ["altered", "cut off"])
def test_a_bad_download_leaves_nothing(damage, tmp_path, monkeypatch):
    archive, files = small("cifar100")
    content = packed(archive, files)
    monkeypatch.setitem(ARCHIVES, "cifar100", dataclasses.replace(archive, md5=hashlib.md5(content).hexdigest()))

    class Answer(io.BytesIO):
        def read(self, size=-1):
            if damage == "cut off" and self.tell():
                raise ConnectionResetError("connection reset by peer")
            return super().read(size)

    monkeypatch.setattr("urllib.request.urlopen", lambda _: Answer(content[:-1] + b"?"))
    with pytest.raises((ValueError, OSError)):
        load_cifar("cifar100", tmp_path, download=True)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("urllib.request.urlopen", lambda _: io.BytesIO(content))
    assert len(load_cifar("cifar100", tmp_path / "new", download=True).test_target) == 3
