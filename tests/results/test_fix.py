"""The command that measures fixes: which cases it takes, and how it resumes."""

import json

import numpy as np
import pytest

import fix


@pytest.fixture
def command(tmp_path, monkeypatch):
    """The command on a small file of published predictions; returns its exit code."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 240)
    (tmp_path / "files").mkdir()
    logits = rng.normal(size=(240, 3)) + 2 * np.eye(3)[target] + np.array([3.0, 1.0, 0.0])
    np.savez(tmp_path / "files/small.npz", logits=logits, target=target)

    def run(*arguments):
        given = ["--predictions", tmp_path / "files", "--json", tmp_path / "found.json", "--only", "small", *arguments]
        monkeypatch.setattr("sys.argv", ["fix.py", *map(str, given)])
        return fix.main()

    return run


@pytest.mark.slow
def test_cases_that_are_there_are_not_run_again(command, tmp_path, capsys):
    assert command("--seeds", 1) == 0
    first = json.loads((tmp_path / "found.json").read_text())
    assert [(row["data"], row["model"], row["seed"]) for row in first] == [("small", "as published", 0)]
    assert first[0]["samples"] == first[0]["test_samples"] == 120
    assert "scikit-learn" in first[0]["versions"]
    capsys.readouterr()
    assert command("--seeds", 2) == 0
    assert capsys.readouterr().err.startswith("small, as published, 1: ")
    both = json.loads((tmp_path / "found.json").read_text())
    assert both[0] == first[0]
    assert both[1]["before"] != both[0]["before"]


def test_results_of_an_older_version_are_not_taken_as_done(command, tmp_path, capsys):
    old = '[{"data": "small", "model": "as published", "seed": 0}]'
    (tmp_path / "found.json").write_text(old)
    assert command() == 2
    assert "Move it away" in capsys.readouterr().err
    assert (tmp_path / "found.json").read_text() == old


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "tiny"], "--only must name data of digits, synthetic, small. Got tiny."),
        (["--text", "nowhere"], "--text must have the files that --help names. Missing: nowhere/trec_train_5500.label"),
        (["--json", "nowhere/found.json"], "--json must be in a folder that exists. Got nowhere/found.json."),
    ],
)
def test_errors_come_before_any_work(command, capsys, arguments, said):
    assert command(*arguments) == 2
    assert f"error: {said}" in capsys.readouterr().err
