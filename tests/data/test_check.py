import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from data.pictures import fill
from longtail.data import Parts, Samples, check, check_files, find_bad_files, read_data, require_trainable
from longtail.data.check import available_cores


@pytest.fixture
def damaged(tmp_path):
    folder = fill(tmp_path / "set", {"ant": 8, "bee": 4}, ".jpg")
    whole = (folder / "ant/3.jpg").read_bytes()
    (folder / "ant/3.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "bee/0.jpg").write_bytes(b"")
    return folder


def test_bad_files_are_refused_before_any_work_with_their_names(damaged):
    parts = read_data(damaged)
    with pytest.raises(ValueError, match="2 of 12 files of train can't be decoded: .*ant/3.jpg, .*bee/0.jpg.") as error:
        check_files(parts)
    assert "or leave them out with --on-bad-file skip" in str(error.value)
    assert "\n" not in str(error.value)


def test_bad_files_can_be_left_out_and_are_told(damaged):
    parts = check_files(read_data(damaged), on_bad_file="skip")
    assert parts.train.class_counts.tolist() == [7, 3]
    assert not {"ant/3.jpg", "bee/0.jpg"} & set(parts.train.files)
    assert "train: 2 of 12 files are bad and left out" in parts.notes[-1]
    assert check_files(parts) is not parts
    assert check_files(parts).fingerprint == parts.fingerprint


def test_a_pipe_is_a_bad_file_and_is_not_waited_for(tmp_path):
    folder = fill(tmp_path / "set", {"ant": 4, "bee": 4}, ".jpg")
    os.mkfifo(folder / "ant/pipe.jpg")
    os.mkfifo(folder / "ant/pipe")
    with pytest.raises(ValueError, match="1 of 9 files of train can't be decoded: .*pipe.jpg.*it is a folder, a pipe"):
        check_files(read_data(folder))
    assert len(check_files(read_data(folder), on_bad_file="skip").train) == 8


def test_missing_files_of_a_list_are_one_line(tmp_path):
    fill(tmp_path, {"a": 2})
    (tmp_path / "train.txt").write_text("".join(f"a/{i}.png {i % 2}\n" for i in range(10)))
    with pytest.raises(
        FileNotFoundError,
        match=r"8 of 10 files of train are missing: .*a/2.png, .*a/6.png and 3 more. Is --root right \(paths are",
    ) as error:
        check_files(read_data(tmp_path / "train.txt"))
    assert "\n" not in str(error.value)


def test_every_part_is_checked_and_progress_is_told(tmp_path):
    fill(tmp_path / "train", {"a": 3, "b": 3})
    fill(tmp_path / "test", {"a": 2, "b": 1})
    (tmp_path / "test/b/0.png").write_bytes(b"x")
    told = []
    with pytest.raises(ValueError, match="1 of 3 files of test"):
        check_files(read_data(tmp_path), progress=lambda step, share: told.append((step, share)))
    assert told == [("checking files", 1.0), ("checking files", 1.0)]
    for path in (tmp_path / "test").rglob("*.png"):
        path.write_bytes(b"x")
    with pytest.raises(ValueError, match=r"one image that can be decoded. None of 3 can: \S*test/a/0.png must be"):
        check_files(read_data(tmp_path), on_bad_file="skip")
    with pytest.raises(ValueError, match="`on_bad_file` must be one of 'fail', 'skip'"):
        check_files(read_data(tmp_path), on_bad_file="ignore")


def test_cores_are_counted_on_every_system(monkeypatch):
    assert available_cores() >= 1
    everything = available_cores()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert available_cores() == max(1, everything // 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1000")
    assert available_cores() == 1
    monkeypatch.delenv("LOCAL_WORLD_SIZE")
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert available_cores() == 1


def test_reasons_are_by_index(damaged):
    paths = read_data(damaged).train.paths
    found = find_bad_files(paths)
    assert sorted(found) == [3, 8]
    assert "it is empty" in found[8]


def test_a_large_set_is_not_queued_as_a_whole(damaged, monkeypatch):
    monkeypatch.setattr("longtail.data.check.FILES_AT_ONCE", 2)
    paths, told, queued = 20 * read_data(damaged).train.paths, [], []

    class Counted(ThreadPoolExecutor):
        def submit(self, function, /, *arguments, **named):
            queued.append(arguments)
            return super().submit(function, *arguments, **named)

    monkeypatch.setattr("longtail.data.check.ThreadPoolExecutor", Counted)
    find_bad_files(paths, progress=lambda _, share: told.append((share, len(queued))))
    assert told[0][1] <= 12
    assert told[-1] == (1.0, len(paths))
    assert [share for share, _ in told] == sorted({share for share, _ in told})


def test_data_that_are_no_files_pass():
    parts = read_data((np.zeros((4, 2)), [0, 1, 1, 0]))
    assert check_files(parts).train.features is parts.train.features


def samples(target, names, **inputs):
    target = np.array(target, dtype=np.int64)
    return Samples(target, names, **(inputs or {"features": np.zeros((len(target), 1), dtype=np.float32)}))


def test_what_can_not_be_trained_on_is_refused(tmp_path):
    require_trainable(Parts(samples([0, 1], ("a", "b"))))
    for train, message in (
        (samples([0, 0], ("a",)), "`data` must hold at least two classes. Got one: 'a'"),
        (
            samples([0, 0], ("a", "b")),
            "train must hold a sample of each class. 1 of 2 classes have none: b. .* delete their folders, or remove",
        ),
        (samples([], ("a", "b")), "train must hold at least one sample. It holds none"),
        (samples([0, 1], ("a", "b"), groups=np.array(["x", "y"])), "It holds labels alone"),
    ):
        with pytest.raises(ValueError, match=message):
            require_trainable(Parts(train))
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match="train must hold at least one sample"):
        require_trainable(read_data(tmp_path))


@pytest.mark.slow
def test_every_fish_decodes(fish):
    parts = read_data(fish)
    assert check_files(parts).notes == ()


def test_files_that_were_found_whole_are_decoded_again_only_when_they_change(tmp_path, monkeypatch):
    folder, decoded = fill(tmp_path / "set", {"ant": 3, "bee": 2}), []
    reason = check._reason
    monkeypatch.setattr(check, "_reason", lambda decode, index: (decoded.append(index), reason(decode, index))[1])
    for _ in range(2):
        check_files(read_data(folder))
    assert len(decoded) == 5
    (folder / "bee/0.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="1 of 5 files of train can't be decoded"):
        check_files(read_data(folder))
    assert check_files(read_data(folder), on_bad_file="skip").train.class_counts.tolist() == [3, 1]
    del decoded[:]
    monkeypatch.setattr(check, "_OF_THE_FIRST", {})
    check.take_over(json.loads(json.dumps(check.found_bad())))  # as another process does
    assert check_files(read_data(folder), on_bad_file="skip").train.class_counts.tolist() == [3, 1]
    assert decoded == []
