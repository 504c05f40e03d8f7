import dataclasses
import json

import numpy as np
import pytest

from longtail.cli import main
from longtail.recipes import digits_lt
from longtail.repair import Fix, evaluate_fix
from longtail.training import run_experiment, trained_network

NAMES = ("cat", "dog", "lynx")


def predictions(seed, kind="logits"):
    rng = np.random.default_rng(seed)
    target = rng.choice(3, 600, p=[0.6, 0.3, 0.1])
    logits = rng.normal(size=(600, 3)) + 2 * np.eye(3)[target] + np.array([2.0, 1.0, 0.0])
    if kind == "probabilities":
        logits = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        logits[:3] = [1, 0, 0]
    return logits, target


def write_table(path, logits, target, order=(0, 1, 2)):
    rows = [
        [NAMES[label], *(repr(float(row[place])) for place in order)] for row, label in zip(logits, target, strict=True)
    ]
    header = ["label", *(NAMES[place] for place in order)]
    path.write_text("\n".join(",".join(row) for row in [header, *rows]) + "\n")
    return str(path)


@pytest.fixture(params=["logits", "probabilities"])
def fixed(tmp_path, request):
    old = write_table(tmp_path / "old.csv", *predictions(0, request.param))
    out = tmp_path / "fix.json"
    assert main(["fix", old, "--kind", request.param, "--out", str(out), "--report", "none"]) == 0
    return out, request.param


@pytest.mark.slow
def test_a_fix_is_watched(fixed, tmp_path, capsys, monkeypatch):
    out, kind = fixed
    monkeypatch.setenv("COLUMNS", "80")
    logits, target = predictions(1, kind)
    new = write_table(tmp_path / "new.csv", logits, target, order=(2, 0, 1))
    capsys.readouterr()
    assert main(["evaluate", new, "--fix", str(out)]) == 0
    printed = capsys.readouterr().out
    found = evaluate_fix(Fix.load(out), logits, target)
    before, after = (f"{100 * own.score:.1f}" for own in (found.before, found.after))
    row = next(line.split() for line in printed.splitlines() if line.startswith("balanced accuracy"))
    assert row[2:5] == [before, after, f"{100 * found.gain:+.1f}"]
    assert f"The fix still helps: balanced accuracy {before} → {after}" in printed
    table = printed[printed.index("600 samples") : printed.index("The fix still")]
    assert all(len(line.rstrip()) <= 80 for line in table.splitlines())
    assert [line.split()[1] for line in table.splitlines() if line.startswith("recall")] == ["cat", "dog", "lynx"]


@pytest.mark.parametrize("width", [40, 50, 60])
@pytest.mark.slow
def test_a_narrow_terminal_keeps_names_and_scores(fixed, tmp_path, capsys, monkeypatch, width):
    out, kind = fixed
    monkeypatch.setenv("COLUMNS", str(width))
    logits, target = predictions(1, kind)
    new = write_table(tmp_path / "new.csv", logits, target)
    capsys.readouterr()
    assert main(["evaluate", new, "--fix", str(out)]) == 0
    printed = capsys.readouterr().out
    found = evaluate_fix(Fix.load(out), logits, target)
    row = next(line for line in printed.splitlines() if line.startswith("balanced")).split()
    for own in (found.before, found.after):
        assert f"{100 * own.score:.1f}" in row


@pytest.mark.slow
def test_json(fixed, tmp_path, capsys):
    out, kind = fixed
    logits, target = predictions(1, kind)
    new = write_table(tmp_path / "new.csv", logits, target)
    capsys.readouterr()
    assert main(["evaluate", new, "--fix", str(out), "--json"]) == 0
    printed, found = json.loads(capsys.readouterr().out), evaluate_fix(Fix.load(out), logits, target)
    assert printed["verdict"] == "helps"
    assert printed["interval"] == pytest.approx(list(found.interval))
    assert printed["after"]["score"] == pytest.approx(found.after.score)
    assert printed["by_class"]["recall"][1] == pytest.approx(found.by_class.recall[1].tolist())


@pytest.mark.slow
def test_a_run(tmp_path, capsys):
    folder = run_experiment(digits_lt(epochs=2, validation=0.2), data=None, out=tmp_path / "run")
    out = tmp_path / "fix.json"
    assert main(["fix", str(folder.path), "--out", str(out), "--report", "none"]) == 0
    fix, (logits, target) = Fix.load(out), folder.load_predictions("test")
    for part, warned in (("test", False), ("validation", True)):
        capsys.readouterr()
        assert main(["evaluate", str(folder.path), "--fix", str(out), "--part", part]) == 0
        assert ("probably the samples that the fix was fitted on" in capsys.readouterr().out) == warned
    assert main(["evaluate", str(folder.path), "--fix", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["before"]["accuracy"] == pytest.approx(float((logits.argmax(1) == target).mean()))
    for option, value in (("--root", "x"), ("--label", "x"), ("--path-column", "x"), ("--on-bad-file", "skip")):
        assert main(["evaluate", str(folder.path), option, value]) == 2
        assert f"{option} can only be used with --data" in capsys.readouterr().err
    assert main(["evaluate", str(folder.path), "--part", "test"]) == 2
    assert "--part can only be used with --data or --fix" in capsys.readouterr().err
    network = trained_network(folder)
    assert network.class_names == fix.class_names
    with pytest.raises(ValueError, match="must be the classes of the model"):
        dataclasses.replace(fix, class_names=tuple("abcdefghij")).fold_into(network)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--fix must be given to evaluate predictions"),
        (["--json", "--kind", "logits"], "--kind, --json can only be used with --fix"),
        (["--fix", "FIX", "--converge"], "longtail: --converge cannot be used with --fix"),
        (["--fix", "FIX", "--root", "x", "--fit-on", "y"], "longtail: --fit-on, --root cannot be used with --fix"),
        (["--fix", "none.json"], "none.json"),
        (["--fix", "FIX", "--kind", "probabilities"], "must hold probabilities"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, arguments, message):
    table = write_table(tmp_path / "new.csv", *predictions(1))
    even = np.full(3, 1 / 3)
    fix = Fix(np.zeros(3), 1.0, np.zeros(3), even, NAMES, "balanced accuracy", "by hand").save(tmp_path / "fix.json")
    assert main(["evaluate", table, *(str(fix) if text == "FIX" else text for text in arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("suffix", ["csv", "npz"])
def test_other_classes_are_refused(tmp_path, capsys, suffix):
    logits, target = predictions(1)
    path = tmp_path / f"new.{suffix}"
    if suffix == "csv":
        write_table(path, logits, target)
    else:
        np.savez(path, logits=logits, target=target, class_names=np.array(NAMES))
    even = np.full(3, 1 / 3)
    names = ("apple", "pear", "fig")
    fix = Fix(np.zeros(3), 1.0, np.zeros(3), even, names, "balanced accuracy", "by hand").save(tmp_path / "fix.json")
    assert main(["evaluate", str(path), "--fix", str(fix)]) == 2
    error = capsys.readouterr().err
    if suffix == "csv":
        assert f"The classes of {fix} must name columns of" in error
    assert "'apple', 'pear', 'fig'" in error


def test_other_labels_are_refused_without_an_option_that_the_command_lacks(tmp_path, capsys):
    path = tmp_path / "new.csv"
    path.write_text("label,cat,dog\ncat,2,0\nDog,0,1\n")
    even = np.full(2, 1 / 2)
    fix = Fix(np.zeros(2), 1.0, np.zeros(2), even, ("cat", "dog"), "accuracy", "by hand").save(tmp_path / "fix.json")
    assert main(["evaluate", str(path), "--fix", str(fix)]) == 2
    assert f"use the class names as labels, which are those of {fix}." in capsys.readouterr().err


def test_nothing_to_evaluate_is_refused(capsys):
    assert main(["evaluate"]) == 2
    assert "RUN or FILE must be given. Got none. Try longtail evaluate" in capsys.readouterr().err
