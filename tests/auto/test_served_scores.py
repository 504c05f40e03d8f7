"""The scores of what predictions apply."""

import dataclasses

import numpy as np
import pytest

import longtail
from longtail.auto.served_scores import served_scores
from longtail.cli import main
from longtail.repair import Fix

RANDOM = np.random.default_rng(0)
SPECIES = np.repeat(["otter", "seal", "whale"], [60, 30, 15])
FEATURES = RANDOM.normal(np.repeat([0.0, 1.0, 2.0], [60, 30, 15])[:, None], 1.0, (105, 3)).astype(np.float32)


@pytest.fixture
def run(tmp_path):
    options = {"epochs": 5, "threads": 1, "device": "cpu", "loss": "ce"}
    return longtail.fit((FEATURES, SPECIES), out=tmp_path / "run", **options)


def with_offset(run, offset):
    dataclasses.replace(Fix.load(run.fix_path), offset=np.array(offset)).save(run.fix_path)


def test_they_are_those_of_the_decisions_of_the_predictor(run):
    with_offset(run, [-3.0, 0.0, 3.0])
    logits, target = run.load_predictions("test")
    decided = longtail.load(run.path).fix.predict(logits)
    recalls = [(decided[target == label] == label).mean() for label in range(3)]
    assert served_scores(run)["with fix.json"]["balanced_accuracy"] == pytest.approx(np.mean(recalls))


def test_there_is_no_row_where_decisions_are_those_of_the_model(run):
    with_offset(run, [0.0, 0.0, 0.0])
    assert served_scores(run) == {}
    run.fix_path.unlink()
    assert served_scores(run) == {}


def test_evaluate_and_train_show_the_row(run, capsys):
    with_offset(run, [-3.0, 0.0, 3.0])
    for command in (["evaluate", str(run.path)], ["train", "--resume", str(run.path)]):
        assert main(command) == 0
        said = capsys.readouterr().out
        shown = 100 * served_scores(run)["with fix.json"]["balanced_accuracy"]
        row = next(line for line in said.splitlines() if line.startswith("with fix.json  "))
        assert f"{shown:.1f}" in row
        assert "with fix.json: as longtail predict decides" in said
