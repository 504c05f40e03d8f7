import numpy as np
import pandas as pd
import pytest

from longtail.cli import main
from longtail.cli.data_of_run import origin_of
from longtail.runs import RunFolder


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    labels = np.repeat(["otter", "seal"], [60, 30])
    table = pd.DataFrame({"a": np.random.default_rng(0).normal(size=90), "label": labels})
    table.to_csv(folder / "t.csv", index=False)
    return folder


@pytest.mark.slow
def test_the_data_of_a_run_are_called_as_when_it_was_trained(work, monkeypatch, capsys):
    monkeypatch.chdir(work)
    assert main(["train", "t.csv", "--epochs", "1", "--batch-size", "16", "--out", "run"]) == 0
    of_train = [line for line in capsys.readouterr().out.splitlines() if line.startswith("data: ")]
    for command in (["retrain", "run", "--method", "ncm"], ["train", "--resume", "run"]):
        assert main(command) == 0
        said = capsys.readouterr()
        assert [line for line in said.out.splitlines() if line.startswith("data: ")] == of_train
        assert str(work) not in said.out + said.err
    (work / "elsewhere").mkdir()
    monkeypatch.chdir(work / "elsewhere")
    assert origin_of(RunFolder.open("../run")) == work.resolve() / "t.csv"
