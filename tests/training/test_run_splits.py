"""Data that are read again after a run, for its images and its features, must be those of the run."""

import shutil

import pytest

from longtail.analysis import class_geometry
from longtail.reports import run_page
from longtail.runs import RunFolder
from longtail.training import run_experiment
from longtail.training.run_splits import splits_of_run
from training.own import feature_table, features_config, scratch_config, write_photographs


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    photographs = write_photographs(out / "photographs")
    return run_experiment(scratch_config(loss="ce", epochs=1), data=photographs, out=out / "ce"), photographs


def test_the_splits_are_those_that_were_trained_on(run):
    folder, photographs = run
    splits = splits_of_run(folder, photographs)
    assert splits.class_counts.tolist() == folder.result["class_counts"]


def test_a_report_shows_no_images_of_data_that_have_changed(run, tmp_path):
    folder, photographs = run
    changed = shutil.copytree(photographs, tmp_path / "photographs")
    (changed / "bee/0.png").unlink()
    moved = RunFolder.open(shutil.copytree(folder.path, tmp_path / "run"))
    moved.save_data({**(moved.data or {}), "origin": str(changed)})
    assert run_page([folder.path]).galleries
    assert not run_page([moved.path]).galleries
    shutil.rmtree(changed / "bee")
    shutil.rmtree(changed / "cow")  # one class is no data to train on
    assert not run_page([moved.path]).galleries
    shutil.copytree(photographs / "cow", changed / "cow")
    with pytest.raises(ValueError, match="`data` must be the data that the run .* was trained on. Its samples or"):
        run_page([moved.path], changed)


def test_features_of_other_data_are_not_measured(tmp_path):
    inputs, labels = feature_table()
    folder = run_experiment(features_config(loss="ce", epochs=1), data=(inputs, labels), out=tmp_path / "run")
    assert class_geometry(folder, (inputs, labels)).weight_norm.shape == (3,)
    for other in ((3 * inputs, labels), (inputs[:, 1:], labels), (inputs[1:], labels[1:])):
        with pytest.raises(ValueError, match="`data` must be the data"):
            class_geometry(folder, other)
