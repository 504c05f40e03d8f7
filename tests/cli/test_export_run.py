"""`longtail export RUN`, compared with what `longtail predict` gives."""

import dataclasses
import json

import numpy as np
import onnx
import onnxruntime
import pytest

import longtail
from auto.photographs import SETTINGS, write_photographs
from longtail.cli import main
from longtail.data import Samples, image_loader
from longtail.repair import Fix
from training.own import feature_table

RUN = {"epochs": 20, "batch_size": 16, "device": "cpu", "threads": 1, "precision": "float32"}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return write_photographs(tmp_path_factory.mktemp("photographs") / "animals")


@pytest.fixture(scope="module")
def run(photographs, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGTAIL_CACHE", str(out / "cache"))
        return longtail.fit(photographs, out=out / "run", crop_pct=0.8, **RUN, **SETTINGS)


def prepared(paths, model):
    """Images as bytes, prepared as the metadata of the file say."""
    metadata = {entry.key: json.loads(entry.value) for entry in onnx.load(model).metadata_props}
    how = metadata["longtail.preprocessing"]
    names = tuple(metadata["longtail.class_names"])
    samples = Samples(np.zeros(len(paths), np.int64), names, files=tuple(map(str, paths)))
    load = image_loader(samples, how["input_shape"][1], how["crop_pct"], how["interpolation"])
    return np.stack([load(index) for index in range(len(paths))]).transpose(0, 3, 1, 2)


@pytest.mark.slow
def test_the_probabilities_of_the_file_are_those_of_predict(run, photographs, tmp_path, capsys):
    model = tmp_path / "model.onnx"
    assert main(["export", str(run.path), "--onnx", str(model), "--probabilities"]) == 0
    shown = capsys.readouterr().out
    assert f"fix: {run.path / 'fix.json'}, which longtail predict applies too; --fix none leaves it out" in shown
    assert "images uint8 (N, 3, 16, 16) to class, class_name (the decision) and the probabilities of the fix" in shown
    paths = sorted(photographs.rglob("*.png"))
    session = onnxruntime.InferenceSession(model)
    index, names, probabilities = session.run(None, {"images": prepared(paths, model)})
    predictor = longtail.load(run.path)
    np.testing.assert_allclose(probabilities, predictor.probabilities(paths), atol=1e-4)
    decided = predictor.fix.predict(predictor.logits(paths).numpy())
    assert index.tolist() == decided.tolist()
    assert names.tolist() == [predictor.class_names[place] for place in decided]


@pytest.mark.slow
def test_without_the_fix_and_with_another_one(run, photographs, tmp_path, capsys):
    paths = sorted(photographs.rglob("*.jpg"))
    raw = longtail.load(run.path).logits(paths).numpy()
    own = Fix.load(run.path / "fix.json")
    other = dataclasses.replace(own, offset=np.array([3.0, 0.0, -3.0]), temperature=2.0)
    for fix, expected in (("none", raw), (str(other.save(tmp_path / "other.json")), other(raw) / 2)):
        model = tmp_path / f"{len(fix)}.onnx"
        assert main(["export", str(run.path), "--onnx", str(model), "--fix", fix]) == 0
        assert ("fix: " in capsys.readouterr().out) == (fix != "none")
        found = onnxruntime.InferenceSession(model).run(None, {"images": prepared(paths, model)})[0]
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_a_run_on_features_is_exported_in_both_forms(tmp_path, capsys):
    features, labels = feature_table()
    run = longtail.fit((features, labels), out=tmp_path / "run", **RUN)
    model, folder = tmp_path / "model.onnx", tmp_path / "model"
    command = ["export", str(run.path), "--onnx", str(model), "--safetensors", str(folder), "--probabilities"]
    assert main(command) == 0
    assert "features float32 (N, 5) to class" in capsys.readouterr().out
    found = onnxruntime.InferenceSession(model).run(["probabilities"], {"features": features})[0]
    np.testing.assert_allclose(found, longtail.load(run.path).probabilities(features), atol=1e-4)
    assert (folder / "README.md").is_file()


@pytest.mark.parametrize("options", [["--onnx", "new"], ["--onnx", "new", "--probabilities"], ["--safetensors", "new"]])
@pytest.mark.slow
def test_a_fix_of_other_classes_is_refused(run, options, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = Fix.load(run.path / "fix.json")
    names = ("green frog", "red deer", "otter")
    dataclasses.replace(own, class_names=names).save("otters.json")
    assert main(["export", str(run.path), *options, "--fix", "otters.json"]) == 2
    assert "It has otter, which the model lacks; the model has blue, whale" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["otters.json"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--onnx FILE or --safetensors DIR is missing"),
        (["--safetensors", "new", "--probabilities"], "--probabilities belongs to --onnx"),
        (["--safetensors", "there"], "--safetensors must not exist yet"),
        (["--safetensors", "no/new"], "--safetensors must be in a folder that exists"),
        (["--onnx", "new.onnx", "--fix", "missing.json"], "missing.json"),
    ],
)
def test_options_that_do_not_fit_are_refused(run, options, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    assert main(["export", str(run.path), *options]) == 2
    assert message in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["there"]


def test_one_path_for_both_is_refused_before_any_is_written(run, tmp_path, capsys):
    path = str(tmp_path / "model")
    assert main(["export", str(run.path), "--onnx", path, "--safetensors", path]) == 2
    assert "--safetensors must be another path than --onnx" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
