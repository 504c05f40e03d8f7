"""Folders of weights, configuration and README, loaded again by timm and by longtail."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import longtail
from export.cases import fix_of
from longtail.export import RunModel, export_safetensors, load_model
from longtail.recipes.second_stages import second_stage
from longtail.training import run_experiment
from training.own import feature_table, features_config, scratch_config, write_photographs


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return write_photographs(tmp_path_factory.mktemp("photographs") / "animals")


@pytest.fixture(scope="module")
def runs(photographs, tmp_path_factory):
    """Runs by what they were trained on and how."""
    out = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGTAIL_CACHE", str(out / "cache"))
        timm = features_config(model="test_efficientnet", loss="ce", size=32)
        runs = {
            "timm": run_experiment(timm, data=photographs, out=out / "timm"),
            "own network": run_experiment(scratch_config(), data=photographs, out=out / "own"),
            "cosine": run_experiment(scratch_config(loss="ldam"), data=photographs, out=out / "cosine"),
            "features": run_experiment(features_config(), data=feature_table(), out=out / "features"),
        }
        first = runs["own network"]
        config = second_stage(first, "ncm")
        runs["second stage"] = run_experiment(config, data=photographs, out=out / "ncm", first_stage=first)
    return runs


KINDS = ["timm", "own network", "cosine", "features", "second stage"]


def inputs_for(model):
    return torch.randn(6, *model.input_shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", KINDS)
def test_the_readme_loads_a_network_with_the_same_logits(kind, runs, tmp_path, monkeypatch):
    model = RunModel.open(runs[kind].path)
    folder = export_safetensors(model, tmp_path / "model")
    assert {file.name for file in folder.iterdir()} == {"model.safetensors", "config.json", "README.md"}
    monkeypatch.chdir(folder)
    code = re.search(r"^```python\n(.*?)^```", (folder / "README.md").read_text(), re.M | re.S)[1]
    assert len(code.splitlines()) == 3
    served = {}
    exec(code, served)
    inputs = inputs_for(model)
    with torch.no_grad():
        expected = model.network(inputs)
        torch.testing.assert_close(served["model"](inputs), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(load_model(folder)(inputs), expected, rtol=1e-4, atol=1e-4)
    assert (kind == "timm") == ("timm" in code)
    if kind == "timm":
        assert tuple(served["model"].pretrained_cfg["label_names"]) == ("ant", "bee", "cow")
        assert served["transform"](Image.new("RGB", (50, 40))).shape == (3, 32, 32)
    else:
        assert served["class_names"] == ("ant", "bee", "cow")


@pytest.mark.parametrize("kind", ["timm", "own network", "features"])
def test_a_fix_is_folded_in_and_the_readme_says_so(kind, runs, tmp_path):
    fix = fix_of(3, names=("cow", "ant", "bee"))
    model = RunModel.open(runs[kind].path, fix)
    assert model.fix.class_names == ("ant", "bee", "cow")
    folder = export_safetensors(model, tmp_path / "model")
    inputs = inputs_for(model)
    with torch.no_grad():
        found = load_model(folder)(inputs).numpy()
        expected = model.fix(model.network(inputs)).numpy() / fix.temperature
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    text = (folder / "README.md").read_text()
    assert "The classifier holds a fix (metric: macro-f1;" in text
    assert "Their softmax is not calibrated" in text
    for name, offset in zip(model.fix.class_names, model.fix.offset, strict=True):
        assert re.search(rf"\| {name} \| .* \| {offset:.4f} \|$", text, re.M)


def test_the_readme_has_the_scores_counts_and_settings_of_the_run(runs, tmp_path):
    run = runs["timm"]
    text = (export_safetensors(RunModel.open(run.path), tmp_path / "model") / "README.md").read_text()
    raw = run.result["test"]["raw"]
    assert f"| the network alone | {100 * raw['top1']:.1f} | {100 * raw['balanced_accuracy']:.1f} |" in text
    assert "No fix is applied" in text
    assert "| loss | ce |" in text
    assert "| model | test_efficientnet |" in text
    assert "- data: animals" in text
    assert run.data["origin"] not in text
    for name, count in zip(run.data["class_names"], run.data["class_counts"], strict=True):
        assert f"| {name} | {count} |" in text


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


def test_what_can_not_be_exported_leaves_nothing(runs, tmp_path):
    fix = fix_of(3, names=("ant", "bee", "cow"))
    with pytest.raises(ValueError, match="must be linear to hold the fix. It is a CosineClassifier"):
        export_safetensors(RunModel.open(runs["cosine"].path, fix), tmp_path / "model")
    cost = fix_of(3, "cost", names=("ant", "bee", "cow"))
    with pytest.raises(ValueError, match="decides by costs"):
        export_safetensors(RunModel.open(runs["timm"].path, cost), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "model").mkdir()
    with pytest.raises(FileExistsError, match="must not exist yet"):
        export_safetensors(RunModel.open(runs["timm"].path), tmp_path / "model")


def test_a_folder_that_is_damaged_or_of_another_tool_is_refused(runs, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing"):
        load_model(tmp_path)
    folder = export_safetensors(RunModel.open(runs["own network"].path), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["longtail"]["format"] = 2
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="of this version"):
        load_model(folder)
    config["longtail"] |= {"format": 1, "model": "resnet14-cifar"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="must hold the weights of resnet14-cifar"):
        load_model(folder)


def test_class_names_can_not_break_the_tables_of_the_readme(tmp_path):
    features, labels = feature_table()
    names = {"ant": "a|b\n# c", "bee": "<b>_x_", "cow": "fish_01"}
    labels = np.array([names[label] for label in labels])
    run = run_experiment(features_config(), data=(features, labels), out=tmp_path / "run")
    text = (export_safetensors(RunModel.open(run.path), tmp_path / "model") / "README.md").read_text()
    assert r"| a\|b\\n# c | 1" in text
    assert r"| \<b\>\_x\_ |" in text
    assert "| fish_01 |" in text
