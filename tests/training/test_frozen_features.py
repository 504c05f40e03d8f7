"""Training on the features of a frozen network: its cache, its settings and the resulting network."""

import os
import shutil
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from longtail.cache_folder import cache_folder
from longtail.data import FeatureViews, OwnDataConfig, load_splits
from longtail.models import BACKBONES, CifarBackbone, Network, make_network
from longtail.runs import RunFolder
from longtail.training import FrozenFeatures, TrainingConfig, TrainingStopped, run_experiment, trained_network
from longtail.training.epochs import augmentation
from longtail.training.stages import StageInput
from training.own import MOMENTS, feature_table, features_config, write_photographs
from training.test_resume import At, assert_same_end

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return write_photographs(tmp_path_factory.mktemp("photographs"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LONGTAIL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/features"


@pytest.fixture
def passes(monkeypatch):
    """The number of images that have passed through a backbone; a trial takes two."""
    seen = []
    forward = CifarBackbone.forward
    monkeypatch.setattr(CifarBackbone, "forward", lambda self, x: (seen.append(len(x)), forward(self, x))[1])
    return seen


def stage_of(data, autocast=torch.no_grad, seed=0, **settings):
    config = features_config(**settings)
    splits = load_splits(config, data, CPU)
    augment = augmentation(config.augmentations, 3)
    torch.manual_seed(seed)  # of the backbone, which is not pretrained
    return FrozenFeatures(StageInput(config, splits, augment, CPU, autocast))


def inputs_of(folder, data, **settings):
    config = OwnDataConfig(size=16, **({"interpolation": folder.data["interpolation"]} | MOMENTS | settings))
    splits = load_splits(config, data, CPU)
    return {name: torch.cat(list(getattr(splits, name).in_order())) for name in ("train", "validation", "test")}


@pytest.mark.parametrize("loss", ["gala", "ldam"])
@pytest.mark.slow
def test_the_network_that_is_kept_gives_the_logits_that_were_kept(photographs, tmp_path, loss):
    folder = run_experiment(features_config(loss=loss), data=photographs, out=tmp_path / "run")
    network = trained_network(folder)
    assert type(network.classifier).__name__ == {"gala": "Linear", "ldam": "CosineClassifier"}[loss]
    for name, inputs in inputs_of(folder, photographs).items():
        with torch.no_grad():
            logits = network(inputs).numpy()
        kept, target = folder.load_predictions(name)
        np.testing.assert_allclose(logits, kept, rtol=1e-4, atol=1e-4)
        assert len(target) == len(inputs)
    assert folder.result["backbone"] == "not trained"
    assert folder.result["network"]["input_shape"] == [3, 16, 16]
    assert folder.result["test"]["raw"]["balanced_accuracy"] > 0.5  # the classes differ in colour


def test_the_classifier_learns_from_standardised_features(photographs):
    stage = stage_of(photographs)
    features = stage.splits.train.features[0]
    torch.testing.assert_close(features.mean(0), torch.zeros(64), atol=1e-5, rtol=0)
    spread = features.std(0, correction=0)
    assert ((spread - 1).abs() < 1e-3).logical_or(spread == 0).all()
    assert [p.shape for group in stage.parameter_groups() for p in group["params"]] == [(3, 64), (3,)]
    assert not any(p.requires_grad for p in stage.network.backbone.parameters())


def test_features_are_computed_once(photographs, passes, cache):
    first = stage_of(photographs)
    assert sum(passes) > 38
    assert len(list(cache.iterdir())) == 3
    passes.clear()
    second = stage_of(photographs)
    assert passes == [2]  # the trial that tells the network
    for name in ("train", "validation", "test"):
        assert torch.equal(getattr(first.splits, name).features, getattr(second.splits, name).features)


def changed_size(folder):
    return {"size": 24}


def other_weights(folder):
    return {"seed": 1}


def other_model(folder):
    return {"model": "resnet14-cifar"}


def other_normalisation(folder):
    return {"std": (0.3, 0.3, 0.3)}


def touched_file(folder):
    for path in folder.glob("*/*.png"):
        status = path.stat()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    return {}


def other_precision(folder):
    return {"precision": "bfloat16"}


CHANGES = [changed_size, other_weights, other_model, other_normalisation, touched_file, other_precision]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.slow
def test_features_are_computed_again_when_what_they_depend_on_changes(change, tmp_path, passes, cache):
    folder = write_photographs(tmp_path / "photographs")
    stage_of(folder)
    passes.clear()
    stage_of(folder, **change(folder))
    assert sum(passes) > 38
    assert len(list(cache.iterdir())) == 6


def test_features_are_computed_again_when_a_model_of_the_same_name_has_other_code(photographs, passes, monkeypatch):
    class Doubled(CifarBackbone):
        def forward(self, images):
            return 2 * super().forward(images)

    for backbone, computed in ((CifarBackbone, True), (CifarBackbone, False), (Doubled, True)):
        monkeypatch.setitem(BACKBONES, "mine", lambda backbone=backbone: backbone(8))
        passes.clear()
        stage_of(photographs, model="mine")
        assert (sum(passes) > 38) == computed


def test_a_damaged_file_of_the_cache_is_replaced(photographs, cache):
    first = stage_of(photographs)
    for path, content in zip(sorted(cache.iterdir()), (b"", b"noise", None), strict=True):
        path.write_bytes(path.read_bytes()[:-8] if content is None else content)
    assert torch.equal(stage_of(photographs).splits.train.features, first.splits.train.features)
    assert all(np.load(path).shape[1] == 64 for path in cache.iterdir())


def test_a_file_of_the_cache_that_claims_to_be_enormous_is_replaced(photographs, cache):
    first = stage_of(photographs)
    for path in cache.iterdir():
        number = len(np.load(path))
        with path.open("wb") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": (number, 2**50)}
            np.lib.format.write_array_header_1_0(file, header)
    assert torch.equal(stage_of(photographs).splits.train.features, first.splits.train.features)


def test_what_a_killed_run_left_in_the_cache_is_removed_when_it_is_old(photographs, cache):
    cache.mkdir(parents=True)
    old, new = cache / ".a.npy.0123abcd.part", cache / ".b.npy.0123abcd.part"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    stage_of(photographs)
    assert not old.exists()
    assert new.exists()


def test_data_whose_content_is_unknown_are_not_cached(cache, passes):
    class Pictures(torch.utils.data.Dataset):
        def __init__(self, seed):
            self.images = np.random.default_rng(seed).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
            self.targets = [0] * 30 + [1] * 10

        def __len__(self):
            return 40

        def __getitem__(self, index):
            return torch.from_numpy(self.images[index]).permute(2, 0, 1), self.targets[index]

    one, other = (stage_of(Pictures(seed)).splits.train.features for seed in (0, 1))
    assert not torch.equal(one, other)
    assert not cache.exists()


def test_an_unwritable_cache_is_refused_before_anything_is_computed(photographs, tmp_path, monkeypatch, passes):
    (tmp_path / "file").write_text("a file")
    monkeypatch.setenv("LONGTAIL_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"^Features could not be kept in .*file/features: Not a directory\. .*CACHE\.$"):
        run_experiment(features_config(), data=photographs, out=tmp_path / "run")
    assert passes == [2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_disk_without_the_room_is_refused_before_anything_is_computed(photographs, tmp_path, monkeypatch, passes):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10**9, free=1000))
    with pytest.raises(
        OSError, match=r"^Features could not be kept in .*: they take 0\.\d MB, and 0\.0 MB are free\. M"
    ):
        run_experiment(features_config(), data=photographs, out=tmp_path / "run")
    assert passes == [2]


def test_a_full_disk_leaves_nothing_half_written(photographs, tmp_path, monkeypatch, cache):
    def full(file, array):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("longtail.training.feature_cache.np.save", full)
    with pytest.raises(OSError, match=r"Features could not be kept in .*: No space left on device\. Make room"):
        run_experiment(features_config(), data=photographs, out=tmp_path / "run")
    assert list(cache.iterdir()) == []
    assert not (tmp_path / "run").exists()


def test_a_file_that_vanishes_is_named_and_not_taken_for_the_cache(tmp_path, monkeypatch):
    folder = write_photographs(tmp_path / "photographs")
    config = features_config()
    splits = load_splits(config, folder, CPU)
    for path in folder.glob("bee/*.png"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"bee/\d+\.png must be an image file. It is missing"):
        FrozenFeatures(StageInput(config, splits, None, CPU, torch.no_grad))


def test_the_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    assert cache_folder("features") == tmp_path / "cache/features"
    monkeypatch.delenv("LONGTAIL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder("features") == tmp_path / "xdg/longtail/features"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder("features") == Path.home() / ".cache/longtail/features"


@pytest.mark.slow
def test_views_are_augmented_copies_of_the_training_images(photographs, passes, cache):
    settings = {"views": 3, "augmentations": ("crop", "flip")}
    plain, stage = stage_of(photographs), stage_of(photographs, **settings)
    features = stage.splits.train.features
    assert features.shape == (3, 25, 64)
    assert len(list(cache.iterdir())) == 5  # train, validation and test are shared
    raw = (features * stage.standard.scale + stage.standard.mean)[0]
    torch.testing.assert_close(raw, plain.splits.train.features[0] * plain.standard.scale + plain.standard.mean)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not torch.allclose(features[one], features[other])
    assert len(stage.splits.test.features) == 1
    passes.clear()
    assert torch.equal(stage_of(photographs, **settings).splits.train.features, features)
    assert passes == [2]


def test_progress_is_reported(photographs):
    told, config = [], features_config()
    splits = load_splits(config, photographs, CPU)
    FrozenFeatures(
        StageInput(config, splits, None, CPU, torch.no_grad, progress=lambda what, share: told.append((what, share)))
    )
    assert [line for line in told if line[1] == 1.0] == [
        (f"features of {name}", 1.0) for name in ("validation", "test", "train")
    ]


def test_a_table_of_features_needs_no_backbone(tmp_path, monkeypatch, cache):
    for module in ("timm", "torchvision"):
        monkeypatch.setitem(sys.modules, module, None)  # an import of it fails
    config = features_config(model="tf_efficientnet_lite0", pretrained=None, size=None, mean=(), std=())
    folder = run_experiment(config, data=feature_table(), out=tmp_path / "run")
    assert folder.result["backbone"] == "none, the data are features"
    assert folder.result["network"]["input_shape"] == [5]
    assert not cache.exists()
    network = trained_network(folder)
    assert isinstance(network.backbone, nn.Identity)
    splits = load_splits(OwnDataConfig(), feature_table(), CPU)
    with torch.no_grad():
        logits = network(next(splits.test.in_order())).numpy()
    np.testing.assert_allclose(logits, folder.load_predictions("test")[0], rtol=1e-4, atol=1e-4)
    assert folder.data["mean"] == []


def test_a_table_can_be_trained_on_from_scratch_too(tmp_path):
    config = features_config(stage="scratch", learning_rate=1e-6, augmentations=("auto_augment",))
    folder = run_experiment(config, data=feature_table(columns=1), out=tmp_path / "run")
    assert trained_network(folder)(torch.zeros(2, 1)).shape == (2, 3)


def test_constant_features_are_left_as_they_are():
    stage = stage_of(feature_table())
    scale = stage.standard.scale
    assert scale[-1] == 1
    assert (stage.splits.train.features[..., -1] == 0).all()
    assert stage.splits.train.features.isfinite().all()
    torch.testing.assert_close(stage.splits.train.features[0, :, :-1].std(0, correction=0), torch.ones(4))


def test_logits_are_computed_in_float32_under_autocast():
    def autocast():
        return torch.autocast("cpu", torch.bfloat16)

    stage = stage_of(feature_table(), autocast)
    features = stage.splits.test.features[0]
    with autocast(), torch.no_grad():
        logits = stage.scored()(features)
        expected = stage.network.classifier
    assert logits.dtype == torch.float32
    with torch.no_grad():
        assert torch.equal(logits, expected(features))


@pytest.mark.parametrize(("mixing", "sampler"), [("none", "class-balanced"), ("mixup", "shuffle")])
@pytest.mark.slow
def test_a_stopped_run_resumes_bit_identically(photographs, tmp_path, mixing, sampler, monkeypatch):
    config = features_config(mixing=mixing, sampler=sampler, views=2, augmentations=("flip",))
    run_experiment(config, data=photographs, out=tmp_path / "whole")
    monkeypatch.setenv("LONGTAIL_CACHE", str(tmp_path / "another"))
    stop = At(4, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingStopped):
        run_experiment(config, data=photographs, out=tmp_path / "run", callbacks=[stop])
    again = At(0, None)
    run_experiment(config, data=photographs, out=tmp_path / "run", resume=True, callbacks=[again])
    assert again.began == (2, 1)
    assert_same_end(tmp_path / "run", tmp_path / "whole")


def test_what_does_not_suit_the_stage_is_refused(photographs, tmp_path):
    splits = load_splits(features_config(), photographs, CPU)
    plain = TrainingConfig(stage="features")
    with pytest.raises(ValueError, match='`stage` "features" needs an `OwnConfig`. Got a TrainingConfig'):
        run_experiment(plain, data=photographs, out=tmp_path / "plain")
    folder = run_experiment(features_config(epochs=1), data=photographs, out=tmp_path / "run")
    with pytest.raises(ValueError, match="`first_stage` must be left out"):
        FrozenFeatures(StageInput(features_config(), splits, None, CPU, torch.no_grad, first_stage=folder))
    for mixing in ("cutmix", "cmo"):
        with pytest.raises(ValueError, match=f'`mixing` must not be "{mixing}" for features'):
            run_experiment(features_config(stage="scratch", mixing=mixing), data=feature_table(), out=tmp_path / mixing)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "run"]


def test_fewer_samples_than_a_batch_are_one_batch(photographs, tmp_path):
    folder = run_experiment(features_config(batch_size=64, epochs=2), data=photographs, out=tmp_path / "run")
    assert len(folder.metrics) == 2
    assert len(folder.load_predictions("train")[1]) == 25


@pytest.mark.slow
def test_classes_without_a_validation_sample_are_noted(photographs, tmp_path):
    config = features_config(validation=0.05, epochs=1)
    folder = run_experiment(config, data=photographs, out=tmp_path / "run")
    assert folder.result["fit_on"] == "augmented"
    assert (
        "re-balancing is fitted on training samples: not every class has a validation sample"
        in (folder.result["notes"])
    )
    whole = run_experiment(features_config(validation=0.0, epochs=1), data=photographs, out=tmp_path / "none")
    assert whole.result is not None
    assert "validation" not in whole.result
    assert not any("not every class" in note for note in whole.result["notes"])
    assert isinstance(trained_network(RunFolder.open(tmp_path / "none")), Network)
    assert isinstance(load_splits(OwnDataConfig(), feature_table(), CPU).train, FeatureViews)


@pytest.mark.slow
def test_a_run_is_not_resumed_with_other_weights_in_the_same_file(photographs, tmp_path):
    file = tmp_path / "weights.pt"
    for seed in (1, 0):
        torch.manual_seed(seed)
        torch.save(make_network("resnet8-cifar", 3).state_dict(), tmp_path / f"{seed}.pt")
    shutil.copy(tmp_path / "0.pt", file)
    config = features_config(weights=str(file), pretrained=None)
    whole = run_experiment(config, data=photographs, out=tmp_path / "whole")
    with pytest.raises(TrainingStopped):
        run_experiment(
            config,
            data=photographs,
            out=tmp_path / "cut",
            callbacks=[At(1, lambda: signal.raise_signal(signal.SIGINT))],
        )
    shutil.copy(tmp_path / "1.pt", file)
    with pytest.raises(ValueError, match=r"`weights` must be the file that .* was begun with. .* Restore it, or start"):
        run_experiment(config, data=photographs, out=tmp_path / "cut", resume=True)
    file.unlink()
    with pytest.raises(FileNotFoundError, match="`weights` must be a file that exists"):
        run_experiment(config, data=photographs, out=tmp_path / "cut", resume=True)
    assert run_experiment(config, data=photographs, out=tmp_path / "whole", resume=True).result == whole.result
    shutil.copy(tmp_path / "0.pt", file)
    resumed = run_experiment(config, data=photographs, out=tmp_path / "cut", resume=True)
    np.testing.assert_array_equal(resumed.load_predictions("test")[0], whole.load_predictions("test")[0])
