"""From the user's own data to a run with a fix, in one call."""

import numpy as np
import pandas as pd
import pytest
import torch

import longtail
from auto.photographs import SETTINGS
from longtail.auto.fitting import new_folder
from longtail.recipes import features
from longtail.repair import Fix
from longtail.repair.diagnose_predictions import diagnose_predictions

RUN = {"epochs": 2, "batch_size": 8, "device": "cpu", "threads": 1}


@pytest.mark.slow
def test_a_folder_becomes_a_run_with_names_held_out_samples_and_a_fix(trained):
    assert trained.data["class_names"] == ["blue, whale", "green frog", "red deer"]
    assert sum(trained.data["class_counts"]) < 70
    assert set(trained.data["held_out"]["held_out"]) == {"validation", "test"}
    assert trained.result["test"]["raw"]["balanced_accuracy"] > 0.8
    assert trained.result["backbone"] == "not trained"
    fix = Fix.load(trained.path / "fix.json")
    assert fix.class_names == ("blue, whale", "green frog", "red deer")


@pytest.mark.slow
def test_it_takes_a_table_of_paths_an_array_of_features_and_a_data_set(photographs, tmp_path):
    files = sorted(photographs.rglob("*.png"))
    frame = pd.DataFrame({"path": map(str, files), "label": [file.parent.name for file in files]})
    of_paths = longtail.fit(frame, out=tmp_path / "frame", **RUN, **SETTINGS)
    assert of_paths.data["class_names"] == ["blue, whale", "green frog", "red deer"]

    features = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    labels = np.repeat([10, 2280, 1_000_000_055], [30, 20, 10])
    of_features = longtail.fit((features, labels), out=tmp_path / "pair", **RUN)
    assert of_features.data["class_names"] == ["10", "2280", "1000000055"]
    assert of_features.data["input_shape"] == [5]

    class Colours(torch.utils.data.Dataset):
        targets = [0] * 20 + [1] * 10

        def __len__(self):
            return 30

        def __getitem__(self, index):
            return torch.full((3, 20, 24), float(self.targets[index])), self.targets[index]

    of_items = longtail.fit(Colours(), out=tmp_path / "items", **RUN, **SETTINGS)
    assert of_items.data["class_counts"] == [13, 6]


def test_without_validation_there_is_no_fix(tmp_path):
    features = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    run = longtail.fit((features, np.repeat(["a", "b"], 20)), out=tmp_path / "run", validation=0.0, **RUN)
    assert not (run.path / "fix.json").exists()
    assert len(longtail.load(run.path).batch(features[:3])) == 3


@pytest.mark.parametrize(
    ("work", "given", "meant"),
    [
        (lambda **given: longtail.train_and_fix(features(), data=None, out="run", **given), "downlod", "download"),
        (lambda **given: longtail.evaluate_on(None, "photos", **given), "labell", "label"),
        (
            lambda **given: longtail.extract_features("photos", model="resnet8-cifar", **given),
            "pathcolumn",
            "path_column",
        ),
        (lambda **given: diagnose_predictions(None, **given), "metrics", "metric"),
        (lambda **given: longtail.ClassAwareSampler([0, 1], **given), "sed", "seed"),
    ],
)
def test_a_misspelt_keyword_is_named_with_the_right_one(work, given, meant):
    with pytest.raises(TypeError, match=f"got an unexpected keyword argument '{given}'. Did you mean '{meant}'"):
        work(**{given: 1})


def test_the_next_run_gets_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/a").mkdir(parents=True)
    assert str(new_folder("a")) == "runs/a-2"
    (tmp_path / "runs/a-2").mkdir()
    assert str(new_folder("a")) == "runs/a-3"


def test_data_that_cannot_be_trained_on_leave_no_run_behind(tmp_path):
    with pytest.raises(ValueError, match="two classes"):
        longtail.fit((np.zeros((10, 2), dtype=np.float32), ["a"] * 10), out=tmp_path / "run", **RUN)
    assert not (tmp_path / "run").exists()


def test_a_run_that_exists_is_resumed_by_the_call_that_its_error_names(tmp_path):
    data = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32), np.repeat(["a", "b"], 20)
    run = longtail.fit(data, out=tmp_path / "run", **RUN)
    with pytest.raises(FileExistsError, match=r"`out` must not exist yet. Got .*\(in Python resume=True\)"):
        longtail.fit(data, out=tmp_path / "run", **RUN)
    assert longtail.fit(data, out=tmp_path / "run", resume=True, **RUN).result == run.result
    with pytest.raises(ValueError, match="A resumed run must keep what its result depends on"):
        longtail.fit(data, out=tmp_path / "run", resume=True, **RUN | {"epochs": 3})
    with pytest.raises(ValueError, match="`out` must name the run with `resume`"):
        longtail.fit(data, resume=True, **RUN)
