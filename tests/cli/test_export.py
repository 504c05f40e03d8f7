import json

import numpy as np
import onnxruntime
import pytest

from export.cases import fix_of
from export.onnx_models import classifier
from longtail.cli import main
from longtail.export import fix_code

NAMES = ("cat", "lynx", "puma", "tiger")


@pytest.fixture
def fix(tmp_path):
    return fix_of(4, names=NAMES).save(tmp_path / "fix.json")


@pytest.mark.parametrize("to", ["python", "numpy", "sql", "javascript", "sklearn"])
def test_code_is_printed_or_written(fix, to, tmp_path, capsys):
    assert main(["export", str(fix), "--to", to]) == 0
    printed = capsys.readouterr().out
    assert printed == fix_code(fix_of(4, names=NAMES), to)
    assert main(["export", str(fix), "--to", to, "--out", str(tmp_path / "served")]) == 0
    assert (tmp_path / "served").read_text(encoding="utf-8") == printed
    assert main(["export", str(fix), "--to", to, "--out", str(tmp_path / "served")]) == 2
    assert "--out must not exist yet" in capsys.readouterr().err


def test_sql_has_options_of_its_own(fix, capsys):
    assert main(["export", str(fix), "--to", "sql", "--table", "scores", "--id", "sample"]) == 0
    printed = capsys.readouterr().out
    assert 't."sample"' in printed
    assert 'FROM "scores" AS t' in printed
    assert main(["export", str(fix), "--to", "numpy", "--id", "sample"]) == 2
    assert "--table and --id belong to --to sql. Got --to numpy" in capsys.readouterr().err


def test_a_fix_alone_as_onnx(fix, tmp_path, capsys):
    assert main(["export", str(fix), "--to", "onnx"]) == 2
    assert "--to onnx needs --out FILE" in capsys.readouterr().err
    assert main(["export", str(fix), "--to", "onnx", "--out", str(tmp_path / "fix.onnx")]) == 0
    scores = np.eye(4, dtype=np.float32) * 9
    found = onnxruntime.InferenceSession(tmp_path / "fix.onnx").run(["class_name"], {"scores": scores})[0]
    assert found.tolist() == [NAMES[index] for index in fix_of(4, names=NAMES).predict(scores)]


def test_a_fix_behind_a_model_of_another_tool(fix, tmp_path, capsys):
    model = classifier(tmp_path / "m.onnx", 4, id2label=json.dumps(dict(enumerate(NAMES[::-1]))))
    np.savez(tmp_path / "inputs.npz", x=np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32))
    command = ["export", str(model), "--fix", str(fix), "--onnx", str(tmp_path / "fixed.onnx")]
    assert main([*command, "--inputs", str(tmp_path / "inputs.npz"), "--output", "logits"]) == 0
    shown = capsys.readouterr().out
    assert (
        "classes matched by name, in the order of m.onnx: tiger, puma, lynx, cat (from its metadata id2label)" in shown
    )
    assert "class, class_name: the decision; probabilities: its probabilities" in shown
    assert (tmp_path / "fixed.onnx").exists()
    assert main(command) == 2
    assert "--onnx must not exist yet" in capsys.readouterr().err


def test_without_names_the_order_must_be_assumed(fix, tmp_path, capsys):
    model = classifier(tmp_path / "m.onnx", 4)
    command = ["export", str(model), "--fix", str(fix), "--onnx", str(tmp_path / "fixed.onnx")]
    assert main(command) == 2
    assert "cat, lynx, puma, tiger, say so with --assume-order" in capsys.readouterr().err
    assert main([*command, "--assume-order"]) == 0
    assert "m.onnx names no classes: matched by place, cat, lynx, puma, tiger" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("fix.json", ["--to", "sql", "--onnx", "x.onnx"], "--onnx does not belong to a fix"),
        ("fix.json", [], "--to python, numpy, sql, javascript, sklearn or onnx is missing"),
        ("m.onnx", ["--fix", "fix.json"], "--onnx is missing"),
        ("m.onnx", ["--onnx", "x.onnx"], "Add --fix fix.json"),
        ("m.onnx", ["--onnx", "x.onnx", "--to", "sql"], "--to does not belong to an ONNX model"),
        ("m.onnx", ["--onnx", "no/x.onnx", "--fix", "fix.json"], "--onnx must be in a folder that exists"),
        ("m.onnx", ["--onnx", "x.onnx", "--fix", "fix.json", "--inputs", "fix.json"], "--inputs must be an npz file"),
        (".", ["--onnx", "x.onnx", "--output", "logits"], "--output does not belong to a run"),
        ("none.json", ["--to", "sql"], "none.json is missing"),
        ("text.json", ["--to", "sql"], "must name a file written by `save`"),
        ("text.json", [], "text.json must be a run, an ONNX model (.onnx) or a fix of longtail fix. "),
    ],
)
def test_options_of_another_kind_and_bad_input_are_refused(
    fix, source, options, message, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    classifier(tmp_path / "m.onnx", 4)
    (tmp_path / "text.json").write_text("{")
    before = sorted(tmp_path.iterdir())
    assert main(["export", source, *options]) == 2
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before
