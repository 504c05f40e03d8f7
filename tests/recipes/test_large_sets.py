"""The recipes of the large data sets, both stages, on data sets of three classes that go by their names."""

import os
import signal
from pathlib import Path

import pytest

from data.large_set_files import write_tiny
from longtail.cli import main
from longtail.cli.run_name import default_folder
from longtail.data.large_sets import LARGE_SETS
from longtail.recipes import RECIPES, SECOND_STAGES, imagenet_lt, second_stage, with_method
from longtail.recipes.large_second_stages import LARGE_SECOND_STAGES
from longtail.recipes.large_sets import IMAGENET, INATURALIST
from longtail.runs import RunFolder
from longtail.training import OwnConfig, TrainingStopped, run_experiment
from training.test_resume import At, assert_same_end

SMALL = ["--model", "resnet8-cifar", "--size", "16", "--batch-size", "8", "--epochs", "2"]
MACHINE = ["--device", "cpu", "--threads", "1", "--precision", "float32"]
TAU = {"imagenet-lt": "1.7", "places-lt": "1.4", "inaturalist18": "1.5"}
NAMES = list(LARGE_SETS)


@pytest.fixture(params=NAMES, scope="module")
def name(request):
    return request.param


@pytest.fixture(scope="module")
def data(name, tmp_path_factory):
    folder = tmp_path_factory.mktemp("large") / name
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LARGE_SETS, name, write_tiny(name, folder))
        yield folder


def train(name, data, out, *options):
    extra = ["--pretrained", "False"] if name == "places-lt" else []
    return main(["train", name, "--data", str(data), "--out", str(out), *SMALL, *MACHINE, *extra, *options])


@pytest.fixture(scope="module")
def first(name, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "first"
    assert train(name, data, out, "--loss", "ce", "--mixing", "mixup") == 0
    return RunFolder.open(out)


@pytest.mark.slow
def test_two_stages_evaluation_and_report(name, first, capsys):
    out = first.path.with_name("second")
    command = ["retrain", str(first.path), "--method", "decoupled-gala", "--out", str(out)]
    assert main([*command, "--batch-size", "16", "--epochs", "2", "--threads", "1"]) == 0
    run = RunFolder.open(out)
    config = run.header["config"]
    assert config["loss"] == "gala"
    assert config["sampler"] == "class-aware"
    assert config["features"] == "each-step"
    assert config["augment"] == "randaugment-n2-m10"
    before, after = first.load_weights()["model"], run.load_weights()["model"]
    changed = {key for key in before if not before[key].equal(after[key])}
    assert changed == {"classifier.weight", "classifier.bias"}
    assert run.result["class_counts"] == [24, 12, 6]
    assert "transductive" in run.result["test"]
    assert "inductive" in run.result["test"]
    capsys.readouterr()
    assert main(["evaluate", str(out), "--rebalance", TAU[name]]) == 0
    assert f"inductive, τ = {TAU[name]}" in capsys.readouterr().out
    assert main(["evaluate", str(out), "--rebalance", TAU[name], "--transductive"]) == 0
    assert f"transductive, τ = {TAU[name]}" in capsys.readouterr().out
    assert main(["report", str(out), "--out", str(out / "report.html")]) == 0
    assert (out / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_one_stage_with_gala(name, data, tmp_path, capsys):
    assert train(name, data, tmp_path / "run") == 0
    run = RunFolder.open(tmp_path / "run")
    assert run.header["config"]["loss"] == "gala"
    assert run.result["theta_slope"] > 0
    assert len(run.load_predictions("test")[1]) == 18
    capsys.readouterr()
    image = next(path for path in sorted(data.rglob("test_0.jpg")))
    assert main(["predict", str(tmp_path / "run"), str(image)]) == 0
    printed = capsys.readouterr().out
    assert any(label in printed for label in run.data["class_names"])


@pytest.mark.slow
def test_a_second_stage_that_is_killed_goes_on_to_the_same_weights(first, data, tmp_path):
    config = second_stage(first, "decoupled-gala", batch_size=8, epochs=3, threads=1)
    given = {"data": data, "first_stage": first}
    whole = run_experiment(config, out=tmp_path / "whole", **given)
    stop = At(7, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingStopped):
        run_experiment(config, out=tmp_path / "killed", callbacks=[stop], **given)
    run_experiment(config, out=tmp_path / "killed", resume=True, **given)
    assert_same_end(tmp_path / "killed", whole.path)


@pytest.mark.parametrize(
    "method", ["decoupled-balanced-softmax", "balms", "crt", "lws", "tau-norm", "ncm", "mislas", "disalign"]
)
@pytest.mark.slow
def test_second_stages_of_other_papers(method, name, first, data, tmp_path):
    settings = {} if method in ("tau-norm", "ncm") else {"epochs": 1, "batch_size": 8}
    config = second_stage(first, method, threads=1, **settings)
    run = run_experiment(config, data=data, out=tmp_path / "run", first_stage=first)
    assert run.result["first_stage"]["folder"] == "first"
    before, after = first.load_weights()["model"], run.load_weights()["model"]
    changed = {key for key in before if key.startswith("backbone") and not before[key].equal(after[key])}
    statistics = {
        key for key in before if key.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")
    }
    assert changed <= statistics
    assert bool(changed) == (method == "mislas")


@pytest.mark.parametrize("name", ["imagenet-lt"], scope="module")
@pytest.mark.slow
def test_a_comparison_of_methods_of_one_and_two_stages(name, data, tmp_path, capsys):
    options = ["--methods", "decoupled-gala,balanced-softmax", "--seeds", "1", "--out", str(tmp_path / "out")]
    assert main(["compare", name, "--data", str(data), *SMALL, *MACHINE, *options]) == 0
    runs = sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert runs == ["balanced-softmax-seed0", "decoupled-gala-seed0", "mixup-seed0"]
    second = RunFolder.open(tmp_path / "out/decoupled-gala-seed0").header["config"]
    assert second["batch_size"] == 512  # more than there are samples: one batch
    assert "decoupled-gala" in capsys.readouterr().out


def test_the_folder_of_a_run_is_not_named_for_where_its_images_lie():
    config = imagenet_lt(loss="ce", mixing="mixup", root="/images/imagenet", workers=4)
    assert default_folder(config) == Path("runs/imagenet-lt-ce-mixing_mixup-seed0")


def test_the_folder_of_a_run_is_one_folder_whatever_paths_its_settings_hold():
    assert default_folder(imagenet_lt(weights="/w/a.pt")) == Path("runs/imagenet-lt-gala-weights_a.pt-seed0")
    named = imagenet_lt(model="hf-hub:timm/resnet50.a1_in1k")
    assert default_folder(named) == Path("runs/imagenet-lt-gala-model_resnet50.a1_in1k-seed0")


@pytest.mark.slow
def test_settings_of_the_papers(first, name):
    config = second_stage(first, "decoupled-gala")
    inaturalist = name == "inaturalist18"
    of_a_step = sum(first.result["class_counts"])  # a batch of 512 holds them all
    assert config.epochs == (30 if inaturalist else 10)
    assert config.learning_rate == pytest.approx((0.2 if inaturalist else 0.12) * of_a_step / 512)
    assert config.weight_decay == (1e-4 if inaturalist else 5e-4)
    assert config.batch_size == 512
    with pytest.raises(ValueError, match=f"`views` must be left out for decoupled-gala on {name}: .* Got 8"):
        second_stage(first, "decoupled-gala", views=8)
    with pytest.raises(ValueError, match=f"`views` must be left out for mislas on {name}: each step augments"):
        second_stage(first, "mislas", views=8)
    half = second_stage(first, "decoupled-gala", batch_size=of_a_step // 2)
    assert half.learning_rate == pytest.approx(config.learning_rate / 2)
    assert second_stage(first, "crt").epochs == (30 if inaturalist else 10)
    balanced = second_stage(first, "decoupled-balanced-softmax")
    assert balanced.batch_size == (128 if name == "places-lt" else 512)
    rate = 0.01 / 128 if name == "places-lt" else 0.2 / 512
    assert balanced.learning_rate == pytest.approx(rate * of_a_step)
    balms = second_stage(first, "balms")
    assert (balms.features, balms.views, balms.meta_batch_size) == ("computed", 4, 512)
    assert balms.meta_learning_rate == pytest.approx(0.01 * of_a_step / balms.batch_size)
    with pytest.raises(ValueError, match="`features` must not be 'each-step' where `meta_learning_rate` is set"):
        second_stage(first, "balms", features="each-step")
    smoothing = second_stage(first, "mislas").loss_arguments
    assert smoothing == (() if name == "places-lt" else ("head=0.3", "tail=0.0"))


@pytest.mark.parametrize("name", NAMES)
def test_recipes_of_the_first_stage(name):
    config = with_method(RECIPES[name](), "decoupled-gala", seed=3)
    assert (config.loss, config.mixing, config.mixing_alpha, config.seed) == ("ce", "mixup", 0.2, 3)
    assert (config.batch_size, config.learning_rate, config.warmup_epochs) == (256, 0.1, 0)
    assert isinstance(config, OwnConfig)
    assert config.size == 224
    assert config.completed().mean == (INATURALIST if name == "inaturalist18" else IMAGENET)["mean"]
    assert set(LARGE_SECOND_STAGES[name]) <= set(SECOND_STAGES)
