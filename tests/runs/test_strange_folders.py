"""Run folders that come from elsewhere: nothing in them is written through, expanded or waited for."""

import json
import os
import zipfile

import numpy as np
import pytest
import torch

from longtail.cli import main
from longtail.runs import RunFolder

FILES = {
    "run.json": lambda folder: RunFolder.open(folder.path),
    "data.json": lambda folder: folder.data,
    "result.json": lambda folder: folder.result,
    "metrics.jsonl": lambda folder: folder.metrics,
    "checkpoint.pt": lambda folder: folder.load_checkpoint(),
    "weights.pt": lambda folder: folder.load_weights(),
    "predictions-test.npz": lambda folder: folder.load_predictions("test"),
    "fix.json": lambda folder: folder.fix_path,
}
WRITES = {
    "data.json": lambda folder: folder.save_data({}),
    "result.json": lambda folder: folder.finish({}),
    "metrics.jsonl": lambda folder: folder.log(epoch=1),
    "checkpoint.pt": lambda folder: folder.save_checkpoint({}),
    "weights.pt": lambda folder: folder.save_weights({}),
    "predictions-test.npz": lambda folder: folder.save_predictions("test", torch.zeros(2, 2), torch.tensor([0, 1])),
}


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path / "run", config={}, seed=0)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("dangling", [False, True])
def test_no_link_is_followed(folder, tmp_path, name, dangling):
    target = tmp_path / "elsewhere"
    if not dangling:
        target.write_text("kept")
    (folder.path / name).unlink(missing_ok=True)
    (folder.path / name).symlink_to(target)
    message = rf"{name} must be a file, and no link\. It is a link\. Replace it by a copy"
    for use in (FILES[name], WRITES.get(name), lambda folder: folder.lock().__enter__()):
        if use is not None:
            with pytest.raises(ValueError, match=message):
                use(folder)
    assert target.exists() != dangling
    assert dangling or target.read_text() == "kept"


@pytest.mark.parametrize("name", FILES)
def test_a_folder_or_a_pipe_in_the_place_of_a_file_is_refused(folder, name):
    path = folder.path / name
    path.unlink(missing_ok=True)
    path.mkdir()
    with pytest.raises(ValueError, match=rf"{name} must be a file, and no link\. It is a folder\. Remove it"):
        FILES[name](folder)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(ValueError, match="It is a pipe"):  # reading it would wait for ever
        FILES[name](folder)


def test_hard_links_are_broken_and_not_written_through(folder, tmp_path):
    folder.log(epoch=1)
    folder.save_data({"kept": True})
    for name in ("metrics.jsonl", "data.json"):
        os.link(folder.path / name, tmp_path / name)
    before = (tmp_path / "metrics.jsonl").read_bytes()
    folder.log(epoch=2)
    folder.save_data({"kept": False})
    assert (tmp_path / "metrics.jsonl").read_bytes() == before
    assert json.loads((tmp_path / "data.json").read_text()) == {"kept": True}
    assert [line["epoch"] for line in folder.metrics] == [1, 2]


def test_the_lock_is_no_other_file(folder, tmp_path):
    (tmp_path / "elsewhere").write_text("kept")
    os.link(tmp_path / "elsewhere", folder.path / ".lock")
    with pytest.raises(ValueError, match=r"\.lock must be an empty file of its own"), folder.lock():
        pass
    assert (tmp_path / "elsewhere").read_text() == "kept"


def test_what_a_killed_process_left_is_removed_but_not_what_it_links_to(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("kept")
    part = folder.path / ".model.0123abcd.part"
    part.mkdir()
    (part / "link").symlink_to(elsewhere)
    (folder.path / "mine.part").write_text("of the user")
    with folder.lock():
        pass
    assert sorted(file.name for file in folder.path.iterdir()) == [".lock", "mine.part", "run.json"]
    assert (elsewhere / "file").read_text() == "kept"


def test_what_was_left_of_the_creation_of_a_run_is_removed_when_it_is_old(tmp_path):
    for name in (".run.0123abcd.part", ".run.89abcdef.part", ".other.0123abcd.part"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    os.utime(tmp_path / ".run.89abcdef.part")
    RunFolder.create(tmp_path / "run", config={}, seed=0)
    assert sorted(file.name for file in tmp_path.iterdir()) == [".other.0123abcd.part", ".run.89abcdef.part", "run"]


@pytest.mark.parametrize("name", ["run.json", "data.json", "result.json"])
@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, "null", "5", '"text"', "[]", "\x00"])
def test_json_of_another_form_is_damaged(folder, name, content):
    (folder.path / name).write_text(content)
    with pytest.raises(ValueError, match=rf"{name} is damaged"):
        FILES[name](folder)


def test_metrics_of_another_kind_are_damaged(folder):
    (folder.path / "metrics.jsonl").write_text("[" * 100_000 + '\n{"epoch": 1}\n')
    assert folder.metrics == [{"epoch": 1}]  # a line that was cut off
    for line in ('{"epoch": "1"}', '{"epoch": 1, "loss": [1]}', f'{{"epoch": 1, "loss": 1{"0" * 400}}}'):
        (folder.path / "metrics.jsonl").write_text(f"{line}\n")
        with pytest.raises(ValueError, match=r"metrics\.jsonl is damaged: its `(epoch|loss)` must be a"):
            _ = folder.metrics


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epoch", -1),
        ("test", {"raw": 5}),
        ("fit_on", None),
        ("best_on_test", {"raw": {"top1": "0.5"}}),
        ("validation", ""),
        ("class_counts", [1, None]),
        ("training_minutes", 10**400),
        ("notes", None),
        ("first_stage", {}),
        ("network", []),
    ],
)
def test_a_field_of_the_result_that_is_damaged_is_named(folder, field, value):
    folder.finish({field: value} if field != "training_minutes" else {})
    if field == "training_minutes":
        (folder.path / "result.json").write_text(f'{{"training_minutes": {value}}}')
    with pytest.raises(ValueError, match=rf"result\.json is damaged: its `{field}` must .* Got .* train the run"):
        _ = folder.result


def test_a_field_of_the_result_that_is_missing_is_named(folder):
    folder.finish({"notes": []})
    assert folder.result.get("test") is None
    with pytest.raises(ValueError, match=r"result\.json is damaged: it must have `test`"):
        folder.result["test"]


def test_predictions_are_not_expanded_before_their_sizes_are_compared(folder, monkeypatch):
    rows = np.zeros((1000, 10), np.float32)
    np.savez_compressed(folder.path / "predictions-test.npz", logits=rows, target=np.zeros(999, np.int64))

    def expanded(*_):
        raise AssertionError("an array was read")

    monkeypatch.setattr("longtail.array_headers.npz_array", expanded)
    with pytest.raises(ValueError, match=r"predictions-test\.npz is damaged"):
        folder.load_predictions("test")
    np.savez_compressed(folder.path / "predictions-test.npz", logits=rows, target=np.zeros(1000, np.int64))
    monkeypatch.setattr("longtail.runs.prediction_file.free_memory", lambda: 39_999)
    with pytest.raises(ValueError, match="must fit into memory. Its logits are of the shape"):
        folder.load_predictions("test")


def test_a_resumed_run_from_elsewhere_overwrites_nothing(tmp_path, capsys):
    command = ["train", "digits-lt", "--epochs", "1", "--out", str(tmp_path / "run"), "--resume", "--device", "cpu"]
    RunFolder.create(tmp_path / "run", config={}, seed=0)
    (tmp_path / "elsewhere").write_text("kept")
    (tmp_path / "run/run.json").unlink()
    (tmp_path / "run/run.json").symlink_to(tmp_path / "elsewhere")
    assert main(command) == 2
    assert "run.json must be a file, and no link" in capsys.readouterr().err
    assert (tmp_path / "elsewhere").read_text() == "kept"


def test_members_of_an_archive_are_read_by_name_only(folder):
    with zipfile.ZipFile(folder.path / "predictions-test.npz", "w") as archive:
        archive.writestr("../../evil.npy", b"noise")
    with pytest.raises(ValueError, match=r"predictions-test\.npz is damaged"):
        folder.load_predictions("test")
