"""Run folders older than the settings `model` and `stage` can still be opened."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
import torch

from longtail.data import load_splits
from longtail.plain_json import to_json
from longtail.recipes.second_stages import second_stage
from longtail.reports.run_view import RunView
from longtail.runs import RunFolder
from longtail.training import SecondStageConfig, TrainingConfig, run_experiment, score, trained_network
from longtail.training.stored_config import stored_config
from training.tiny import tiny_config

CPU = torch.device("cpu")
LATER = ("stage", "model", "pretrained", "weights", "validation_per_class")


@pytest.fixture(scope="module")
def new(tiny_data, tmp_path_factory):
    from training.tiny import tiny_cifar10

    runs = {}
    with tiny_cifar10():
        for loss in ("ce", "ldam"):
            config = tiny_config(loss=loss, precision="float32", epochs=1)
            runs[loss] = run_experiment(config, data=tiny_data, out=tmp_path_factory.mktemp("new") / loss)
    return runs


def rewritten(path, change):
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def aged(new, path):
    """The folder as it would have been written before."""
    shutil.copytree(new.path, path)

    def header(content):
        config = {name: value for name, value in content["config"].items() if name not in LATER}
        return {**content, "config": {**config, "depth": 8}}

    rewritten(path / "run.json", header)
    rewritten(path / "result.json", lambda result: {k: v for k, v in result.items() if k != "network"})
    (path / "data.json").unlink()
    folder = RunFolder.open(path)
    weights = folder.load_weights()
    flat = {name.removeprefix("backbone."): tensor for name, tensor in weights["model"].items()}
    assert set(flat) != set(weights["model"])
    folder.save_weights({**weights, "model": flat})
    return folder


@pytest.fixture(params=["ce", "ldam"])
def pair(request, new, tmp_path):
    return aged(new[request.param], tmp_path / "old"), new[request.param]


@pytest.mark.slow
def test_its_network_is_that_of_the_new_folder(pair):
    old, new = (trained_network(folder) for folder in pair)
    assert type(old.classifier) is type(new.classifier)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(old(images), new(images))


def test_weights_that_name_the_backbone_do_without_a_described_network(new, tmp_path):
    old = aged(new["ce"], tmp_path / "old")
    shutil.copy(new["ce"].path / "weights.pt", old.path)
    assert trained_network(old)(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


def test_its_configuration_is_that_of_the_new_folder(pair):
    old, new = (stored_config(folder) for folder in pair)
    assert type(old) is TrainingConfig
    assert dataclasses.replace(old, pretrained=new.pretrained) == new
    assert (old.model, old.stage) == ("resnet8-cifar", "scratch")


def test_it_is_scored_and_shown_as_before(pair, tiny):
    old, new = pair
    assert to_json(score(old)) == to_json(score(new))  # NaN for classes without a sample
    shown = RunView(old, "old", data=tiny)
    assert shown.class_names == tuple(map(str, range(10)))
    np.testing.assert_array_equal(shown.recall, RunView(new, "new").recall)
    assert shown.geometry is not None
    assert shown.test_images(np.array([0]))[0].shape == (32, 32, 3)


@pytest.mark.slow
def test_a_second_stage_starts_from_it(new, tiny, tmp_path):
    old = aged(new["ce"], tmp_path / "old")
    config = second_stage(old, "crt", epochs=1)
    folder = run_experiment(config, data=tiny, out=tmp_path / "crt", first_stage=old)
    assert folder.result["first_stage"]["config"]["depth"] == 8
    assert type(stored_config(folder)) is SecondStageConfig
    network = trained_network(folder)
    with torch.no_grad():
        logits = torch.cat([network(x) for x in load_splits(tiny_config(), tiny, CPU).test.in_order()])
    np.testing.assert_allclose(logits.numpy(), folder.load_predictions("test")[0], rtol=1e-4, atol=1e-4)


def test_a_complete_one_is_left_as_it_is_when_it_is_resumed(pair, tiny):
    old, new = pair
    config = dataclasses.replace(stored_config(new), pretrained=None)
    assert run_experiment(config, data=tiny, out=old.path, resume=True).result == old.result
    with pytest.raises(ValueError, match=re.escape("`model` is 'resnet8-cifar', not 'resnet20-cifar'")):
        run_experiment(dataclasses.replace(config, model="resnet20-cifar"), data=tiny, out=old.path, resume=True)
