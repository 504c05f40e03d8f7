"""Comparisons: what is missing is run, what is done is skipped, what fails is a row."""

import csv
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from longtail.cli import main
from longtail.data import check
from longtail.losses.catalogue import LOSSES
from longtail.models import CifarBackbone, make_network
from longtail.recipes import METHODS, cifar100_lt, features, finetune, with_method
from longtail.recipes.methods import job_of, names_of, unsuited_to
from longtail.repair import Fix
from longtail.runs import RunFolder
from longtail.training import comparison
from training.own import write_photographs
from training.tiny import TINY_OPTIONS, replaced


def command(data, out, *options):
    return ["compare", "cifar10-lt", "--data", str(data), "--out", str(out), *replaced(TINY_OPTIONS, options)]


@pytest.mark.slow
def test_a_comparison_is_run_once_and_then_read(tiny, tmp_path, capsys):
    options = ["--methods", "ce, ldam-drw", "--seeds", "2", "--seed", "3"]
    assert main(command(tiny, tmp_path / "out", *options)) == 0
    first = capsys.readouterr()
    names = ["ce-seed3", "ce-seed4", "ldam-drw-seed3", "ldam-drw-seed4"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == names
    before = {name: (tmp_path / "out" / name / "result.json").stat().st_mtime_ns for name in names}
    assert main(command(tiny, tmp_path / "out", *options)) == 0
    assert capsys.readouterr().out == first.out
    assert before == {name: (tmp_path / "out" / name / "result.json").stat().st_mtime_ns for name in names}

    rows = list(csv.DictReader((tmp_path / "out/table.csv").read_text().splitlines()))
    assert [(row["method"], row["predictions"]) for row in rows[::3]] == [("ce", "raw"), ("ldam-drw", "raw")]
    assert len(rows) == 6
    top1 = [RunFolder.open(tmp_path / "out" / name).result["test"]["raw"]["top1"] for name in names[:2]]
    mean, spread = 50 * sum(top1), 100 * abs(top1[0] - top1[1]) / 2**0.5
    assert rows[0]["all"] == f"{mean:.1f} ± {spread:.1f}"
    assert rows[0]["seeds"] == "3 4"
    runs = list(csv.DictReader((tmp_path / "out/runs.csv").read_text().splitlines()))
    raw = [float(row["all"]) for row in runs if row["method"] == "ce" and row["predictions"] == "raw"]
    assert raw == pytest.approx(top1)
    assert rows[0]["many"] == "none"  # no class of the tiny set has so many images
    assert rows[3]["settings"] == "reweight_from=3"
    assert (tmp_path / "out/table.txt").read_text() in first.out + "\n"
    latex = (tmp_path / "out/table.tex").read_text()
    assert r"reweight\_from=3" in latex
    assert r"$\pm$" in latex
    assert latex.count(r"\\") == 7
    markdown = (tmp_path / "out/table.md").read_text().splitlines()
    assert len({line.count("|") for line in markdown if line.startswith("|")}) == 1


@pytest.mark.slow
def test_two_stages_share_the_first(tiny, tmp_path, capsys):
    options = ["--methods", "crt,tau-norm,ce", "--epochs", "1", "--seeds", "1", "--model", "resnet8-cifar"]
    assert main(command(tiny, tmp_path / "out", *options)) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == [
        "ce-seed0",
        "crt-seed0",
        "tau-norm-seed0",
    ]
    rows = list(csv.DictReader((tmp_path / "out/table.csv").read_text().splitlines()))
    assert [row["method"] for row in rows[::3]] == ["crt", "tau-norm", "ce"]
    assert rows[0]["settings"].startswith("after=ce classifier=new learns=classifier loss=ce epochs=10")
    assert {row["parameters"] for row in rows} == {rows[0]["parameters"]}
    result = RunFolder.open(tmp_path / "out/crt-seed0").result
    assert result["first_stage"]["folder"] == "ce-seed0"


def test_a_first_stage_that_fails_is_not_trained_again(tiny, tmp_path, capsys, monkeypatch):
    began = []

    def fail(config, *, out, **_):
        began.append(out.name)
        raise KeyError("nothing that one would think of")

    monkeypatch.setattr(comparison, "run_experiment", fail)
    assert main(command(tiny, tmp_path / "out", "--methods", "crt,lws,ce,ldam")) == 2
    assert began == ["ce-seed0", "ldam-seed0"]
    said = capsys.readouterr().out
    assert said.count("failed") == 4
    assert "lws: seed 0: KeyError: 'nothing that one would think of'" in said


def test_settings_that_belong_to_methods_are_refused(tiny, tmp_path, capsys):
    assert main(command(tiny, tmp_path / "out", "--methods", "ce", "--mixing", "mixup")) == 2
    assert "--mixing must be left to --methods in a comparison. Got 'mixup'" in capsys.readouterr().err
    for option, value in (("--contrastive", "0.35"), ("--sam-radius", "0.05")):
        assert main(command(tiny, tmp_path / "out", "--methods", "ce", option, value)) == 2
        assert f"{option} must be left to --methods in a comparison. Got {value}" in capsys.readouterr().err


def test_a_method_that_does_not_suit_the_recipe_is_named(tiny, tmp_path, capsys):
    assert main(command(tiny, tmp_path / "out", "--methods", "ce,bcl", "--augmentations")) == 2
    said = capsys.readouterr().err
    assert "the method bcl does not suit the recipe: `contrastive` must be 0 without `augmentations`" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_table_says_what_differs_from_the_recipe(tiny, tmp_path):
    options = ["--methods", "ce-weight-decay", "--epochs", "1", "--model", "resnet8-cifar"]
    assert main(command(tiny, tmp_path / "out", *options)) == 0
    rows = list(csv.DictReader((tmp_path / "out/table.csv").read_text().splitlines()))
    assert rows[0]["settings"] == "learning_rate=0.01 weight_decay=0.005"


@pytest.mark.slow
def test_runs_of_other_settings_are_not_mixed_in(tiny, tmp_path, capsys):
    options = ["--methods", "ce", "--epochs", "1", "--model", "resnet8-cifar"]
    assert main(command(tiny, tmp_path / "out", *options)) == 0
    table = (tmp_path / "out/table.csv").read_text()
    assert main(command(tiny, tmp_path / "out", *replaced(options, ["--epochs", "2"]))) == 2
    assert "`epochs` is 1, not 2" in capsys.readouterr().err
    assert (tmp_path / "out/table.csv").read_text() == table


OWN = ["--model", "resnet8-cifar", "--size", "16", "--no-pretrained", "--epochs", "2", "--batch-size", "8"]
OWN += ["--mean", "0.5", "0.5", "0.5", "--std", "0.25", "0.25", "0.25", "--threads", "1", "--device", "cpu"]


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table of features, 60, 30 and 10 rows of three species."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = [(species, *random.normal(len(species), size=2)) for species in ["ant"] * 60 + ["bee"] * 30 + ["wasp"] * 10]
    with Path("table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("species", "length", "weight"), *rows])
    return "table.csv"


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    monkeypatch.setenv("LONGTAIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return write_photographs(tmp_path / "photographs")


@pytest.mark.slow
def test_own_photographs_are_compared(photographs, capsys, monkeypatch):
    decoded = []
    reason = check._reason
    monkeypatch.setattr(check, "_reason", lambda decode, index: (decoded.append(index), reason(decode, index))[1])
    options = ["--methods", "ce,gala,crt", "--seeds", "2", *OWN]
    assert main(["compare", str(photographs), *options]) == 0
    first = capsys.readouterr().out
    out = Path("runs/compare-photographs-features")
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == sorted(
        f"{method}-seed{seed}" for method in ("ce", "gala", "crt") for seed in (0, 1)
    )
    assert len(decoded) == 38  # once for all runs
    rows = list(csv.DictReader((out / "table.csv").read_text().splitlines()))
    assert [(row["method"], row["predictions"]) for row in rows] == [
        (method, treatment) for method in ("ce", "gala", "crt") for treatment in ("raw", "inductive", "fixed")
    ]
    both = [RunFolder.open(out / f"crt-seed{seed}") for seed in (0, 1)]
    target = both[0].load_predictions("test")[1]
    hits = [Fix.load(f.path / "fix.json").predict(f.load_predictions("test")[0]) == target for f in both]
    mean = np.mean([np.mean([hit[target == label].mean() for label in range(3)]) for hit in hits])
    assert rows[-1]["all"].startswith(f"{100 * mean:.1f}")
    assert "all methods and seeds have the same training (25), validation and test samples" in first
    assert "photographs-features, resnet8-cifar, 2 epochs" in first
    assert len({RunFolder.open(path).data["fingerprint"] for path in out.glob("*-seed*")}) == 1
    assert main(["compare", str(photographs), *options]) == 0
    assert capsys.readouterr().out == first


@pytest.mark.slow
def test_features_are_computed_once_for_all_methods(photographs, monkeypatch, capsys):
    passed = []
    forward = CifarBackbone.forward
    monkeypatch.setattr(CifarBackbone, "forward", lambda self, x: (passed.append(len(x)), forward(self, x))[1])
    weights = make_network("resnet8-cifar", 3).state_dict()
    torch.save(weights, "weights.pt")
    methods = ["--methods", "ce,balanced-softmax,crt,ncm", "--weights", "weights.pt"]
    options = [option for option in OWN if option != "--no-pretrained"]
    assert main(["compare", str(photographs), *methods, *options, "--seeds", "2"]) == 0
    assert sum(count for count in passed if count > 2) == 38
    assert "failed" not in capsys.readouterr().out


@pytest.mark.slow
def test_runs_on_data_that_have_changed_are_a_row_that_says_so(photographs, capsys):
    assert main(["compare", str(photographs), "--methods", "ce", *OWN]) == 0
    (photographs / "ant/0.png").unlink()
    assert main(["compare", str(photographs), "--methods", "ce,gala", *OWN]) == 2
    said = capsys.readouterr().out
    assert "gala: seed 0: `out` must hold runs on the same samples. Those of gala-seed0 and ce-seed0 differ" in said


def test_own_data_must_be_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "features", "--methods", "ce"]) == 2
    assert (
        "--data must name your own data, or pass a path: longtail compare photos/. Got none." in capsys.readouterr().err
    )
    assert main(["compare", "nowhere/", "--methods", "ce"]) == 2
    assert f"PATH must exist. Got nowhere/; {tmp_path / 'nowhere'} is missing." in capsys.readouterr().err
    assert main(["compare", "nowhere", "--methods", "ce"]) == 2
    assert "`longtail compare` takes a recipe" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_second_stage_finds_the_data_of_the_first(photographs, tmp_path, monkeypatch, capsys):
    assert main(["train", "photographs", "--loss", "ce", "--out", "ce", *OWN]) == 0
    monkeypatch.chdir(tmp_path.parent)
    assert main(["retrain", str(tmp_path / "ce"), "--method", "crt", "--epochs", "2", "--threads", "1"]) == 0
    said = capsys.readouterr().out
    assert "crt after ce, seed 0, epoch 2 (the last)" in said
    assert f"next: longtail report {tmp_path / 'ce-crt'}; longtail predict {tmp_path / 'ce-crt'} IMAGES" in said
    assert RunFolder.open(tmp_path / "ce-crt").fix_path.is_file()
    assert main(["retrain", str(tmp_path / "LATEST"), "--method", "ncm", "--threads", "1"]) == 0
    assert RunFolder.open(tmp_path / "ce-ncm").result is not None


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("table.csv", ["--label", "specis"], "longtail: --label must name a column of table.csv. Got 'specis'"),
        ("digits-lt", ["--batch-size", "5000"], "longtail: `batch_size` must be at most 382"),
        ("digits-lt", ["--model", "resnet9-cifar"], "longtail: `model` must be resnet8-cifar"),
        ("digits-lt", ["--weights", "none.pt"], "longtail: `weights` must be a file that exists. Got none.pt"),
    ],
)
def test_an_error_that_all_runs_share_is_one_error_before_any(table, source, options, message, capsys):
    assert main(["compare", source, "--methods", "ce,gala", "--seeds", "2", *options]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(message)
    assert said.err.count("\n") == 1
    assert not Path("runs").exists()


def test_a_finished_comparison_needs_no_data(table, capsys):
    options = ["--methods", "ce", "--epochs", "1", "--label", "species", "--out", "out"]
    assert main(["compare", table, *options]) == 0
    first = capsys.readouterr().out
    Path(table).write_text("species\n")
    assert main(["compare", table, *options]) == 0
    assert capsys.readouterr().out == first


def test_names_for_several_methods():
    assert names_of("losses") == list(LOSSES)
    assert names_of("gala,all")[0] == "gala"
    assert sorted(names_of("all")) == sorted(METHODS)


def test_a_run_is_no_folder_of_a_comparison(tmp_path, capsys):
    (tmp_path / "run.json").touch()
    assert main(["compare", "digits-lt", "--methods", "ce", "--out", str(tmp_path)]) == 2
    assert f"`out` must be the folder of a comparison. Got {tmp_path}, which is a run" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_all_methods_on_features_are_those_that_need_no_pixels(table, capsys, monkeypatch):
    for name in (names := names_of("all", without=unsuited_to(features()))):
        job_of(features(), name, seed=0)
    assert [name for name in METHODS if name not in names] == ["bcl", "proco", "cutmix", "cmo", "balanced-softmax-cmo"]
    assert main(["compare", table, "--methods", "ce,cmo", "--label", "species"]) == 2
    assert "train on the images: recipe finetune or scratch" in capsys.readouterr().err
    monkeypatch.setattr("longtail.training.comparison.check_settings", lambda *_: sys.exit("settings"))
    with pytest.raises(SystemExit):
        main(["compare", table, "--methods", "all", "--label", "species"])
    said = "left out: bcl, proco, cutmix, cmo, balanced-softmax-cmo, which need images; these are features\n"
    assert capsys.readouterr().err == said


def test_methods_with_a_learning_rate_of_sgd_are_not_compared_by_another_optimizer(table, capsys, monkeypatch):
    names = names_of("all", without=unsuited_to(finetune()))
    for name in names:
        job_of(finetune(), name, seed=0)
    assert [name for name in METHODS if name not in names] == ["ce-weight-decay", "weight-balancing"]
    assert main(["compare", "features", "--data", table, "--methods", "weight-balancing", "--optimizer", "adamw"]) == 2
    said = "longtail: `methods` must leave out weight-balancing for the optimizer adamw: its learning rate and weight"
    assert capsys.readouterr().err.startswith(said)
    monkeypatch.setattr("longtail.training.comparison.check_settings", lambda *_: sys.exit("settings"))
    with pytest.raises(SystemExit):
        main(["compare", "features", "--data", table, "--methods", "all", "--optimizer", "adamw"])
    assert capsys.readouterr().err.splitlines() == [
        "left out: ce-weight-decay, weight-balancing, which have a learning rate of SGD; the recipe trains by adamw",
        "left out: bcl, proco, cutmix, cmo, balanced-softmax-cmo, which need images; these are features",
    ]


@pytest.mark.slow
def test_a_run_that_fails_is_a_row_and_not_the_end(tiny, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/gala-seed0").write_text("not a run")
    assert main(command(tiny, tmp_path / "out", "--methods", "gala,ce")) == 2
    said = capsys.readouterr().out
    assert re.search(r"^gala +failed", said, re.M)
    assert "gala: seed 0: `out` must be a run to resume, or not exist yet" in said
    assert re.search(r"^ce +raw +0 +\d", said, re.M)


def test_impossible_settings_are_refused_before_any_work(tiny, tmp_path, capsys):
    for options, message in (
        (["--methods", "ce,gelu"], "`methods` must be one of 'ce'"),
        (["--methods", "ce,"], "must have a name on each side of a comma. Got 'ce,'. Write ce."),
        (["--methods", "ce", "--seeds", "0"], "`seeds` must be at least 1"),
    ):
        assert main(command(tiny, tmp_path / "out", *options)) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--methods", "ce", "--methods", "gala"],
            "--methods must be given once. Got it 2 times: ce, gala. Put all in",
        ),
        (["--methods=ce", "--seeds", "1", "--batch-size", "8", "--batch_size=16"], "--batch-size must be given once."),
        (["--methods", "ce", "--pretrained", "--no-pretrained"], "--pretrained must be given once."),
    ],
)
def test_a_repeated_option_is_refused(tmp_path, monkeypatch, options, message, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "digits-lt", "--epochs", "1", *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_methods_are_listed_with_their_source_and_defaults(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["methods"]) == 0
    said = capsys.readouterr().out
    for name, method in METHODS.items():
        assert re.search(rf"^{name} .*{re.escape(method.source[:12])}", said, re.M)
    assert main(["methods", "gala"]) == 0
    said = capsys.readouterr().out
    assert "accumulate = released" in said
    assert "eps = 0.064" in said
    assert "reduction" not in said
    assert main(["methods", "gela"]) == 2


def test_several_methods_are_listed_each_with_the_arguments_of_its_loss(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["methods", "ldam", "ncm", "crt"]) == 0
    said = capsys.readouterr().out
    assert re.findall(r"^(\S+) ", said, re.M)[:4] == ["method", "ldam", "ncm", "crt"]
    assert re.findall(r"^arguments of .*$", said, re.M) == [
        "arguments of the loss of ldam, ldam:",
        "arguments of the loss of crt, ce:",
    ]
    assert main(["methods", "ldam,", "ncm,crt"]) == 0
    assert capsys.readouterr().out == said
    assert main(["methods", "ldam", "crtt"]) == 2
    assert "Did you mean 'crt'?" in capsys.readouterr().err


def test_a_method_that_trains_nothing_has_no_settings_of_a_loss(capsys):
    for name, shown in (("tau-norm", False), ("ncm", False), ("crt", True)):
        assert main(["methods", name]) == 0
        assert ("label_smoothing" in capsys.readouterr().out) == shown


def test_a_second_stage_is_listed_with_its_own_arguments_of_the_loss(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["methods", "disalign"]) == 0
    said = capsys.readouterr().out
    assert "loss_arguments beta=1.0 power=1.2, epochs 10" in said
    assert "\narguments of its loss, class-balanced:\n  beta = 1.0\n  power = 1.2\n  gamma = 0.0\n" in said


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_a_configuration(name):
    contrasted = {"contrastive": 0.1, "contrastive_loss": "probabilistic"}
    recipe = cifar100_lt(sampler="progressive", reweight_from=5, sam_radius=0.1, **contrasted)
    config = with_method(recipe, name, seed=7)
    assert config.seed == 7
    assert config.reweight_from == (161 if METHODS[name].deferred else 0)
    assert config.sampler == METHODS[name].settings.get("sampler", "shuffle")
    for setting in ("contrastive", "sam_radius"):
        assert getattr(config, setting) == METHODS[name].settings.get(setting, 0)
    assert config.contrastive_loss == METHODS[name].settings.get("contrastive_loss", "balanced")
