import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
from torch import nn

from longtail.analysis import GradientRecorder, RecordedGradients
from longtail.cli import main
from longtail.recipes import digits_lt, second_stage
from longtail.reports import run_page
from longtail.reports.run_figures import figures_of
from longtail.reports.run_view import run_views
from longtail.runs import RunFolder
from longtail.training import STAGES, Callback, Scratch, StageKind, TrainingStopped, run_experiment
from training.own import feature_table, features_config, scratch_config, write_photographs


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for loss in ("ce", "gala"):
        config = digits_lt(loss=loss, epochs=4, evaluate_every=2)
        run_experiment(config, data=None, out=folder / loss, callbacks=[GradientRecorder()])
    return folder


@pytest.fixture(scope="module")
def page(runs):
    return run_page([runs / "ce", runs / "gala"])


@pytest.mark.parametrize("width", ["desktop", "telephone"])
@pytest.mark.slow
def test_every_chart_is_drawn_and_nothing_is_fetched(page, look_at, tmp_path, width):
    shown = look_at(page.save(tmp_path / "report.html"), width)
    assert shown.complaints == []
    assert [url.split(":")[0] for url in shown.requests if not url.startswith("data:")] == ["file"]
    assert shown.locator("svg.marks").count() == len(page.figures) == 11
    for chart in shown.locator("svg.marks").all():
        assert chart.bounding_box()["width"] <= shown.viewport_size["width"]
    assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert shown.evaluate("[...document.images].every(image => image.naturalWidth == 8)")
    assert (tmp_path / "report.html").stat().st_size < 5e6


@pytest.mark.slow
def test_words_are_about_these_very_runs(page, runs):
    words = {figure.title: figure.words for figure in page.figures}
    for run in run_views([RunFolder.open(runs / name) for name in ("ce", "gala")]):
        few = run.groups["few"]
        kept = run.gradients
        factor = kept.negative[:, few].sum() / kept.positive[:, few].sum()
        ratio = words["Ratio of positive to negative gradient per class (figure 1b of the GALA paper)"]
        assert f"{factor:.2f} times as much under {run.name}" in ratio
        assert f"{100 * np.nanmean(run.recall[few]):.1f} % on few" in words["Per-class recall"]
    assert all(len(text) > 40 for text in words.values())


def test_the_numbers_of_the_figures_are_those_of_the_runs(page, runs):
    frames = {figure.title: figure.frame for figure in page.figures}
    predicted = frames["Number of predictions per class (figure 2 of the GALA paper)"]
    assert set(predicted["series"]) == {"ce", "gala", "labels"}
    assert predicted.groupby("series")["value"].sum().unique().tolist() == [400]
    causes = frames["Sources of negative gradient on tail classes (figure 1c of the GALA paper)"]
    kept = run_views([RunFolder.open(runs / "ce")])[0]
    own = causes[(causes["run"] == "ce") & (causes["on classes of"] == "few")]["value"].sum()
    few = kept.groups["few"]
    np.testing.assert_allclose(own * few.sum(), kept.gradients.negative[:, few].sum(), rtol=1e-5)


def test_it_says_how_all_was_made(page):
    facts = page.facts
    assert "loss ce" in facts["ce"]
    assert "seed 0" in facts["ce"]
    assert "torch" in facts["ce"]
    assert "unlabelled test set" in facts["transductive"]


@pytest.mark.slow
def test_a_run_in_progress_has_a_page(tmp_path, runs):
    class Stop(Callback):
        def on_epoch_end(self, metrics):
            if metrics["epoch"] == 3:
                raise TrainingStopped("enough")

    with pytest.raises(TrainingStopped):
        run_experiment(
            digits_lt(loss="focal", epochs=5, evaluate_every=1), data=None, out=tmp_path / "focal", callbacks=[Stop()]
        )
    page = run_page([tmp_path / "focal", runs / "ce"])
    assert "focal is still in progress: epoch 3 of 5." in page.lead
    assert page.figures[0].title == "Test recall during training"
    alone = run_page([tmp_path / "focal"])
    assert [figure.title for figure in alone.figures] == ["Test recall during training"]


@pytest.mark.slow
def test_without_a_recording_its_figures_are_left_out(tmp_path, runs):
    shutil.copytree(runs / "ce", tmp_path / "ce")
    (tmp_path / "ce/gradients.npz").unlink()
    titles = [figure.title for figure in figures_of(run_views([RunFolder.open(tmp_path / "ce")]))]
    assert not any("1b" in title or "1c" in title for title in titles)


def test_runs_are_named_by_what_tells_them_apart(runs, tmp_path):
    shutil.copytree(runs / "ce", tmp_path / "other")
    one, two = RunFolder.open(runs / "ce"), RunFolder.open(tmp_path / "other")
    assert [run.name for run in run_views([one, RunFolder.open(runs / "gala")])] == ["ce", "gala"]
    assert [run.name for run in run_views([one, two])] == ["ce", "other"]


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"sam_radius": 0.05}, "ce with SAM"),
        ({"mixing": "mixup"}, "ce with mixup"),
        ({"reweight_from": 8, "sam_radius": 0.8}, "ce with DRW and SAM"),
        ({"contrastive": 0.35}, "ce with balanced contrastive learning"),
        ({"contrastive": 1.0, "contrastive_loss": "probabilistic"}, "ce with probabilistic contrastive learning"),
    ],
)
def test_a_run_is_named_by_what_is_beside_the_loss_too(settings, name, tmp_path):
    folders = [
        RunFolder.create(tmp_path / path, config=digits_lt(loss="ce", epochs=9, **changes), seed=0)
        for path, changes in (("plain", {}), ("other", settings))
    ]
    assert [run.name for run in run_views(folders)] == ["ce", name]


@pytest.mark.slow
def test_what_does_not_fit_together_is_refused(runs, tmp_path, capsys):
    with pytest.raises(ValueError, match="`runs` must differ from each other"):
        run_page([runs / "ce", runs / "ce"])
    with pytest.raises(ValueError, match="`runs` must hold at least one run"):
        run_page([])
    other = dataclasses.replace(digits_lt(loss="ce", epochs=1), imbalance=10.0)
    run_experiment(other, data=None, out=tmp_path / "other")
    assert main(["report", str(runs / "ce"), str(tmp_path / "other"), "--out", str(tmp_path / "r.html")]) == 2
    assert (
        "`runs` must be on the same data. Got digits, imbalance 10.0 and digits, imbalance 50.0"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "r.html").exists()
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "r.html")]) == 2
    assert "has no run.json" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_line_writes_it(runs, tmp_path, capsys):
    out = tmp_path / "report.html"
    assert main(["report", str(runs / "ce"), str(runs / "gala"), "--out", str(out)]) == 0
    assert f"report: {out}" in capsys.readouterr().out
    assert out.read_text().startswith("<!DOCTYPE html>")
    assert main(["report", str(runs / "ce"), "--out", str(out)]) == 2
    assert "Add --force to replace it" in capsys.readouterr().err
    assert main(["report", str(runs / "ce"), "--out", str(out), "--force"]) == 0


@pytest.mark.slow
def test_a_second_stage_is_called_by_its_name(runs, tmp_path):
    folder = run_experiment(
        second_stage(RunFolder.open(runs / "ce"), "crt"),
        data=None,
        out=tmp_path / "crt",
        first_stage=RunFolder.open(runs / "ce"),
    )
    page = run_page([folder.path, runs / "gala"])
    assert page.title == "crt after ce, gala on digits, imbalance 50"
    assert "second_stage crt" in page.facts["crt after ce"]


@pytest.mark.slow
def test_folders_that_do_not_agree_with_themselves_are_one_line(runs, tmp_path, capsys):
    shutil.copytree(runs / "ce", tmp_path / "a")
    RecordedGradients.empty(np.arange(1, 4)).save(tmp_path / "a/gradients.npz")
    recorded = RecordedGradients.load(runs / "ce")
    dataclasses.replace(recorded, class_counts=np.arange(1, 4)).save(tmp_path / "a/gradients.npz")
    assert main(["report", str(tmp_path / "a"), "--out", str(tmp_path / "r.html")]) == 2
    assert "the array 'class_counts' must be of the shape (10,). Got (3,)" in capsys.readouterr().err
    (tmp_path / "a/result.json").write_text("{}")
    assert main(["report", str(tmp_path / "a"), "--out", str(tmp_path / "r.html")]) == 2
    assert "must hold the result of a training run" in capsys.readouterr().err
    (tmp_path / "b").mkdir()
    shutil.copytree(runs / "ce", tmp_path / "b/ce")
    (tmp_path / "b/ce/weights.pt").unlink()
    assert main(["report", str(tmp_path / "b/ce"), "--out", str(tmp_path / "r.html")]) == 2
    assert "must hold weights.pt" in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()


def test_runs_in_progress_on_other_data_are_refused_too(runs, tmp_path):
    RunFolder.create(tmp_path / "run", config={"loss": "ce", "dataset": "cifar100", "imbalance": 100.0}, seed=0)
    with pytest.raises(ValueError, match="`runs` must be on the same data"):
        run_page([runs / "ce", tmp_path / "run"])


def test_gradients_of_a_run_in_progress_are_shown(runs, tmp_path):
    shutil.copytree(runs / "ce", tmp_path / "run")
    (tmp_path / "run/result.json").unlink()
    page = run_page([tmp_path / "run"])
    assert "Ratio of positive to negative gradient per class (figure 1b of the GALA paper)" in [
        figure.title for figure in page.figures
    ]
    assert set(page.facts) == {"ce"}


@pytest.mark.slow
def test_causes_are_drawn_of_recordings_by_groups_too(runs, tmp_path):
    """Groups that lie within many, medium and few, of three, four and three digits, give the numbers of the classes."""
    shutil.copytree(runs / "ce", tmp_path / "ce")
    whole = RecordedGradients.load(runs / "ce")
    starts = [0, 3, 7]  # digits are ordered by frequency
    both = {
        name: np.add.reduceat(np.add.reduceat(getattr(whole, name), starts, 1), starts, 2)
        for name in ("positive_by_cause", "negative_by_cause")
    }
    group = np.repeat([0, 1, 2], [3, 4, 3])
    dataclasses.replace(whole, group=group, **both).save(tmp_path / "ce/gradients.npz")
    one, other = (
        next(figure.frame for figure in run_page([path]).figures if "1c" in figure.title)
        for path in (runs / "ce", tmp_path / "ce")
    )
    np.testing.assert_allclose(one["value"], other["value"], rtol=1e-5)


@pytest.mark.parametrize("made", [scratch_config, features_config])
@pytest.mark.slow
def test_own_photographs_have_names_pictures_and_gradients(made, tmp_path, monkeypatch):
    monkeypatch.setenv("LONGTAIL_CACHE", str(tmp_path / "cache"))
    photographs = write_photographs(tmp_path / "photographs")
    config = made(loss="ce", epochs=1, many_above=10, few_below=5, learning_rate=1e-6)  # it confuses classes
    first = run_experiment(config, data=photographs, out=tmp_path / "ce", callbacks=[GradientRecorder()])
    crt = second_stage(first, "crt", epochs=1)
    second = run_experiment(
        crt, data=photographs, out=tmp_path / "crt", first_stage=first, callbacks=[GradientRecorder()]
    )
    page = run_page([first.path, second.path])
    assert page.title == "ce, crt after ce on photographs"
    frames = {figure.title: figure.frame for figure in page.figures}
    assert set(frames["Per-class recall"]["name"]) == {"ant", "bee", "cow"}
    gradients = frames["Ratio of positive to negative gradient per class (figure 1b of the GALA paper)"]
    assert set(gradients["series"]) == {"ce", "crt after ce"}
    assert "Sources of negative gradient on tail classes (figure 1c of the GALA paper)" in frames
    words, pictures = page.galleries[0].rows[0]
    assert re.match("class (ant|bee|cow) predicted as (ant|bee|cow)", words)
    assert pictures[0].shape == (16, 16, 3)


@pytest.mark.slow
def test_features_have_no_pictures_and_gradients_all_the_same(tmp_path):
    inputs, labels = feature_table()
    np.savez(tmp_path / "table.npz", features=inputs, labels=labels)
    run = run_experiment(
        features_config(epochs=1), data=tmp_path / "table.npz", out=tmp_path / "run", callbacks=[GradientRecorder()]
    )
    page = run_page([run.path], tmp_path / "table.npz")
    assert page.title == "gala on table.npz"
    assert page.galleries == []
    assert any("figure 1b" in figure.title for figure in page.figures)
    (tmp_path / "other").mkdir()
    np.savez(tmp_path / "other.npz", features=inputs, labels=np.char.replace(labels, "cow", "dog"))
    dogs = run_experiment(features_config(epochs=1), data=tmp_path / "other.npz", out=tmp_path / "other/run")
    with pytest.raises(ValueError, match=r"`runs` must have the same classes. Got others in .*other/run"):
        run_page([run.path, dogs.path])


@pytest.mark.slow
def test_a_classifier_without_weights_of_classes_has_a_report(tmp_path, monkeypatch):
    class Deep(Scratch):
        def __init__(self, given):
            super().__init__(given)
            self.model.classifier = nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))

    monkeypatch.setitem(STAGES, "deep", StageKind(Deep))
    run = run_experiment(digits_lt(loss="ce", epochs=1, stage="deep"), data=None, out=tmp_path / "run")
    titles = [figure.title for figure in run_page([run.path]).figures]
    assert "Per-class recall" in titles
    assert not any("figure 1a" in title or "figure 1d" in title for title in titles)


@pytest.mark.parametrize("test", [{}, {"raw": {"top1": "much"}}, {"raw": {"top1": 0.5}, "inductive": 5}])
def test_scores_that_are_no_numbers_are_said_to_be_damaged(runs, tmp_path, test):
    copy = shutil.copytree(runs / "ce", tmp_path / "ce")
    file = copy / "result.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"test": test}))
    with pytest.raises(ValueError, match=r"result\.json is damaged: its `test` must hold numbers"):
        run_page([copy])


def test_files_of_two_runs_are_said_to_be_of_two(runs, tmp_path):
    copy = shutil.copytree(runs / "ce", tmp_path / "ce")
    file = copy / "data.json"
    data = json.loads(file.read_text())
    fewer = {name: data[name][:-1] for name in ("class_names", "class_counts")}
    file.write_text(json.dumps(data | fewer))
    with pytest.raises(
        ValueError, match=r"must hold data\.json and result\.json of one run. They have 9 and 10 classes"
    ):
        run_page([copy])


@pytest.mark.parametrize(
    ("named", "message"), [([], "RUNS must name at least one run folder"), (["nothing"], "`path` must be a run folder")]
)
def test_runs_that_are_missing_are_told_before_a_report_that_exists(tmp_path, capsys, named, message):
    (tmp_path / "report.html").touch()
    assert main(["report", *named, "--out", str(tmp_path / "report.html")]) == 2
    assert message in capsys.readouterr().err
