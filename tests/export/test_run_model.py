"""The network of a run and the fix that is exported with it."""

import dataclasses
import json
import shutil

import numpy as np
import onnxruntime
import pytest
import torch

import longtail
from export.cases import KINDS_OF_RUNS, fix_of
from longtail.export import RunModel, export_onnx
from longtail.transforms import normalise

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", KINDS_OF_RUNS)
def test_every_kind_of_run_is_exported_with_its_fix(kind, runs, tmp_path):
    num_classes = len(runs[kind].data["class_names"])
    fix = fix_of(num_classes, names=tuple(runs[kind].data["class_names"]))
    model = RunModel.open(runs[kind].path, fix)
    assert model.fix is not None
    path = export_onnx(
        model.network, tmp_path / "n.onnx", model.onnx_input, fix=model.fix, class_names=model.class_names
    )
    generator = torch.Generator().manual_seed(1)
    if len(model.input_shape) == 1:
        given = inputs = torch.randn(9, *model.input_shape, generator=generator)
    else:
        given = torch.randint(0, 256, (9, *model.input_shape), dtype=torch.uint8, generator=generator)
        inputs = normalise(given, model.info.mean, model.info.std)
    with torch.no_grad():
        expected = model.fix(model.network(inputs)).numpy() / fix.temperature
    found = onnxruntime.InferenceSession(path).run(None, {model.onnx_input.name: given.numpy()})[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_the_fix_of_the_run_is_used_unless_another_is_named(runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs["features"].path, run)
    assert RunModel.open(run).notes == ("no fix: the run has no fix.json",)
    fix = fix_of(3, names=("ant", "bee", "cow"))
    fix.save(run / "fix.json")
    model = RunModel.open(run)
    assert (model.fix.offset == fix.offset).all()
    assert "which longtail predict applies too" in model.notes[0]
    assert (model.fix.offset == longtail.load(run).fix.offset).all()
    assert RunModel.open(run, None).fix is None
    other = dataclasses.replace(fix, temperature=9.0).save(tmp_path / "other.json")
    assert RunModel.open(run, other).fix.temperature == 9.0
    dataclasses.replace(fix, class_names=("ant", "bee", "yak")).save(run / "fix.json")
    with pytest.raises(ValueError, match="It has yak, which the model lacks; the model has cow"):
        RunModel.open(run)


@pytest.mark.parametrize(
    "head",
    [
        5,
        {"classifier": "linear", "num_classes": None, "input_shape": [5]},
        {"classifier": "linear", "num_classes": 3, "input_shape": 5},
        {"classifier": {}, "num_classes": 3, "input_shape": [5]},
        {"num_classes": 3, "input_shape": [5]},
    ],
)
def test_a_network_that_the_result_tells_wrongly_is_damaged(runs, tmp_path, head):
    run = shutil.copytree(runs["features"].path, tmp_path / "run")
    file = run / "result.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"network": head}))
    with pytest.raises(
        ValueError, match=r"result\.json is damaged: its `network` must (be an object|have `classifier`)"
    ):
        RunModel.open(run)


@pytest.mark.parametrize("spoilt", ["nothing", 5, "nan"])
def test_weights_that_are_none_are_said_to_be_damaged(runs, tmp_path, spoilt):
    run = shutil.copytree(runs["features"].path, tmp_path / "run")
    weights = torch.load(run / "weights.pt", weights_only=True)
    if spoilt == "nan":
        weights["model"]["classifier.weight"][0, 0] = torch.nan
    torch.save(
        {"nothing": {}} if spoilt == "nothing" else weights if spoilt == "nan" else {"model": 5}, run / "weights.pt"
    )
    with pytest.raises(ValueError, match=r"weights\.pt must hold (finite numbers|the weights of)"):
        RunModel.open(run)
