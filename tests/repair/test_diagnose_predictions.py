"""From predictions to a fix, in Python and on the command line: the same numbers, and names before places."""

import json

import numpy as np
import pandas as pd
import pytest

from longtail.cli import main
from longtail.repair import Fix, diagnose, read_predictions
from longtail.repair.diagnose_predictions import diagnose_predictions

NAMES = ("cat", "dog", "lynx")
COUNTS = {"cat": 900, "dog": 90, "lynx": 10}


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    target = rng.choice(3, 400, p=[0.6, 0.25, 0.15])
    return rng.normal(size=(400, 3)) + 2 * np.eye(3)[target] + np.log([0.9, 0.09, 0.01]), target


@pytest.fixture
def table(tmp_path, scores):
    logits, target = scores
    path = tmp_path / "predictions.csv"
    pd.DataFrame(logits[:, [2, 0, 1]], columns=["lynx", "cat", "dog"]).assign(label=np.array(NAMES)[target]).to_csv(
        path, index=False
    )
    return path


def gain(found, name):
    return next(outcome.gain for outcome in found.outcomes if outcome.name.startswith(name))


@pytest.mark.slow
def test_counts_in_another_order_give_the_same_logit_adjustment(table, scores, tmp_path):
    logits, target = scores
    direct = diagnose(logits, target, class_counts=list(COUNTS.values()), class_names=NAMES)
    expected = gain(direct, "logit adjustment")
    assert expected > 0.05
    (tmp_path / "counts.csv").write_text("class,n\nlynx,10\ncat,900\ndog,90\n")
    for counts in (COUNTS, dict(reversed(COUNTS.items())), tmp_path / "counts.csv"):
        found = diagnose_predictions(read_predictions(table, class_names=NAMES, counts=counts))
        assert gain(found, "logit adjustment") == pytest.approx(expected, abs=1e-12)
        mapped = diagnose(logits, target, class_counts=COUNTS, class_names=NAMES)
        assert gain(mapped, "logit adjustment") == expected
    wrong = diagnose(logits, target, class_counts=[10, 90, 900], class_names=NAMES)
    assert gain(wrong, "logit adjustment") < expected - 0.05


@pytest.mark.slow
def test_a_fix_from_predictions_is_what_the_command_writes(table, tmp_path, capsys):
    (tmp_path / "counts.json").write_text(json.dumps(COUNTS))
    options = [
        "--counts",
        str(tmp_path / "counts.json"),
        *["--metric", "accuracy", "--prior", "train", "--report", "none"],
    ]
    assert main(["fix", str(table), "--out", str(tmp_path / "fix.json"), *options]) == 0
    written = Fix.load(tmp_path / "fix.json", class_names=["lynx", "cat", "dog"])
    fix = Fix.from_predictions(table, counts=COUNTS, metric="accuracy", prior="train")
    np.testing.assert_array_equal(fix.offset, written.offset)
    np.testing.assert_allclose(fix.prior, [0.01, 0.9, 0.09])
    assert fix.evidence["verdict"] == written.evidence["verdict"]
    assert f"note: {table}: labels are read from the column 'label'" in capsys.readouterr().err


@pytest.mark.slow
def test_priors_and_costs_go_by_name(scores, table):
    logits, target = scores
    prior = {"dog": 0.3, "lynx": 0.2, "cat": 0.5}
    by_name = Fix.from_predictions(table, metric="accuracy", prior=prior)
    np.testing.assert_allclose(by_name.prior, [0.2, 0.5, 0.3])
    direct = diagnose(logits, target, class_names=NAMES, metric="accuracy", prior=prior).fix
    np.testing.assert_allclose(direct.prior, [0.5, 0.3, 0.2])
    cost = {
        "lynx": {"lynx": 0, "cat": 9, "dog": 9},
        "cat": {"lynx": 1, "cat": 0, "dog": 1},
        "dog": {"lynx": 1, "cat": 1, "dog": 0},
    }
    of_table = diagnose_predictions(read_predictions(table), metric="cost", cost=cost)
    of_arrays = diagnose(logits, target, class_names=NAMES, metric="cost", cost=cost)
    as_matrix = diagnose(logits, target, metric="cost", cost=np.array([[0.0, 1, 1], [1, 0, 1], [9, 9, 0]]))
    assert of_arrays.before.score == as_matrix.before.score
    assert of_table.before.score == pytest.approx(as_matrix.before.score, abs=1e-12)


@pytest.mark.slow
def test_bare_numbers_are_taken_by_place_and_printed(table, tmp_path, capsys):
    (tmp_path / "counts.txt").write_text("10\n900\n90\n")
    (tmp_path / "prior.txt").write_text("0.2\n0.5\n0.3\n")
    options = ["--metric", "accuracy", "--counts", str(tmp_path / "counts.txt"), "--prior", str(tmp_path / "prior.txt")]
    assert main(["fix", str(table), "--out", str(tmp_path / "fix.json"), "--report", "none", *options]) == 0
    said = capsys.readouterr().err
    assert "note: counts: taken in the order of the classes: 'lynx' 10, 'cat' 900, 'dog' 90." in said
    assert "note: prior: taken in the order of the classes: 'lynx' 0.2, 'cat' 0.5, 'dog' 0.3." in said
    notes = json.loads((tmp_path / "fix.json").read_text())["evidence"]["notes"]
    assert any("counts: taken in the order of the classes" in note for note in notes)


@pytest.mark.slow
def test_an_index_column_does_not_become_a_class(table, tmp_path, capsys):
    frame = pd.read_csv(table)
    frame.insert(0, "idx", np.arange(len(frame)) // 2)
    frame.to_csv(tmp_path / "idx.csv", index=False)
    assert main(["fix", str(tmp_path / "idx.csv"), "--out", str(tmp_path / "fix.json")]) == 2
    said = capsys.readouterr().err
    assert "the column 'idx' holds numbers, and no label or training count has this name" in said
    assert "ignore it with --ignore idx" in said
    assert not (tmp_path / "fix.json").exists()
    files = [str(tmp_path / "idx.csv"), "--out", str(tmp_path / "fix.json")]
    assert main(["fix", *files, "--ignore", "idx", "--report", "none"]) == 0
    np.testing.assert_array_equal(Fix.load(tmp_path / "fix.json").offset, Fix.from_predictions(table).offset)


@pytest.mark.slow
def test_every_reading_option_of_the_command(tmp_path, scores):
    logits, target = scores
    frame = pd.DataFrame(logits, columns=[f"p.{name}" for name in NAMES])
    frame = frame.assign(truth=np.array(NAMES)[target], w=1 + target % 2, g=np.arange(400) // 2, key=7, fold=1)
    for place, part in enumerate((slice(0, 200), slice(200, None))):
        frame[part].to_csv(tmp_path / f"p{place}.csv", index=False)
    options = [
        "--label",
        "truth",
        "--weight",
        "w",
        "--group",
        "g",
        "--id",
        "key",
        "--ignore",
        "fold",
        "--classes",
        "p.*",
        "--class-names",
        "lynx,cat,dog",
    ]
    options += ["--report", "none"]
    files = [str(tmp_path / "p0.csv"), str(tmp_path / "p1.csv")]
    assert main(["fix", *files, *options, "--out", str(tmp_path / "a.json")]) == 0
    assert main(["fix", str(tmp_path / "p*.csv"), *options, "--out", str(tmp_path / "b.json")]) == 0
    fix = Fix.load(tmp_path / "a.json")
    assert fix.class_names == ("lynx", "cat", "dog")
    expected = diagnose(
        logits[:, [2, 0, 1]],
        np.array([1, 2, 0])[target],
        sample_weight=1 + target % 2,
        groups=np.array([str(g) for g in np.arange(400) // 2]),
    ).fix
    np.testing.assert_allclose(fix.offset, expected.offset, atol=1e-9)
    np.testing.assert_array_equal(Fix.load(tmp_path / "b.json").offset, fix.offset)


@pytest.mark.slow
def test_real_predictions_give_the_same_verdict_in_every_form(real_data, tmp_path):
    content = np.load(real_data / "predictions/derma_resnet18.npz")
    kind = next(name for name in ("logits", "probabilities") if name in content)
    target = content["target"].ravel().astype(int)
    names = [f"class {index}" for index in range(content[kind].shape[1])]
    frame = pd.DataFrame(content[kind].astype(np.float64), columns=names).assign(label=np.array(names)[target])
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "b.csv", index=False, sep=";", decimal=",")
    frame.to_parquet(tmp_path / "c.parquet")
    np.savez(tmp_path / "d.npz", **{kind: content[kind].astype(np.float64)}, target=target, class_names=np.array(names))
    found = [Fix.from_predictions(tmp_path / name, kind=kind) for name in ("a.csv", "b.csv", "c.parquet", "d.npz")]
    assert found[0].evidence["verdict"] == "use"
    assert found[0].evidence["after"] - found[0].evidence["before"] > 0.1
    for other in found[1:]:
        np.testing.assert_allclose(other.offset, found[0].offset, atol=1e-6)
        assert other.evidence["gain_interval"] == pytest.approx(found[0].evidence["gain_interval"], abs=1e-9)
    rounded = Fix.from_predictions(frame.round(dict.fromkeys(names, 2)), kind=kind)
    assert rounded.evidence["verdict"] == "use"


def test_accuracy_under_a_uniform_prior_is_said_to_be_balanced_accuracy():
    target = np.repeat([0, 1], [60, 30])
    logits = np.random.default_rng(0).normal(size=(90, 2)) + np.eye(2)[target]
    for prior, said in (("uniform", True), ("here", False)):
        notes = Fix.from_predictions((logits, target), metric="accuracy", prior=prior, repeats=1).evidence["notes"]
        assert any("equals balanced accuracy" in note for note in notes) == said
    assert Fix.from_predictions((logits, target), repeats=1).evidence["notes"] == []


def test_a_limit_like_a_fraction_is_said_to_be_in_percentage_points(table, tmp_path, capsys):
    command = ["fix", str(table), "--out", str(tmp_path / "fix.json"), "--report", "none", "--repeats", "1"]
    assert main([*command, "--max-accuracy-loss", "0.02", "--max-class-loss", "0.1"]) == 0
    said = capsys.readouterr().err
    assert "note: --max-accuracy-loss 0.02 is 0.02 percentage points. For 2 points: --max-accuracy-loss 2\n" in said
    assert "note: --max-class-loss 0.1 is 0.1 percentage points. For 10 points: --max-class-loss 10\n" in said


def test_other_limits_are_taken_as_they_are(scores):
    logits, target = scores
    for limit in (0, 0.5, 2):
        found = diagnose_predictions(
            read_predictions({"logits": logits, "target": target}), repeats=1, max_accuracy_loss=limit
        )
        assert not any("percentage points" in note for note in found.fix.evidence["notes"])
