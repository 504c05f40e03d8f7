"""What `longtail train` says that predictions apply."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import longtail
from longtail.cli.served import say_what_is_served
from longtail.repair import Fix
from longtail.runs import RunFolder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    features = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    out = tmp_path_factory.mktemp("served") / "run"
    return longtail.fit((features, np.repeat(["a", "b"], [40, 20])), out=out, epochs=1, device="cpu", threads=1)


@pytest.mark.parametrize(
    ("changes", "evidence", "said"),
    [
        (
            {},
            {"verdict": "too few"},
            "no offsets, since there are too few held-out samples to tell whether they help; no",
        ),
        ({}, {"verdict": "keep"}, "no offsets, since they did not improve the decisions on the held-out samples; no"),
        ({}, {}, "no offsets; no calibration of probabilities"),
        ({"temperature": 2.0}, {"calibrated": True}, "no offsets; calibrated probabilities of {}"),
        ({"offset": np.array([0.0, 1.0])}, {"verdict": "use"}, "offsets and probabilities of {} (by hand)"),
        ({"cost": np.eye(2)}, {"verdict": "use"}, "offsets and probabilities of {} (by hand)"),
    ],
)
def test_what_the_fix_does_is_said(run, changes, evidence, said, capsys):
    even = np.array([0.5, 0.5])
    fix = Fix(np.zeros(2), 1.0, np.zeros(2), even, ("a", "b"), "balanced accuracy", "by hand", evidence)
    run.fix_path.unlink(missing_ok=True)
    dataclasses.replace(fix, **changes).save(run.fix_path)
    say_what_is_served(RunFolder.open(run.path))
    assert f"longtail predict applies: {said.format(run.fix_path)}" in capsys.readouterr().out


def test_data_are_named_as_they_are_typed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    labels = np.repeat(["a", "b"], [40, 20])
    for name in ("t.csv", "val.csv"):
        pd.DataFrame({"x": np.arange(60.0), "label": labels}).to_csv(name, index=False)
    run = longtail.fit("t.csv", val="val.csv", out="run", epochs=1, device="cpu", threads=1)
    say_what_is_served(run)
    said = capsys.readouterr().out
    assert "data: val.csv: 1 feature: x.\n" in said
    assert str(tmp_path) not in said
