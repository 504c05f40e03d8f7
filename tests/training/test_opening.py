import errno
import os
import re
import shutil
import threading
from types import SimpleNamespace

import pytest
import torch

from longtail.cli import main
from longtail.data import DataInfo, FeatureViews, Splits
from longtail.recipes import digits_lt
from longtail.runs import RunFolder
from longtail.training import run_experiment
from longtail.training.hardware import resolve
from longtail.training.opening import check_all_read_the_same, existing_run, open_when_visible
from longtail.training.ranks import Ranks


@pytest.mark.slow
def test_a_folder_that_another_process_creates_is_waited_for(tmp_path):
    path = tmp_path / "run"
    threading.Timer(0.3, lambda: RunFolder.create(path, config={"seed": 3}, seed=3)).start()
    assert open_when_visible(path, seconds=30).header["seed"] == 3


@pytest.mark.slow
def test_a_folder_that_is_not_shared_is_refused_with_the_rank(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "5")
    message = "`out` must be on storage that all processes share. Rank 5 does not see "
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        open_when_visible(tmp_path / "run", seconds=0.2)


@pytest.fixture
def unread(monkeypatch):
    """Let any attempt to read data fail."""

    def read(*_, **__):
        raise AssertionError("data were read")

    for module in ("experiment", "comparison"):
        monkeypatch.setattr(f"longtail.training.{module}.load_splits", read)


@pytest.mark.parametrize(
    ("command", "where", "message"),
    [
        (["train"], "file/run", "`out` must be below a folder. Got {out}: {above} is none. Name another with --out."),
        (["compare", "--methods", "ce"], "file", "`out` must be below a folder. Got {out}: {above} is none."),
        (["train"], "closed/a/run", "`out` must be in a folder that can be written to. Got {out}: {above} is not."),
        (["compare", "--methods", "ce"], "closed/a", "`out` must be in a folder that can be written to. Got {out}"),
        (["train"], "full/run", "`out` must be on a disk with room for the run. Got {out}: the disk is full."),
    ],
)
def test_an_unusable_folder_is_refused_before_data_are_read(
    command, where, message, tmp_path, monkeypatch, capsys, unread
):
    (tmp_path / "file").touch()
    closed, full, out = tmp_path / "closed", tmp_path / "full", tmp_path / where
    closed.mkdir()
    full.mkdir()
    monkeypatch.setattr(os, "access", lambda path, _: path != closed)  # root may write anywhere
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=9, free=9 * (path != full)))
    name, *options = command
    assert main([name, "digits-lt", *options, "--epochs", "1", "--out", str(out)]) == 2
    assert message.format(out=out, above=tmp_path / where.partition("/")[0]) in capsys.readouterr().err


def test_a_run_that_can_not_be_written_to_is_refused_before_data_are_read(tmp_path, monkeypatch, unread):
    config = resolve(digits_lt(epochs=1, device="cpu"))
    RunFolder.create(tmp_path / "run", config=config, seed=0)

    def open_(path, *_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr("longtail.runs.run_lock.os.open", open_)
    with pytest.raises(OSError, match=r"`path` must be a folder that can be written to, .*: Read-only file system\."):
        run_experiment(config, data=None, out=tmp_path / "run", resume=True)


class WithOthers(Ranks):
    """The first of three ranks, of which the last has read other data."""

    def gathered(self, value):
        return [value, value, "of other data"]


def test_ranks_that_have_read_other_data_are_refused():
    some = FeatureViews(torch.zeros(1, 5, 4), torch.tensor([0, 0, 0, 1, 1]))
    splits = Splits(some, some, some, DataInfo(("otter", "seal"), (3, 2), (4,), fingerprint="of these data"))
    check_all_read_the_same(splits, Ranks())
    said = (
        "must be the same for all processes. Those of rank 2 are not those of rank 0: .* Rank 0 has 5 training samples"
    )
    with pytest.raises(ValueError, match=said):
        check_all_read_the_same(splits, WithOthers(number=3))


def test_a_folder_that_is_no_run_is_named_by_the_argument(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`out` must be a run to resume, or not exist yet\. .* --out\.$"):
        existing_run(tmp_path, resume=True)
    with pytest.raises(FileExistsError, match=r"It is not a run\. Name another folder with --out\.$"):
        existing_run(tmp_path, resume=False)
