import math
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from longtail.cli.output_file import check_writable
from longtail.whole_file import free_bytes, remove_parts, write_whole, write_whole_folder


def test_a_file_is_written_whole(tmp_path):
    path = tmp_path / "result.json"
    with write_whole(path) as file:
        file.write(b"first")
        assert not path.exists()
    assert path.read_bytes() == b"first"
    (tmp_path / "ordinary").touch()
    assert path.stat().st_mode == (tmp_path / "ordinary").stat().st_mode
    (tmp_path / "ordinary").unlink()
    assert list(tmp_path.iterdir()) == [path]


def interrupt(path, failure):
    with write_whole(path) as file:
        file.write(b"half")
        raise failure


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("bad")])
def test_after_a_failure_the_former_file_is_there_and_nothing_else(tmp_path, failure):
    path = tmp_path / "result.json"
    path.write_bytes(b"former")
    path.chmod(0o640)
    with pytest.raises(type(failure)):
        interrupt(path, failure)
    assert path.read_bytes() == b"former"
    assert list(tmp_path.iterdir()) == [path]
    with write_whole(path) as file:
        file.write(b"later")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_signal_right_after_the_file_took_its_place_is_no_missing_file(tmp_path, monkeypatch):
    replace = Path.replace

    def then_stop(part, path):
        replace(part, path)
        raise SystemExit(143)

    monkeypatch.setattr(Path, "replace", then_stop)
    with pytest.raises(SystemExit), write_whole(tmp_path / "result.json") as file:
        file.write(b"content")
    assert (tmp_path / "result.json").read_bytes() == b"content"


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere/file")
    with write_whole(tmp_path / "link") as file:
        file.write(b"content")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere/file").read_bytes() == b"content"


def test_a_missing_folder_and_a_folder_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be in a folder that exists"), write_whole(tmp_path / "a/b"):
        pass
    with pytest.raises(IsADirectoryError, match="must name a file"), write_whole(tmp_path):
        pass


def test_a_pipe_or_device_is_refused_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match="Got the pipe or device"), write_whole(pipe):
        pass
    with pytest.raises(ValueError, match="--out must be a file. Got .*pipe, a pipe or a device"):
        check_writable("--out", pipe)
    assert pipe.is_fifo()


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "model"
    with write_whole_folder(path) as part:
        (part / "a").write_text("first")
        assert not path.exists()
    assert (path / "a").read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileExistsError, match="`path` must not exist yet"), write_whole_folder(path):
        pass
    with (
        pytest.raises(FileNotFoundError, match="must be in a folder that exists"),
        write_whole_folder(path / "b" / "c"),
    ):
        pass


def interrupt_folder(path, failure):
    with write_whole_folder(path) as part:
        (part / "a").write_text("half")
        raise failure


def lose_the_race(path):
    with write_whole_folder(path) as part:
        (part / "a").write_text("ours")
        path.mkdir()
        (path / "a").write_text("theirs")


def test_a_folder_that_another_process_has_made_meanwhile_is_kept(tmp_path):
    path = tmp_path / "model"
    with pytest.raises(FileExistsError, match="made by another process"):
        lose_the_race(path)
    assert (path / "a").read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_after_a_failure_there_is_no_folder(tmp_path, failure):
    with pytest.raises(type(failure)):
        interrupt_folder(tmp_path / "model", failure)
    assert list(tmp_path.iterdir()) == []


def test_the_free_room_is_that_of_the_disk_a_link_leads_to(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "other" / "file")
    disks = {tmp_path: SimpleNamespace(total=9, free=5), tmp_path / "other": SimpleNamespace(total=0, free=0)}
    monkeypatch.setattr("shutil.disk_usage", disks.__getitem__)
    assert free_bytes(tmp_path) == free_bytes(tmp_path / "file") == 5
    assert free_bytes(tmp_path / "link") == math.inf


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_a_full_disk_is_told_with_the_file(tmp_path, monkeypatch):
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda _path, _mode: opened(Path("/dev/full"), "wb"))
    with (
        pytest.raises(OSError, match=r"No space left on device: '.*result.json'"),
        write_whole(tmp_path / "result.json") as file,
    ):
        file.write(b"a few bytes, which stay in the buffer")


def test_parts_that_are_old_are_removed(tmp_path):
    names = (".a.npy.0123abcd.part", ".b.npy.0123abcd.part", ".c.part", "d.0123abcd.part")
    for name in names:
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (0, 0))
    os.utime(tmp_path / ".b.npy.0123abcd.part")  # another process is writing it
    remove_parts(tmp_path, older_than=3600.0)
    assert {path.name for path in tmp_path.iterdir()} == set(names[1:])
    remove_parts(tmp_path, of="other")
    assert len(list(tmp_path.iterdir())) == 3
    remove_parts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(names[2:])
    remove_parts(tmp_path / "missing")
