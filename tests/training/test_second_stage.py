"""Second stages: which parameters change, and that their runs are runs like any other."""

import dataclasses
import os
import re
import shutil
import signal

import numpy as np
import pytest
import torch
from torch import nn

from longtail.cli import main
from longtail.data import load_splits
from longtail.models import CLASSIFIERS, CifarBackbone, ClassifierKind
from longtail.posthoc import NearestClassMean, TauNormalization
from longtail.recipes.second_stages import SECOND_STAGES, second_stage
from longtail.runs import RunFolder
from longtail.samplers import make_sampler
from longtail.training import (
    STAGES,
    OwnSecondStageConfig,
    Scratch,
    StageKind,
    TrainingConfig,
    TrainingStopped,
    run_experiment,
)
from longtail.training.epochs import Epochs, augmentation
from longtail.training.network import trained_network
from longtail.training.outputs import features_of
from longtail.training.retrained_classifier import RetrainedClassifier
from longtail.training.schedule import learning_rate
from longtail.training.second_stage import SecondStage
from longtail.training.stages import StageInput
from longtail.training.stored_config import stored_config
from reference import second_stages as reference
from training.own import feature_table, features_config, scratch_config, write_photographs
from training.test_resume import At, assert_same_end
from training.tiny import tiny_cifar10, tiny_config

CPU = torch.device("cpu")
META = {"meta_learning_rate": 0.01, "sampler": "shuffle", "loss": "balanced-softmax"}
AUTOCAST = torch.no_grad


def stage_and_epochs(config, first, splits, sampler=None):
    """The second stage, and the batches that it is trained on."""
    augment = augmentation(config.augmentations, splits.channels)
    stage = SecondStage(StageInput(config, splits, augment, CPU, AUTOCAST, first_stage=first))
    return stage, stage.batches(Epochs(splits.train, augment, 16, config.seed, sampler=sampler))


@pytest.fixture(scope="module")
def first(tiny_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("first")
    with tiny_cifar10():
        return run_experiment(tiny_config(loss="ce", precision="float32"), data=tiny_data, out=out / "ce-seed0")


@pytest.fixture
def run(first, tiny, tmp_path):
    def run_it(method, **settings):
        config = second_stage(first, method, **settings)
        return run_experiment(config, data=tiny, out=tmp_path / method, first_stage=first)

    return run_it


def weights(folder):
    return folder.load_weights()["model"]


def changed(folder, first):
    old, new = weights(first), weights(folder)
    return {name for name in old if name in new and not torch.equal(old[name], new[name])}


@pytest.mark.parametrize("method", SECOND_STAGES)
@pytest.mark.slow
def test_a_second_stage_is_a_run_like_any_other(method, run, first, tiny):
    folder = run(method)
    result = folder.result
    assert result["first_stage"]["folder"] == "ce-seed0"
    assert result["first_stage"]["config"]["loss"] == "ce"
    assert {"raw", "inductive", "transductive"} <= result["test"].keys()
    network = trained_network(folder)
    sets = load_splits(tiny_config(), tiny, CPU)
    with torch.no_grad():
        logits = torch.cat([network(images) for images in sets.test.in_order()])
    torch.testing.assert_close(logits.numpy(), folder.load_predictions("test")[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("made", [scratch_config, features_config])
@pytest.mark.slow
def test_own_data_have_second_stages_too(made, tmp_path, monkeypatch):
    monkeypatch.setenv("LONGTAIL_CACHE", str(tmp_path / "cache"))
    photographs = write_photographs(tmp_path / "photographs")
    first = run_experiment(made(loss="ce"), data=photographs, out=tmp_path / "first")
    config = second_stage(first, "crt", epochs=2, batch_size=8)
    folder = run_experiment(config, data=photographs, out=tmp_path / "crt", first_stage=first)
    stored = stored_config(folder)
    assert isinstance(stored, OwnSecondStageConfig)
    assert stored.size == 16
    network = trained_network(folder)
    sets = load_splits(stored_config(first), photographs, CPU)
    with torch.no_grad():
        logits = torch.cat([network(images) for images in sets.test.in_order()])
    torch.testing.assert_close(logits.numpy(), folder.load_predictions("test")[0], rtol=1e-4, atol=1e-4)
    assert changed(folder, first) == {"classifier.weight", "classifier.bias"}
    (photographs / "ant/0.png").rename(photographs / "ant/new.png")
    with pytest.raises(ValueError, match=r"`data` must be those of the first stage, .*first. Its samples or labels"):
        run_experiment(config, data=photographs, out=tmp_path / "other", first_stage=first)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("method", ["crt", "lws", "weight-balancing", "tau-norm"])
@pytest.mark.slow
def test_nothing_changes_but_the_classifier(method, run, first):
    assert changed(run(method), first) <= {"classifier.weight", "classifier.bias"}


@pytest.mark.slow
def test_lws_learns_one_scale_a_class_and_folds_it_in(run, first):
    old, new = weights(first), weights(run("lws"))
    scales = new["classifier.bias"] / old["classifier.bias"]
    assert (scales - 1).abs().max() > 1e-3
    torch.testing.assert_close(
        new["classifier.weight"], old["classifier.weight"] * scales[:, None], rtol=1e-4, atol=1e-6
    )


@pytest.mark.slow
def test_mislas_moves_the_statistics_of_batch_norm_and_no_weight_below_the_classifier(run, first):
    moved = changed(run("mislas"), first)
    assert {"backbone.bn.running_mean", "backbone.bn.running_var", "classifier.weight"} <= moved
    assert {name for name in moved if "running" not in name and "num_batches" not in name} == {
        "classifier.weight",
        "classifier.bias",
    }


@pytest.mark.slow
def test_weight_balancing_limits_the_norm_of_the_classifier_weights(run, first):
    lengths = weights(first)["classifier.weight"].norm(dim=1)
    longest = lengths.min() + 0.1 * (lengths.max() - lengths.min())
    cut = weights(run("weight-balancing", weight_decay=0.0))["classifier.weight"].norm(dim=1)
    assert cut.max() <= longest * (1 + 1e-5)
    assert (cut > longest * (1 - 1e-5)).any()


@pytest.mark.slow
def test_tau_and_class_means_are_those_of_the_post_hoc_objects(run, first, tiny):
    sets, network = load_splits(tiny_config(), tiny, CPU), trained_network(first)
    test = features_of(network, sets.test, AUTOCAST)
    means = NearestClassMean().fit(features_of(network, sets.train, AUTOCAST), sets.train.target, 10)
    np.testing.assert_array_equal(run("ncm").load_predictions("test")[0].argmax(1), means.predict(test).numpy())

    folder = run("tau-norm")
    assert folder.result["notes"][0].startswith("τ = 1, as no held-out samples")
    old, new = weights(first)["classifier.weight"], weights(folder)["classifier.weight"]
    torch.testing.assert_close(new, torch.nn.functional.normalize(old), rtol=1e-5, atol=1e-6)
    assert not weights(folder)["classifier.bias"].any()


@pytest.mark.slow
def test_tau_is_chosen_on_held_out_images(tiny, tmp_path):
    config = tiny_config(loss="ce", epochs=1, validation=0.2, precision="float32")
    first = run_experiment(config, data=tiny, out=tmp_path / "ce")
    folder = run_experiment(second_stage(first, "tau-norm"), data=tiny, out=tmp_path / "tau", first_stage=first)
    held_out, network = load_splits(config, tiny, CPU).validation, trained_network(first)
    features = features_of(network, held_out, AUTOCAST)
    tau = TauNormalization().fit(network.classifier, features, held_out.target).tau_
    assert (
        folder.result["notes"][0]
        == f"τ = {tau:g}, chosen on the held-out validation samples, whose score is no unbiased estimate then"
    )
    old, new = weights(first)["classifier.weight"], weights(folder)["classifier.weight"]
    torch.testing.assert_close(new, old / old.norm(dim=1, keepdim=True) ** tau, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_second_stage_can_follow_another(run, first, tiny, tmp_path):
    crt = run("crt", epochs=1)
    folder = run_experiment(second_stage(crt, "lws", epochs=1), data=tiny, out=tmp_path / "both", first_stage=crt)
    assert folder.header["config"]["classifier"] == "kept"
    assert folder.result["first_stage"]["folder"] == "crt"
    assert changed(folder, crt) <= {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize("settings", [{"learns": "scales"}, {"learns": "both", "max_norm": 0.3}, {"max_norm": 0.0}])
@pytest.mark.slow
def test_training_agrees_with_the_reference(settings, first, tiny, tmp_path):
    plain = {"learns": "classifier", "epochs": 2, "learning_rate": 0.01, "weight_decay": 0.01, "warmup_epochs": 2}
    config = second_stage(first, "lws", **(plain | {"sampler": "shuffle", "views": 2} | settings))
    folder = run_experiment(config, data=tiny, out=tmp_path / "run", first_stage=first)

    _, epochs = stage_and_epochs(config, first, load_splits(config, tiny, CPU))
    old = {name: value.numpy() for name, value in weights(first).items()}
    lengths = np.linalg.norm(old["classifier.weight"], axis=1)
    weight, bias, scales = reference.train(
        lambda epoch: [(x.double().numpy(), y.numpy()) for x, y in epochs.batches(epoch)],
        old["classifier.weight"],
        old["classifier.bias"],
        learns=config.learns,
        rate=lambda epoch: learning_rate(epoch, base=0.01, epochs=2, warmup_epochs=2),
        momentum=0.9,
        decay=0.01,
        epochs=2,
        longest=None if config.max_norm is None else lengths.min() + config.max_norm * np.ptp(lengths),
    )
    new = weights(folder)
    np.testing.assert_allclose(new["classifier.weight"], weight * scales[:, None], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(new["classifier.bias"], bias * scales, rtol=1e-4, atol=1e-6)


def calibration_of(folder):
    """The numbers of the calibrated classifier by name, in float64."""
    of_classifier = {name: value for name, value in weights(folder).items() if name.startswith("classifier.")}
    return {name.removeprefix("classifier."): value.double().numpy() for name, value in of_classifier.items()}


@pytest.mark.slow
def test_disalign_learns_the_calibration_alone(run, first):
    folder = run("disalign")
    assert changed(folder, first) == set()  # of the backbone
    old, new = weights(first), weights(folder)
    assert torch.equal(new["classifier.linear.weight"], old["classifier.weight"])
    assert torch.equal(new["classifier.linear.bias"], old["classifier.bias"])
    found = calibration_of(folder)
    assert np.abs(found["magnitude"] - 1).max() > 0.05
    assert np.abs(found["margin"]).max() > 0.05
    assert np.ptp(found["confidence.weight"]) > 1e-5
    assert folder.result["notes"] == []
    assert folder.result["network"] == {
        "classifier": "calibrated-linear",
        "num_classes": 10,
        "input_shape": [3, 32, 32],
    }


@pytest.mark.slow
def test_disalign_that_learns_nothing_predicts_as_its_first_stage(run, first):
    folder = run("disalign", epochs=1, learning_rate=1e-30)
    expected = first.load_predictions("test")[0]
    np.testing.assert_allclose(folder.load_predictions("test")[0], expected, rtol=1e-5, atol=1e-5)
    assert folder.result["notes"][0].startswith(
        "the calibration has learnt nothing, so the scores are those of the firs"
    )


@pytest.mark.slow
def test_disalign_agrees_with_the_reference(first, tiny, tmp_path):
    rate = 0.05
    config = second_stage(first, "disalign", epochs=2, learning_rate=rate, weight_decay=0.01, views=2)
    folder = run_experiment(config, data=tiny, out=tmp_path / "run", first_stage=first)
    start = tmp_path / "start"
    run_experiment(dataclasses.replace(config, learning_rate=1e-30), data=tiny, out=start, first_stage=first)
    splits = load_splits(config, tiny, CPU)
    _, epochs = stage_and_epochs(config, first, splits)
    expected = reference.train_calibration(
        lambda epoch: [(x.double().numpy(), y.numpy()) for x, y in epochs.batches(epoch)],
        calibration_of(RunFolder.open(start)),
        splits.info.class_counts,
        power=1.2,
        rate=lambda epoch: learning_rate(epoch, base=rate, epochs=2, warmup_epochs=0),
        momentum=0.9,
        decay=0.01,
        epochs=2,
    )
    found = calibration_of(folder)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_a_calibrated_classifier_can_be_replaced_but_not_scaled(run, first, tiny, tmp_path):
    calibrated = run("disalign", epochs=1)
    for method in ("lws", "disalign"):
        with pytest.raises(ValueError, match=f"Got {method}, and .* ends with a calibrated-linear classifier"):
            second_stage(calibrated, method)
    config = second_stage(calibrated, "crt", epochs=1)
    folder = run_experiment(config, data=tiny, out=tmp_path / "crt", first_stage=calibrated)
    assert isinstance(trained_network(folder).classifier, nn.Linear)


@pytest.mark.slow
def test_a_calibration_without_confidence_says_that_it_learns_nothing(tmp_path):
    inputs, names = feature_table()
    shifted = inputs - 1e6
    first = run_experiment(features_config(loss="ce"), data=(shifted, names), out=tmp_path / "first")
    config = second_stage(first, "disalign")
    folder = run_experiment(config, data=(shifted, names), out=tmp_path / "disalign", first_stage=first)
    assert "confidence in a sample is near 0 if its features have a large negative sum" in folder.result["notes"][0]


@pytest.mark.slow
def test_a_meta_sampler_that_learns_nothing_leaves_plain_training(first, tiny, tmp_path):
    plain = {"epochs": 2, "learning_rate": 0.01, "weight_decay": 0.01, "classifier": "kept", "views": 2}
    config = second_stage(first, "balms", meta_learning_rate=0.0, **plain)
    folder = run_experiment(config, data=tiny, out=tmp_path / "run", first_stage=first)
    counts = np.array(folder.result["class_counts"])
    np.testing.assert_allclose(folder.result["draw_probabilities"], counts / counts.sum(), rtol=1e-6)

    _, epochs = stage_and_epochs(config, first, load_splits(config, tiny, CPU))
    old = {name: value.numpy() for name, value in weights(first).items()}
    weight, bias, _ = reference.train(
        lambda epoch: [(x.double().numpy(), y.numpy()) for x, y in epochs.batches(epoch)],
        old["classifier.weight"],
        old["classifier.bias"],
        learns="classifier",
        rate=lambda epoch: learning_rate(epoch, base=0.01, epochs=2, warmup_epochs=0),
        momentum=0.9,
        decay=0.01,
        epochs=2,
        shift=np.log(counts / counts.sum()),
    )
    np.testing.assert_allclose(weights(folder)["classifier.weight"], weight, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(weights(folder)["classifier.bias"], bias, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_meta_sampler_learns_in_each_step_and_is_not_part_of_the_network(first, tiny, tmp_path):
    config = second_stage(first, "balms", epochs=2, warmup_epochs=2, learning_rate=0.5, meta_learning_rate=0.2)
    stage, epochs = stage_and_epochs(config, first, load_splits(config, tiny, CPU))
    assert [epochs.rate(epoch, 3) for epoch in (1, 2)] == pytest.approx([0.25, 0.5])
    learnt = [stage.meta_sampler.logits.clone() for _ in zip(epochs.batches(1), range(2), strict=False)]
    assert not torch.equal(learnt[0], learnt[1])
    assert "sampler.logits" in stage.model.state_dict()
    assert not any("sampler" in name for name in stage.finished().state_dict())
    folder = run_experiment(config, data=tiny, out=tmp_path / "run", first_stage=first)
    assert sum(folder.result["draw_probabilities"]) == pytest.approx(1)
    counts = np.array(folder.result["class_counts"])
    assert np.abs(folder.result["draw_probabilities"] - counts / counts.sum()).max() > 0.01


@pytest.mark.slow
def test_kept_features_are_those_of_augmented_copies(first, tiny):
    config = second_stage(first, "crt", views=3)
    sets = load_splits(config, tiny, CPU)
    sampler = make_sampler("class-aware", sets.train.target, seed=0, epochs=1)
    _, epochs = stage_and_epochs(config, first, sets, sampler)
    kept = epochs.data.features
    assert kept.shape == (3, len(sets.train), 64)
    assert not torch.equal(kept[0], kept[1])
    features, target = next(epochs.batches(1))
    assert torch.equal(target, sets.train.target[sampler.indices(0)[:16]])
    for row, index in zip(features, sampler.indices(0)[:16], strict=True):
        assert (row == kept[:, index]).all(1).any()


def test_gradients_end_at_the_classifier(first):
    model = RetrainedClassifier(trained_network(first), 10, second_stage(first, "mislas"), on_features=False)
    model.train()
    model(torch.randn(4, 3, 32, 32)).sum().backward()
    assert {name for name, parameter in model.named_parameters() if parameter.grad is not None} == {
        "scales",
        "network.classifier.weight",
        "network.classifier.bias",
    }


@pytest.mark.parametrize("method", ["crt", "mislas", "balms", "disalign"])
@pytest.mark.slow
def test_a_stopped_second_stage_resumes_bit_identically(method, first, tiny, tmp_path):
    config = second_stage(first, method, epochs=2)
    run_experiment(config, data=tiny, out=tmp_path / "whole", first_stage=first)
    stop = At(8, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingStopped, match="epoch 2 after step 2"):
        run_experiment(config, data=tiny, out=tmp_path / "cut", first_stage=first, callbacks=[stop])
    run_experiment(config, data=tiny, out=tmp_path / "cut", first_stage=first, resume=True)
    assert_same_end(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.slow
def test_from_the_command_line(first, tiny, tmp_path, capsys):
    command = ["retrain", str(first.path), "--method", "lws", "--data", str(tiny), "--out", str(tmp_path / "lws")]
    assert main([*command, "--epochs", "1", "--threads", "1"]) == 0
    shown = capsys.readouterr()
    assert "lws after ce, seed 0, epoch 1 (the last)" in shown.out
    assert main([*command, "--epochs", "1", "--threads", "1"]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*command, "--epochs", "2", "--threads", "1", "--resume"]) == 2
    assert "`epochs` is 1, not 2" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--root", "--val", "--test", "--groups", "--workers"])
def test_options_of_image_files_are_refused_for_small_images(option, first, capsys):
    assert main(["retrain", str(first.path), "--method", "crt", option, "1"]) == 2
    assert f"`{option[2:]}` must be left out for cifar10, whose runs have no such setting" in capsys.readouterr().err


def test_settings_that_contradict_the_first_stage_are_refused(first, tiny, tmp_path):
    config = second_stage(first, "crt")
    for wrong, message in (
        (
            {"first_stage": "0" * 16},
            "must be the run that this second stage started from, of checksum 00000000",
        ),
        ({"epochs": 0}, "`epochs` must be 0 where nothing is trained, and only there. Got 0"),
        ({"learns": "nothing"}, "`epochs` must be 0 where nothing is trained, and only there. Got 10"),
        ({"loss": "gcl"}, "`loss` must not need a cosine head in a second stage. Got 'gcl'"),
        ({"mixing": "mixup"}, '`mixing` must be "none" in a second stage'),
        ({"max_norm": 1.5}, "`max_norm`"),
        ({"views": 0}, "`views` must be at least 1"),
        (
            {"meta_learning_rate": 0.01},
            "`sampler` must be 'shuffle' where `meta_learning_rate` is set (Meta Sampler). Got",
        ),
        ({**META, "loss": "ce"}, "`loss` must be 'balanced-softmax' where `meta_learning_rate` is set"),
        ({**META, "learns": "both"}, "`learns` must be 'classifier' where `meta_learning_rate` is set"),
        ({**META, "reweight_from": 2}, "`reweight_from` must be 0 where `meta_learning_rate` is set"),
        ({**META, "shift_batch_norm": True}, "`shift_batch_norm` must be False where `meta_learning_rate` is set"),
        ({**META, "features": "each-step"}, "`features` must not be 'each-step' where `meta_learning_rate` is set"),
        ({**META, "meta_learning_rate": -1.0}, "`meta_learning_rate`"),
        ({"meta_batch_size": 0}, "`meta_batch_size` must be at least 1"),
        ({"classifier": "nearest-mean"}, '`learns` must be "nothing" for class means'),
        ({"learns": "calibration"}, '`classifier` must be "kept" where its logits are calibrated'),
        (
            {"classifier": "kept", "learns": "calibration", "max_norm": 0.1},
            "`max_norm` must be None where logits are calibrated: the classifier weights stay as they are. Got 0.1",
        ),
        ({"model": "resnet20-cifar"}, "`model` must be as in the first stage, 'resnet8-cifar'. Got 'resnet20-cifar'"),
        ({"validation": 0.5}, "`validation` must be as in the first stage, 0.0. Got 0.5"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            run_experiment(dataclasses.replace(config, **wrong), data=tiny, out=tmp_path / "run", first_stage=first)
    with pytest.raises(ValueError, match="`first_stage` must be the run that the second stage starts from. Got none"):
        run_experiment(config, data=tiny, out=tmp_path / "run")
    with pytest.raises(ValueError, match="`first_stage` must be left out except for a SecondStageConfig"):
        run_experiment(tiny_config(), data=tiny, out=tmp_path / "run", first_stage=first)
    with pytest.raises(ValueError, match="`method` must be one of"):
        second_stage(first, "decoupling")
    with pytest.raises(TypeError, match="`second_stage` got an unexpected keyword argument 'epoch'. Did you mean 'epo"):
        second_stage(first, "crt", epoch=2)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("method", "why"),
    [
        ("mislas", "each step augments its images again and passes them through the network"),
        ("tau-norm", "nothing is trained on augmented copies"),
        ("ncm", "nothing is trained on augmented copies"),
    ],
)
def test_views_are_refused_where_they_would_be_ignored(method, why, first):
    with pytest.raises(ValueError, match=f"`views` must be left out for {method} on cifar10: {why}. Got 2."):
        second_stage(first, method, views=2)
    assert second_stage(first, "crt", views=2).views == 2


def test_views_are_refused_without_augmentation(tmp_path):
    first = run_experiment(features_config(loss="ce", epochs=1), data=feature_table(), out=tmp_path / "first")
    with pytest.raises(ValueError, match="`views` must be left out for crt on own: training samples are not augmented"):
        second_stage(first, "crt", views=2)
    assert second_stage(first, "mislas", views=1).views == 1


@pytest.mark.slow
def test_a_cosine_classifier_can_be_replaced_but_not_scaled(tiny, tmp_path):
    ldam = run_experiment(tiny_config(loss="ldam", epochs=1), data=tiny, out=tmp_path / "ldam")
    assert trained_network(ldam).classifier.scale == 30
    with pytest.raises(
        ValueError,
        match="`method` must be crt, decoupled-gala, decoupled-balanced-softmax, balms or ncm for a network without a "
        "linear classifier. Got lws, .* a cosine",
    ):
        run_experiment(second_stage(ldam, "lws"), data=tiny, out=tmp_path / "lws", first_stage=ldam)
    folder = run_experiment(second_stage(ldam, "crt"), data=tiny, out=tmp_path / "crt", first_stage=ldam)
    assert isinstance(trained_network(folder).classifier, torch.nn.Linear)


class Pictures(torch.utils.data.Dataset):
    """A data set object, whose content is not known."""

    def __init__(self):
        self.targets = [0] * 12 + [1] * 8 + [2] * 5
        self.images = np.random.default_rng(0).integers(0, 256, (25, 16, 16, 3), dtype=np.uint8)

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return torch.from_numpy(self.images[index]).permute(2, 0, 1), self.targets[index]


@pytest.fixture(scope="module")
def own_runs(tmp_path_factory):
    """Finished runs on own data of every kind, by name, with the data."""
    out = tmp_path_factory.mktemp("own")
    photographs = write_photographs(out / "photographs")
    kinds = {
        "scratch": (scratch_config(loss="ce"), photographs),
        "features": (features_config(loss="ce"), photographs),
        "table": (features_config(loss="ce"), feature_table()),
        "object": (features_config(loss="ce"), Pictures()),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGTAIL_CACHE", str(out / "cache"))
        yield {
            name: (run_experiment(config, data=data, out=out / name), data) for name, (config, data) in kinds.items()
        }


@pytest.mark.parametrize("method", SECOND_STAGES)
@pytest.mark.parametrize("kind", ["scratch", "features", "table", "object"])
@pytest.mark.slow
def test_every_method_runs_on_every_kind_of_data(kind, method, own_runs, tmp_path):
    first, data = own_runs[kind]
    config = second_stage(first, method, **({} if method in ("tau-norm", "ncm") else {"epochs": 2}))
    folder = run_experiment(config, data=data, out=tmp_path / "run", first_stage=first)
    sets, network = load_splits(stored_config(folder), data, CPU), trained_network(folder)
    with torch.no_grad():
        logits = torch.cat([network(inputs) for inputs in sets.test.in_order()]).numpy()
    kept = folder.load_predictions("test")[0]
    np.testing.assert_allclose(logits, kept, rtol=1e-3, atol=1e-3 * np.abs(kept).max())


@pytest.mark.slow
def test_features_of_the_first_stage_are_not_computed_again(own_runs, tmp_path, monkeypatch):
    first, data = own_runs["features"]
    passed = []
    forward = CifarBackbone.forward
    monkeypatch.setattr(CifarBackbone, "forward", lambda self, x: (passed.append(len(x)), forward(self, x))[1])
    for method in ("crt", "tau-norm"):
        run_experiment(second_stage(first, method), data=data, out=tmp_path / method, first_stage=first)
    assert set(passed) == {2}  # the trials that tell the network


@pytest.mark.slow
def test_on_features_of_any_scale_a_new_classifier_learns(own_runs, tmp_path):
    """Their columns differ by four orders of magnitude: one learning rate suits them only where they are scaled."""
    first, data = own_runs["table"]
    assert second_stage(first, "crt").features == "standardised"
    folder = run_experiment(second_stage(first, "crt", epochs=20), data=data, out=tmp_path / "crt", first_stage=first)
    assert folder.metrics[-1]["loss"] < 1.0
    raw = second_stage(first, "crt", epochs=20, features="kept")
    folder = run_experiment(raw, data=data, out=tmp_path / "raw", first_stage=first)
    assert folder.metrics[-1]["loss"] > 10


@pytest.mark.slow
@pytest.mark.parametrize("between", ["disalign", "ncm"])
def test_on_features_a_new_classifier_learns_after_another_second_stage_too(between, own_runs, tmp_path):
    first, data = own_runs["table"]
    settings = {} if between == "ncm" else {"epochs": 1}
    second = run_experiment(
        second_stage(first, between, **settings), data=data, out=tmp_path / between, first_stage=first
    )
    config = second_stage(second, "crt", epochs=20)
    assert config.features == "standardised"
    folder = run_experiment(config, data=data, out=tmp_path / "crt", first_stage=second)
    assert folder.metrics[-1]["loss"] < 1.0


class Headed(Scratch):
    """A stage whose network ends with another classifier than that of the loss."""

    def __init__(self, given):
        super().__init__(given)
        self.model.classifier = self.make_head(64, len(given.splits.info.class_names)).to(given.device)

    @staticmethod
    def make_head(width, number):
        return nn.Linear(width, number, bias=False)


class DeepHeaded(Headed):
    @staticmethod
    def make_head(width, number):
        return nn.Sequential(nn.Linear(width, 8), nn.ReLU(), nn.Linear(8, number))


@pytest.fixture
def headed(monkeypatch, tiny, tmp_path):
    def run_it(stage):
        monkeypatch.setitem(STAGES, "headed", StageKind(stage))
        config = tiny_config(stage="headed", loss="ce", epochs=1, precision="float32")
        return run_experiment(config, data=tiny, out=tmp_path / "first")

    return run_it


@pytest.mark.parametrize("method", SECOND_STAGES)
@pytest.mark.slow
def test_a_linear_classifier_without_bias_has_every_method(method, headed, tiny, tmp_path):
    first = headed(Headed)
    assert trained_network(first).classifier.bias is None
    short = {"epochs": 1, "views": 1}
    settings = {"tau-norm": {}, "ncm": {}, "mislas": {"epochs": 1}}.get(method, short)
    config = second_stage(first, method, **settings)
    folder = run_experiment(config, data=tiny, out=tmp_path / "run", first_stage=first)
    with torch.no_grad():
        logits = torch.cat([trained_network(folder)(x) for x in load_splits(tiny_config(), tiny, CPU).test.in_order()])
    np.testing.assert_allclose(logits.numpy(), folder.load_predictions("test")[0], rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_a_network_without_a_linear_head_is_told_what_it_can_have(headed, tiny, tmp_path, monkeypatch, capsys):
    first = headed(DeepHeaded)
    assert first.result["network"]["classifier"] == "torch.nn.modules.container.Sequential"
    for method in ("lws", "tau-norm", "mislas", "weight-balancing", "disalign"):
        assert main(["retrain", str(first.path), "--method", method, "--data", str(tiny)]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert (
            "`method` must be crt, decoupled-gala, decoupled-balanced-softmax, balms or ncm for a network without a "
            f"linear classifier. Got {method}" in said
        )
        assert "Pass --method crt." in said
    with pytest.raises(ValueError, match=r"`classifier` must be registered in longtail.models.CLASSIFIERS"):
        trained_network(first)
    build = lambda width, number: DeepHeaded.make_head(width, number)  # noqa: E731
    monkeypatch.setitem(CLASSIFIERS, first.result["network"]["classifier"], ClassifierKind(nn.Sequential, build))
    for method in ("crt", "ncm"):
        config = second_stage(first, method, **({"epochs": 1, "views": 1} if method == "crt" else {}))
        folder = run_experiment(config, data=tiny, out=tmp_path / method, first_stage=first)
        assert trained_network(folder)(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    assert not list(tmp_path.glob("first-*"))


def test_weights_that_are_not_of_the_run_are_refused(first, tmp_path):
    shutil.copytree(first.path, tmp_path / "run")
    header = (tmp_path / "run/run.json").read_text()
    (tmp_path / "run/run.json").write_text(header.replace("resnet8-cifar", "resnet14-cifar"))
    with pytest.raises(ValueError, match="weights.pt must hold the weights of resnet14-cifar, as run.json says"):
        trained_network(RunFolder.open(tmp_path / "run"))


def test_a_run_that_is_not_complete_is_no_first_stage(tmp_path):
    folder = RunFolder.create(tmp_path / "run", config=tiny_config(), seed=0)
    with pytest.raises(ValueError, match="must be a complete run"):
        second_stage(folder, "crt")
    with pytest.raises(ValueError, match="must be a complete run"):
        trained_network(folder)


def test_a_second_stage_takes_over_nothing_of_the_optimizer(tiny, tmp_path):
    given = {"optimizer": "adamw", "schedule": "poly", "ema": 0.9, "accumulate": 2, "clip_norm": 1.0, "sam_radius": 0.1}
    first = run_experiment(tiny_config(epochs=1, **given), data=tiny, out=tmp_path / "run")
    second, plain = second_stage(first, "crt"), TrainingConfig()
    assert {name: getattr(second, name) for name in given} == {name: getattr(plain, name) for name in given}
