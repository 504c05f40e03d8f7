"""Parts of large files, read when they are needed."""

import os
import pickle

import numpy as np
import pytest

from longtail.data.images.file_parts import FileParts, LargeFile


def parts_of(folder, contents, name="large.bin"):
    """The contents one after the other in a file, with a byte between them."""
    path = folder / name
    folder.mkdir(exist_ok=True)
    path.write_bytes(b"-".join(contents))
    sizes = np.array([len(content) for content in contents])
    offsets = np.cumsum(sizes + 1) - sizes - 1
    return FileParts((LargeFile.at(path, name),), np.zeros(len(contents), dtype=np.int32), offsets, sizes)


def read(parts):
    return [parts[index].read() for index in range(len(parts))]


def test_parts_are_read_where_they_lie_also_by_another_process(tmp_path):
    parts = parts_of(tmp_path, [b"ant", b"", b"bee", b"wasp"])
    assert read(parts) == [b"ant", b"", b"bee", b"wasp"]
    assert read(parts.take([3, 0, 0])) == [b"wasp", b"ant", b"ant"]
    assert pickle.loads(pickle.dumps(parts[2])).read() == b"bee"


def test_a_file_that_has_changed_is_not_read(tmp_path):
    parts = parts_of(tmp_path, [b"ant", b"bee"])
    os.utime(tmp_path / "large.bin", ns=(0, 0))
    with pytest.raises(OSError, match=r"has changed since the data were read; start again.*large.bin"):
        parts[0].read()
    (tmp_path / "large.bin").unlink()
    with pytest.raises(FileNotFoundError):
        parts[0].read()


def test_reads_that_a_drive_answers_in_pieces_are_put_together(tmp_path, monkeypatch):
    parts = parts_of(tmp_path, [b"ant", b"grasshopper"])
    whole = os.pread
    monkeypatch.setattr(os, "pread", lambda file, size, offset: whole(file, min(size, 4), offset))
    assert read(parts) == [b"ant", b"grasshopper"]


def test_a_digest_is_that_of_names_and_places_and_a_state_that_of_the_files(tmp_path):
    here, there = (parts_of(tmp_path / name, [b"ant", b"bee"]) for name in ("here", "there"))
    assert here.digest == there.digest
    assert here.state != there.state
    for other in (here.take([1, 0]), here.take([0]), parts_of(tmp_path, [b"ant", b"bee"], "other.bin")):
        assert other.digest != here.digest
    (tmp_path / "here" / "large.bin").write_bytes(b"ant-cow")
    os.utime(tmp_path / "here" / "large.bin", ns=(0, 0))
    changed = FileParts(
        (LargeFile.at(tmp_path / "here" / "large.bin", "large.bin"),), here.file, here.offset, here.size
    )
    assert changed.digest == here.digest
    assert changed.state != here.state
