"""Pipes are refused: reading one waits until somebody writes to it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from longtail import Fix, PredictionRebalancer, read_predictions
from longtail.cli import main
from longtail.data.large_sets.annotations import read_annotations
from longtail.data.large_sets.list_file import read_list_file
from longtail.data.text_file import read_text
from longtail.regular_file import check_regular

READERS: dict[str, Callable[[Path], object]] = {
    "fix.json": Fix.load,
    "offset.json": PredictionRebalancer.load,
    "labels.txt": read_text,
    "table.csv": read_predictions,
    "logits.npz": read_predictions,
    "train.txt": read_list_file,
    "train2018.json": read_annotations,
}


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_is_refused(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=rf"{name} must be a file\. It is a pipe or a device\. Copy its content"):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("command", [["export", "--to", "python"], ["evaluate", "predictions.csv", "--fix"]])
def test_commands_refuse_a_fix_that_is_a_pipe_in_one_line(tmp_path, capsys, command):
    os.mkfifo(tmp_path / "fix.json")
    assert main([*command, str(tmp_path / "fix.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_file_and_a_link_to_one_are_accepted_and_a_missing_file_is_left_to_its_reader(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link", "missing"):
        check_regular(tmp_path / name)
    with pytest.raises(ValueError, match="It is a folder"):
        check_regular(tmp_path)
