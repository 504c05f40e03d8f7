import dataclasses
import shlex

import numpy as np
import pytest

from longtail.repair import Fix, diagnose
from longtail.reports.next_steps import next_steps

NAMES = ["cat", "$(dog)", "lynx"]


def found(slant, number=300, kind="logits"):
    rng = np.random.default_rng(0)
    target = np.arange(number) % 3
    logits = rng.normal(size=(number, 3)) + 2 * np.eye(3)[target] + slant * np.array([3.0, 1.0, 0.0])
    if kind == "probabilities":
        logits = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return diagnose(logits, target, kind=kind, class_names=NAMES), logits


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.slow
def test_the_python_lines_serve_the_fix(tmp_path, kind):
    own, scores = found(1.0, kind=kind)
    assert own.verdict == "use"
    file = own.fix.save(tmp_path / 'it\'s a "fix".json')
    sentence, code = next_steps(own, file)[0]
    assert kind in sentence
    *lines, last = code.splitlines()
    assert last == f"fix.predict({kind})"
    scope = {kind: scores}
    exec("\n".join([*lines, f"decided = {last}"]), scope)
    np.testing.assert_array_equal(scope["decided"], Fix.load(file).predict(scores))


@pytest.mark.slow
def test_commands_are_quoted_and_hold_no_class_name(tmp_path):
    own, _ = found(1.0)
    file = tmp_path / "a b" / "fix.json"
    commands = [code for _, code in next_steps(own, file) if code.startswith("longtail")]
    assert [shlex.split(command) for command in commands] == [
        ["longtail", "export", "model.onnx", "--fix", str(file), "--onnx", "fixed.onnx"],
        ["longtail", "export", str(file), "--to", "sql"],
        ["longtail", "evaluate", "new.csv", "--fix", str(file)],
    ]
    assert not any("dog" in code for _, code in next_steps(own, file))


@pytest.mark.slow
def test_where_there_is_nothing_to_serve_it_says_what_helps(tmp_path):
    own, _ = found(0.0, number=3000)
    assert own.verdict == "keep"
    helps = dataclasses.replace(own.calibration, helps=True)
    steps = next_steps(dataclasses.replace(own, calibration=helps), tmp_path / "fix.json")
    assert steps[0][1].endswith("fix.predict_proba(logits)")
    assert "lowest recall" in steps[-1][0]
    helps_not = dataclasses.replace(own.calibration, helps=False)
    steps = next_steps(dataclasses.replace(own, calibration=helps_not), tmp_path / "fix.json")
    assert steps[0][0].startswith("There is no correction to apply")


def test_with_too_few_samples_it_names_the_classes(tmp_path):
    own, _ = found(0.1, number=20)
    assert own.verdict == "too few"
    assert "fewest samples: lynx (6), cat (7), $(dog) (7)." in next_steps(own, tmp_path / "fix.json")[-1][0]
