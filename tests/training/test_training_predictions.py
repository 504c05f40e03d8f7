import numpy as np
import pytest
import torch

from longtail.data import FeatureViews, load_splits
from longtail.runs import RunFolder
from longtail.training import run_experiment, training_predictions
from longtail.training.training_predictions import kept_for_predictions
from training.own import feature_table, features_config, finetune_config, scratch_config, write_photographs
from training.tiny import tiny_config

CPU = torch.device("cpu")


def views(counts):
    target = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))[torch.randperm(sum(counts))]
    return FeatureViews(torch.arange(len(target)).float()[None, :, None], target)


@pytest.mark.parametrize(
    ("most", "expected"),
    [(300, [60, 30, 10]), (299, [59, 30, 10]), (3 * 35, [12, 12, 10]), (9, [1, 1, 1]), (0, [1, 1, 1])],
)
def test_as_many_of_each_class_as_fit(most, expected, monkeypatch):
    monkeypatch.setattr(training_predictions, "MOST_LOGITS", most)
    split = views([60, 30, 10])
    kept, note = kept_for_predictions(split, 3)
    assert isinstance(kept, FeatureViews)
    assert torch.bincount(kept.target).tolist() == expected
    chosen = kept.features[0, :, 0].long()
    assert chosen.equal(chosen.unique())  # in order, none twice
    assert split.target[chosen].equal(kept.target)
    assert (note is None) == (most == 300)
    assert note is None or note.startswith(f"predictions of the training samples are kept of {sum(expected)} of 100")


def splits_of_every_kind(tmp_path):
    photographs = write_photographs(tmp_path / "photographs")
    for config in (scratch_config(), finetune_config(), features_config()):
        yield load_splits(config, feature_table() if config.stage == "features" else photographs, CPU).train


def test_a_part_has_the_inputs_and_labels_of_its_samples(tmp_path, tiny):
    resident = load_splits(tiny_config(), tiny, CPU).train
    for split in (*splits_of_every_kind(tmp_path), resident):
        chosen = torch.tensor([5, 2, 9])
        part = split.take(chosen)
        assert part.target.equal(split.target[chosen])
        assert torch.cat([*part.in_order()]).equal(torch.cat([*split.in_order()])[chosen])
        assert len(part.augmented(None, torch.Generator().manual_seed(0))) == 3


@pytest.mark.slow
def test_a_run_of_many_classes_keeps_a_part_and_says_so(tmp_path, monkeypatch):
    data = write_photographs(tmp_path / "photographs")
    whole = run_experiment(finetune_config(epochs=1), data=data, out=tmp_path / "whole")
    monkeypatch.setattr(training_predictions, "MOST_LOGITS", 3 * 12)
    run = run_experiment(finetune_config(epochs=1), data=data, out=tmp_path / "run")
    for name in ("train", "augmented"):
        assert np.bincount(run.load_predictions(name)[1]).tolist() == [4, 4, 4]
    assert len(whole.load_predictions("train")[1]) > 12
    assert [note for note in run.result["notes"] if "are kept of 12 of" in note]
    assert not [note for note in whole.result["notes"] if "are kept of" in note]
    logits = run.load_predictions("train")[0]
    everything = whole.load_predictions("train")[0]
    assert all(np.isclose(everything, row, atol=1e-4).all(1).any() for row in logits)
    assert RunFolder.open(tmp_path / "run").result["test"]["raw"] == whole.result["test"]["raw"]
