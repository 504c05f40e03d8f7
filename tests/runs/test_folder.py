import json
import math
import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from filelock import FileLock

from longtail import GALALoss
from longtail.runs import RunFolder, RunInUseError


@dataclass
class Config:
    loss: str = "gala"
    widths: tuple[int, ...] = (8, 4)


def test_a_run_is_found_again(tmp_path):
    folder = RunFolder.create(tmp_path / "deep" / "run", config=Config(), seed=3)
    assert folder.result is None
    assert folder.metrics == []
    folder.log(epoch=1, loss=0.5)
    folder.log(epoch=2, loss=math.nan, note="diverged")
    logits, target = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    folder.save_predictions("test", logits, target)
    criterion = GALALoss(3)
    folder.save_weights({"criterion": criterion.state_dict()})
    folder.finish({"top1": np.float64(0.5), "few": float("nan"), "recall": torch.tensor([1.0, 0.25])})

    found = RunFolder.open(tmp_path / "deep" / "run")
    assert found.header["config"] == {"loss": "gala", "widths": [8, 4]}
    assert found.header["seed"] == 3
    assert repr(found).endswith("run', complete)")
    assert found.header["versions"]["torch"] == str(torch.__version__)
    assert found.metrics == [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": None, "note": "diverged"}]
    assert found.result == {"top1": 0.5, "few": None, "recall": [1.0, 0.25]}
    np.testing.assert_array_equal(found.load_predictions("test")[0], logits)
    np.testing.assert_array_equal(found.load_predictions("test")[1], target)
    GALALoss(3).load_state_dict(found.load_weights()["criterion"])


def test_a_line_cut_off_by_the_end_of_the_process_is_left_out(tmp_path):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    folder.log(epoch=1)
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "lo')
    assert folder.metrics == [{"epoch": 1}]
    folder.log(epoch=2)
    folder.log(epoch=3)
    assert folder.metrics == [{"epoch": 1}, {"epoch": 2}, {"epoch": 3}]


def test_a_line_that_cannot_be_written_leaves_nothing(tmp_path):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    with pytest.raises(TypeError):
        folder.log(epoch=object())
    assert not (folder.path / "metrics.jsonl").exists()


@pytest.mark.parametrize("name", ["", "../evil", "a/b", "test.npz", "-/../../evil"])
def test_predictions_stay_inside_the_run(tmp_path, name):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    (folder.path / "predictions-").mkdir()
    with pytest.raises(ValueError, match="`name` must consist of letters"):
        folder.save_predictions(name, torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="`name` must consist of letters"):
        folder.load_predictions(name)
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_predictions_must_fit_together(tmp_path):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    for logits, target in [
        (torch.zeros(2, 3), torch.zeros(7, dtype=torch.int64)),
        (torch.zeros(2, 3), torch.zeros(2)),
        (torch.zeros(2), torch.zeros(2, dtype=torch.int64)),
    ]:
        with pytest.raises(ValueError, match=r"must have the shapes \(N, C\) and \(N,\)"):
            folder.save_predictions("test", logits, target)
    assert [path.name for path in folder.path.iterdir()] == ["run.json"]


def test_an_existing_folder_is_never_written_into(tmp_path):
    RunFolder.create(tmp_path / "run", config={}, seed=0)
    for path in (tmp_path / "run", tmp_path):
        before = sorted(path.iterdir())
        with pytest.raises(FileExistsError, match="`path` must not exist yet"):
            RunFolder.create(path, config={}, seed=0)
        assert sorted(path.iterdir()) == before


def test_a_configuration_that_cannot_be_kept_makes_no_folder(tmp_path):
    with pytest.raises(TypeError, match="`config` must hold plain values"):
        RunFolder.create(tmp_path / "run", config={"loss": object()}, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_a_run_stands_for_its_path(tmp_path):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    assert RunFolder.open(folder).path == folder.path


def test_what_is_not_a_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing, which is missing\.$"):
        RunFolder.open(tmp_path / "missing")
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    (tmp_path / "LATEST").symlink_to(folder.path)
    with pytest.raises(FileNotFoundError, match=r"no run.json. It holds a run, such as .*run\.$"):
        RunFolder.open(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"must be a set of the run .* \(none\). Got 'test'"):
        folder.load_predictions("test")
    header = json.loads((folder.path / "run.json").read_text())
    (folder.path / "run.json").write_text(json.dumps({**header, "schema": 2}))
    with pytest.raises(ValueError, match="must be a run folder of version 1. Got version 2"):
        RunFolder.open(folder.path)
    for content in ("{", "[]", "{}"):
        (folder.path / "run.json").write_text(content)
        with pytest.raises(ValueError, match="run.json is damaged"):
            RunFolder.open(folder.path)


def test_a_missing_run_is_answered_with_those_beside_it(tmp_path):
    for name in ("digits-ce-seed0", "digits-gala-seed0"):
        RunFolder.create(tmp_path / name, config={}, seed=0)
    with pytest.raises(FileNotFoundError, match=r"gala-seed, which is missing\. Did you mean .*digits-gala-seed0\?$"):
        RunFolder.open(tmp_path / "digits-gala-seed")
    with pytest.raises(FileNotFoundError, match=r"which is missing\. .* holds 2 runs, such as .*digits-ce-seed0\.$"):
        RunFolder.open(tmp_path / "fish")


def test_weights_execute_nothing(tmp_path):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    torch.save({"criterion": GALALoss(3)}, folder.path / "weights.pt")
    with pytest.raises(Exception, match="must hold tensors and plain values only"):
        folder.load_weights()


def test_the_lines_that_a_resumed_run_writes_again_are_forgotten(tmp_path):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    folder.forget_metrics_from(1)
    for epoch in (1, 2, 3):
        folder.log(epoch=epoch)
    folder.forget_metrics_from(3)
    assert folder.metrics == [{"epoch": 1}, {"epoch": 2}]


def test_a_checkpoint_takes_the_place_of_the_former(tmp_path):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    assert folder.load_checkpoint() is None
    folder.save_checkpoint({"epoch": 1, "model": {"weight": torch.zeros(2)}})
    folder.save_checkpoint({"epoch": 2, "model": {"weight": torch.ones(2)}})
    kept = folder.load_checkpoint()
    assert kept["epoch"] == 2
    assert torch.equal(kept["model"]["weight"], torch.ones(2))
    folder.drop_checkpoint()
    folder.drop_checkpoint()
    assert folder.load_checkpoint() is None


def test_a_checkpoint_executes_nothing(tmp_path):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    torch.save({"model": Config()}, folder.path / "checkpoint.pt")
    with pytest.raises(ValueError, match=r"checkpoint\.pt must hold tensors and plain values only"):
        folder.load_checkpoint()


def test_one_process_at_a_time_works_on_a_run_and_clears_up_after_a_killed_one(tmp_path):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    (folder.path / ".checkpoint.pt.0123abcd.part").write_bytes(b"half")
    with folder.lock():
        assert sorted(file.name for file in folder.path.iterdir()) == [".lock", "run.json"]
        with pytest.raises(RunInUseError, match="Another process works on"), RunFolder.open(folder.path).lock():
            pass
        with RunFolder.open(folder.path).lock(enabled=False):
            pass
    with folder.lock():
        pass


@pytest.mark.slow
def test_a_restarted_process_waits_for_the_lock_of_one_that_is_ending(tmp_path):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    lock = FileLock(folder.path / ".lock", thread_local=False)
    lock.acquire()
    threading.Timer(0.3, lock.release).start()
    with folder.lock(wait=30):
        pass
    with folder.lock(), pytest.raises(RunInUseError), RunFolder.open(folder.path).lock(wait=0.1):
        pass


def test_damaged_files_are_named(tmp_path):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    (folder.path / "result.json").write_text('{"top1": 0.')
    with pytest.raises(ValueError, match=r"result\.json is damaged"):
        _ = folder.result
    for content in (b"", b"PK\3\4", b"noise"):
        (folder.path / "predictions-test.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"predictions-test\.npz is damaged"):
            folder.load_predictions("test")
    (folder.path / "metrics.jsonl").write_bytes(b'5\n{"epoch": 1}\n\xff\xfe\n')
    assert folder.metrics == [{"epoch": 1}]


def test_data_that_have_moved_have_no_origin(tmp_path):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    assert folder.origin is None
    kinds = [folder.of_features]
    known = {"class_names": ["a", "b"], "class_counts": [2, 1], "input_shape": [4]}
    folder.save_data({**known, "origin": str(tmp_path / "data.csv")})
    assert folder.origin is None
    assert [*kinds, folder.of_features] == [False, True]
    (tmp_path / "data.csv").touch()
    assert folder.origin == tmp_path / "data.csv"


DATA = {"class_names": ["a", "b"], "class_counts": [3, 1], "input_shape": [3, 8, 8], "mean": [0.5] * 3, "std": [1] * 3}


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("class_names", ["a", 5], "be a list of names"),
        ("class_counts", [3], "hold 2 numbers, one per class"),
        ("class_counts", [3, -1], "be a list of whole numbers"),
        ("input_shape", [3, 0, 8], r"be \[channels, height, width\] or \[features\]"),
        ("mean", None, "be a list of numbers"),
        ("std", [1.0], "hold 3 numbers, one per channel"),
        ("crop_pct", 0, "be a number above 0"),
        ("feature_names", "ab", "be a list of names, or null"),
        ("notes", {}, "be a list of texts"),
        ("origin", 5, "be a path, or null"),
        ("held_out", [], "be an object, or null"),
    ],
)
def test_a_field_of_the_data_that_is_damaged_is_named(tmp_path, field, value, rule):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    folder.save_data(DATA)
    assert folder.data == DATA
    folder.save_data(DATA | {field: value})
    with pytest.raises(ValueError, match=rf"data\.json is damaged: its `{field}` must {rule}\. Got .* train the run"):
        _ = folder.data
    folder.save_data({name: value for name, value in DATA.items() if name != "class_names"})
    with pytest.raises(ValueError, match="its `class_names` must be present"):
        _ = folder.data


@pytest.mark.parametrize("name", ["config", "versions"])
def test_a_header_of_other_kinds_is_damaged(tmp_path, name):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    (folder.path / "run.json").write_text(json.dumps(folder.header | {name: 5}))
    with pytest.raises(ValueError, match=rf"run\.json is damaged: its `{name}` must (be an object|hold text)\. Got 5"):
        RunFolder.open(folder.path)


@pytest.mark.parametrize(
    ("logits", "target"),
    [
        (np.zeros((2, 3)), np.array([0, 3])),
        (np.zeros((2, 3)), np.array([0, -1])),
        (np.zeros((2, 3)), np.array([0])),
        (np.zeros(2), np.array([0, 0])),
        (np.full((2, 3), np.nan), np.array([0, 0])),
        (np.zeros((2, 3)), np.array([0.0, 1.0])),
    ],
)
def test_predictions_that_no_run_keeps_are_damaged(tmp_path, logits, target):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    np.savez(folder.path / "predictions-test.npz", logits=logits.astype(np.float32), target=target)
    with pytest.raises(ValueError, match=r"predictions-test\.npz is damaged"):
        folder.load_predictions("test")
