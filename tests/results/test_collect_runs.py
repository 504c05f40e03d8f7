"""Run folders become one JSON file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import collect_runs
from longtail.runs import RunFolder
from longtail.training import run_experiment
from pages.comparison import Comparison
from training.tiny import tiny_cifar10, tiny_config

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent.parent.parent / "results/collect_runs.py"


@pytest.fixture(scope="module")
def folder(tiny_data, tmp_path_factory):
    """Two methods, the first with two seeds."""
    folder = tmp_path_factory.mktemp("comparison")
    with tiny_cifar10():
        for name, loss, seed in [("gala-seed0", "gala", 0), ("ce-seed1", "ce", 1), ("ce-seed0", "ce", 0)]:
            run_experiment(tiny_config(loss=loss, seed=seed, epochs=1), data=tiny_data, out=folder / name)
    return folder


def test_a_comparison_is_collected(folder, tmp_path):
    command = [sys.executable, SCRIPT, folder, "--json", tmp_path / "runs.json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "runs.json").read_text())
    assert [(run["method"], run["seed"]) for run in content["runs"]] == [("ce", 0), ("ce", 1), ("gala", 0)]
    gala = RunFolder.open(folder / "gala-seed0")
    assert content["versions"] == gala.header["versions"]
    assert content["versions"]["processor"]
    assert content["class_counts"] == gala.result["class_counts"]
    assert content["config"]["loss"] == "ce"
    assert content["runs"][0]["differences"] == content["runs"][1]["differences"] == {}
    assert content["runs"][2]["differences"]["loss"] == "gala"
    assert "lambda_positive=" in content["runs"][2]["settings"]
    shares = [run["result"]["test"]["raw"]["balanced_accuracy"] for run in content["runs"][:2]]
    assert Comparison(content).mean("ce") == pytest.approx(50 * sum(shares))


def test_a_run_without_a_result_is_named(tmp_path, monkeypatch, capsys):
    RunFolder.create(tmp_path / "runs/ce-seed0", config={"loss": "ce"}, seed=0)
    for folder, message in ((tmp_path / "runs", "ce-seed0 must be complete"), (tmp_path, "must hold run folders")):
        monkeypatch.setattr(sys, "argv", ["collect_runs.py", str(folder), "--json", str(tmp_path / "runs.json")])
        with pytest.raises(SystemExit, match="2"):
            collect_runs.main()
        assert message in capsys.readouterr().err
    assert not (tmp_path / "runs.json").exists()


def test_processors_are_not_mixed(folder, tmp_path, monkeypatch):
    other = tmp_path / "other"
    made = RunFolder.create(other / "ce-seed2", config={"loss": "ce"}, seed=2)
    made.header["versions"]["processor"] = "Some CPU"
    (made.path / "run.json").write_text(json.dumps(made.header))
    made.finish({"test": {}, "class_counts": [1]})
    with pytest.raises(ValueError, match=r"same versions and processor.*Some CPU.*two files"):
        collect_runs.collected([folder, other])
