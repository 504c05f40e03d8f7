"""Folders of weights, configuration and README, loaded again by timm and by longtail."""

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from export.cases import KINDS_OF_RUNS, fix_of
from longtail.export import RunModel, export_safetensors, load_model
from longtail.recipes import second_stage
from longtail.training import run_experiment
from training.own import feature_table, features_config

pytestmark = pytest.mark.slow


def inputs_for(model):
    return torch.randn(6, *model.input_shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", KINDS_OF_RUNS)
def test_the_readme_loads_a_network_with_the_same_logits(kind, runs, tmp_path, monkeypatch):
    model = RunModel.open(runs[kind].path)
    folder = export_safetensors(model, tmp_path / "model")
    assert {file.name for file in folder.iterdir()} == {"model.safetensors", "config.json", "README.md"}
    monkeypatch.chdir(folder)
    code = re.search(r"^```python\n(.*?)^```", (folder / "README.md").read_text(), re.M | re.S)[1]
    assert len(code.splitlines()) == 3
    served: dict[str, Any] = {}
    exec(code, served)
    inputs = inputs_for(model)
    with torch.no_grad():
        expected = model.network(inputs)
        torch.testing.assert_close(served["model"](inputs), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(load_model(folder)(inputs), expected, rtol=1e-4, atol=1e-4)
    summary = {"features": "A linear classifier for 3", "calibrated": "A calibrated-linear classifier for 3"}
    assert summary.get(kind, f"`{model.config.model}` for") in (folder / "README.md").read_text()
    assert (kind == "timm") == ("timm" in code)
    if kind == "timm":
        assert tuple(served["model"].pretrained_cfg["label_names"]) == ("ant", "bee", "cow")
        assert served["transform"](Image.new("RGB", (50, 40))).shape == (3, 32, 32)
    else:
        assert served["class_names"] == model.class_names


@pytest.mark.parametrize("kind", ["timm", "own network", "features"])
def test_a_fix_is_folded_in_and_the_readme_says_so(kind, runs, tmp_path):
    fix = fix_of(3, names=("cow", "ant", "bee"))
    model = RunModel.open(runs[kind].path, fix)
    assert model.fix is not None
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


def test_the_readme_says_where_a_fix_changes_nothing(runs, tmp_path):
    nothing = {"offset": np.zeros(3), "probability_offset": np.zeros(3), "temperature": 1.0}
    fix = fix_of(3, names=("ant", "bee", "cow"), **nothing)
    folder = export_safetensors(RunModel.open(runs["features"].path, fix), tmp_path / "model")
    text = (folder / "README.md").read_text()
    assert "verdict: use) changes nothing" in text
    assert "| model |" not in text  # features pass through no network
    assert "calibrated" not in text


@pytest.mark.parametrize("kind", ["cosine", "calibrated"])
def test_any_classifier_holds_a_fix_that_leaves_the_logits_as_they_are(kind, runs, tmp_path):
    model = RunModel.open(runs[kind].path, fix_of(3, names=("ant", "bee", "cow"), offset=np.zeros(3), temperature=1.0))
    folder = export_safetensors(model, tmp_path / "model")
    inputs = inputs_for(model)
    with torch.no_grad():
        torch.testing.assert_close(load_model(folder)(inputs), model.network(inputs), rtol=1e-4, atol=1e-4)


def test_the_readme_of_a_run_on_tables_counts_samples_and_names_files_without_their_folders(tmp_path):
    features, labels = feature_table()
    table = pd.DataFrame(features, columns=[f"x{i}" for i in range(features.shape[1])]).assign(label=labels)
    for name in ("own.csv", "other.csv"):
        table.to_csv(tmp_path / name, index=False)
    config = features_config(test=str(tmp_path / "other.csv"))
    run = run_experiment(config, data=tmp_path / "own.csv", out=tmp_path / "run")
    text = (export_safetensors(RunModel.open(run.path), tmp_path / "model") / "README.md").read_text()
    number, size = sum(run.data["class_counts"]), features.shape[1]
    assert f"trained on {number} samples of {size} features with longtail" in text
    assert "- own.csv: labels are read" in text
    assert "- other.csv: labels are read" in text
    assert str(tmp_path) not in text


def test_the_readme_names_what_is_beside_the_loss_of_either_stage(tmp_path):
    run = run_experiment(features_config(sam_radius=0.05), data=feature_table(), out=tmp_path / "run")
    config = second_stage(run, "disalign")
    second = run_experiment(config, data=feature_table(), out=tmp_path / "second", first_stage=run)
    text, of_second = (
        (export_safetensors(RunModel.open(path), tmp_path / f"model of {path.name}") / "README.md").read_text()
        for path in (run.path, second.path)
    )
    assert "| sam_radius | 0.05 |" in text.replace("\\", "")
    assert "| first stage: sam_radius | 0.05 |" in of_second.replace("\\", "")
    assert "contrastive" not in text + of_second


def test_what_can_not_be_exported_leaves_nothing(runs, tmp_path):
    fix = fix_of(3, names=("ant", "bee", "cow"))
    for kind, classifier in (("cosine", "CosineClassifier"), ("calibrated", "AdaptiveCalibration")):
        with pytest.raises(ValueError, match=f"must be linear to hold the fix. It is a {classifier}"):
            export_safetensors(RunModel.open(runs[kind].path, fix), tmp_path / "model")
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
    del config["longtail"]["network"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"config\.json is damaged: it must have `longtail\.network`"):
        load_model(folder)
    for text in ("[" * 100_000, "[1]", "{"):
        (folder / "config.json").write_text(text)
        with pytest.raises(ValueError, match="of this version"):
            load_model(folder)


def test_class_names_can_not_break_the_tables_of_the_readme(tmp_path):
    features, labels = feature_table()
    names = {"ant": "a|b\n# c", "bee": "<b>_x_&lt;~$", "cow": "fish_01"}
    labels = np.array([names[label] for label in labels])
    run = run_experiment(features_config(), data=(features, labels), out=tmp_path / "run")
    text = (export_safetensors(RunModel.open(run.path), tmp_path / "model") / "README.md").read_text()
    assert r"| a\|b\\n# c | 1" in text
    assert r"| \<b\>\_x\_\&lt;\~\$ |" in text
    assert "| fish_01 |" in text
