"""The line above the scores of a run."""

import dataclasses

import pytest

from longtail.cli.table import print_rows
from longtail.recipes import digits_lt, features, finetune, scratch
from longtail.runs import RunFolder
from longtail.training import OwnSecondStageConfig, SecondStageConfig

SCORES = {"raw": dict.fromkeys(("top1", "balanced_accuracy", "many", "medium", "few"), 0.5)}
CRT = {"second_stage": "crt", "learns": "classifier", "loss": "ce", "epochs": 3}


def heading(folder, capsys):
    print_rows(folder, SCORES)
    return capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        (features(loss="ce"), OwnSecondStageConfig(**CRT), "features"),
        (finetune(loss="ce"), OwnSecondStageConfig(**CRT), "finetune"),
        (scratch(loss="ce"), OwnSecondStageConfig(**CRT), "scratch"),
        (OwnSecondStageConfig(**CRT), OwnSecondStageConfig(**CRT), "own data"),
        (digits_lt(loss="ce"), SecondStageConfig(**CRT, dataset="digits", imbalance=50.0), "digits-lt-imbalance50"),
    ],
)
def test_a_second_stage_is_named_by_the_recipe_of_its_first(first, second, named, tmp_path, capsys):
    folder = RunFolder.create(tmp_path / "run", config=second, seed=0)
    folder.finish({"first_stage": {"folder": "first", "config": dataclasses.asdict(first)}})
    assert heading(folder, capsys) == f"run: {named}, crt after ce, seed 0, epoch 3 (the last), test accuracy in %"


def test_what_is_beside_the_loss_is_said_of_either_stage(tmp_path, capsys):
    first = digits_lt(loss="balanced-softmax", contrastive=0.35, sam_radius=0.05, epochs=3)
    run = RunFolder.create(tmp_path / "run", config=first, seed=0)
    assert "imbalance50, balanced-softmax with balanced contrastive learning and SAM, seed 0" in heading(run, capsys)
    config = SecondStageConfig(**CRT, dataset="digits", imbalance=50.0)
    second = RunFolder.create(tmp_path / "second", config=config, seed=0)
    second.finish({"first_stage": {"folder": "first", "config": dataclasses.asdict(first)}})
    assert "crt after balanced-softmax with balanced contrastive learning and SAM, seed 0" in heading(second, capsys)


def test_a_line_below_the_scores_is_not_broken(tmp_path, capsys):
    run = RunFolder.create(tmp_path / "run", config=features(loss="ce"), seed=0)
    run.finish({"fit_on": "validation"})
    print_rows(run, {"inductive": SCORES["raw"]})
    said = capsys.readouterr().out
    assert "\ninductive: re-balanced by a fit on the held-out validation samples, unless another set is named\n" in said
