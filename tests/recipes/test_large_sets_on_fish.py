"""Real photographs through the code path of the large recipes: the commands of both stages, from lists to a report."""

import pytest

from data.fish_as_large_set import write_fish
from longtail.cli import main
from longtail.data.large_sets import LARGE_SETS
from longtail.runs import RunFolder

SMALL = ["--model", "resnet8-cifar", "--size", "24", "--batch-size", "32", "--epochs", "2"]
MACHINE = ["--device", "cpu", "--threads", "1", "--precision", "float32", "--workers", "1"]


@pytest.fixture(params=["imagenet-lt", "places-lt"])
def name(request):
    return request.param


@pytest.mark.slow
def test_both_stages_on_photographs(name, real_data, fish, tmp_path, monkeypatch, capsys):
    data, first, second = (str(tmp_path / part) for part in ("data", "first", "second"))
    facts = write_fish(name, real_data / "fish", fish, tmp_path / "data", most=12)
    monkeypatch.setitem(LARGE_SETS, name, facts)
    assert main(["doctor", name, "--data", data]) == 0
    assert "254 of 254 files are present and intact" in capsys.readouterr().out

    extra = ["--pretrained", "False"] if name == "places-lt" else []
    training = ["train", name, "--data", data, "--out", first, "--loss", "ce", "--mixing", "mixup"]
    assert main([*training, *SMALL, *MACHINE, *extra]) == 0
    options = ["--batch-size", "64", "--epochs", "2", "--threads", "1"]
    assert main(["retrain", first, "--method", "decoupled-gala", "--out", second, *options]) == 0
    run = RunFolder.open(second)
    assert run.header["config"]["features"] == "each-step"
    assert sum(run.result["class_counts"]) == 254
    assert run.result["fit_on"] == "validation"
    assert len(run.load_predictions("test")[1]) == 3 * 23
    assert run.metrics[1]["loss"] < run.metrics[0]["loss"]
    before, after = (RunFolder.open(path).load_weights()["model"] for path in (first, second))
    assert {key for key in before if not before[key].equal(after[key])} == {"classifier.weight", "classifier.bias"}

    capsys.readouterr()
    assert main(["evaluate", second, "--rebalance", "1.7", "--transductive"]) == 0
    assert "transductive, τ = 1.7" in capsys.readouterr().out
    assert main(["report", second, "--out", str(tmp_path / "report.html")]) == 0
    assert (tmp_path / "report.html").stat().st_size > 10_000
    photograph = next((tmp_path / "data/val").rglob("*.jpg"))
    capsys.readouterr()
    assert main(["predict", second, str(photograph)]) == 0
    printed = capsys.readouterr().out
    assert any(label in printed for label in run.data["class_names"])
