import dataclasses

import pytest
import torch
from torch import nn

from longtail.models import CosineClassifier, Network
from longtail.recipes.second_stages import second_stage
from longtail.training import classifier_precision, run_experiment
from longtail.training.frozen_features import ClassifierOfFeatures
from longtail.training.network import trained_network
from longtail.training.retrained_classifier import RetrainedClassifier
from training.own import feature_table, features_config

FEATURES = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=["features", "second stage"])
def made(request):
    """From a classifier to the model that a stage trains on features."""
    if request.param == "features":
        return ClassifierOfFeatures
    from longtail.training.second_stage_config import SecondStageConfig

    config = SecondStageConfig(classifier="new", learns="classifier")
    return lambda classifier: RetrainedClassifier(Network(nn.Identity(), classifier), 5, config)


def bits(logits):
    """The bits of mantissa that the logits use: bfloat16 has 8 with the leading one."""
    return 8 if torch.equal(logits.float(), logits.bfloat16().float()) else 24


@pytest.mark.parametrize(
    ("large", "dtype", "training", "expected"),
    [
        (True, torch.bfloat16, True, 8),
        (True, torch.bfloat16, False, 24),
        (True, torch.float16, True, 24),
        (False, torch.bfloat16, True, 24),
    ],
)
def test_only_large_classifiers_in_training_multiply_in_bfloat16(large, dtype, training, expected, made, monkeypatch):
    monkeypatch.setattr(classifier_precision, "LARGE", 40 if large else 41)
    model = made(nn.Linear(8, 5)).train(training)
    with torch.autocast("cpu", dtype):
        assert bits(model(FEATURES)) == expected


def test_without_autocast_and_for_other_classifiers_logits_are_float32(made, monkeypatch):
    monkeypatch.setattr(classifier_precision, "LARGE", 1)
    assert bits(made(nn.Linear(8, 5)).train()(FEATURES)) == 24
    with torch.autocast("cpu", torch.bfloat16):
        assert bits(made(CosineClassifier(8, 5, 16.0)).train()(FEATURES)) == 24


@pytest.mark.slow
def test_a_large_classifier_learns_and_is_scored_in_float32(tmp_path, monkeypatch):
    monkeypatch.setattr(classifier_precision, "LARGE", 1)
    data = feature_table()
    config = features_config(loss="ce", epochs=20, precision="bfloat16")
    first = run_experiment(config, data=data, out=tmp_path / "first")
    config = second_stage(first, "decoupled-gala", epochs=20)
    folder = run_experiment(config, data=data, out=tmp_path / "second", first_stage=first)
    precise = dataclasses.replace(config, precision="float32")
    other = run_experiment(precise, data=data, out=tmp_path / "float32", first_stage=first)
    for run in (first, folder):
        assert run.metrics[-1]["loss"] < run.metrics[0]["loss"] / 1.5
        assert run.result["network"]["classifier"] == "linear"
    assert trained_network(folder).classifier.weight.dtype == torch.float32
    assert bits(torch.from_numpy(folder.load_predictions("test")[0])) == 24
    assert folder.metrics[-1]["loss"] != other.metrics[-1]["loss"]
    assert folder.metrics[-1]["loss"] == pytest.approx(other.metrics[-1]["loss"], rel=0.02)
