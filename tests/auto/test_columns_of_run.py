import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import longtail
from longtail.auto.columns_of_run import read_as_in_training
from longtail.cli import main
from longtail.cli.predict import _images
from longtail.training import OwnConfig

LABELS = np.repeat(["otter", "seal", "whale"], [60, 30, 10])
FEATURES = np.random.default_rng(0).normal(np.repeat([0.0, 4.0, 8.0], [60, 30, 10])[:, None], 1, (100, 2))
TABLE = pd.DataFrame({"a": FEATURES[:, 0], "b": FEATURES[:, 1], "species": LABELS, "ship": np.arange(100) % 50})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    TABLE.to_csv(folder / "train.csv", index=False)
    settings = {"epochs": 5, "batch_size": 16, "threads": 1, "device": "cpu", "label": "species", "group": "ship"}
    return longtail.fit(folder / "train.csv", out=folder / "run", **settings).path


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    new = TABLE[::2]
    new.to_csv("new.csv", index=False)
    new.to_parquet("new.parquet", index=False)
    new.drop(columns="ship").rename(columns={"species": "label"}).to_csv("usual.csv", index=False)
    new.rename(columns={"species": "animal"}).to_csv("other.csv", index=False)
    np.savez("new.npz", features=FEATURES[::2], labels=LABELS[::2])


@pytest.mark.parametrize("file", ["new.csv", "new.parquet"])
def test_other_data_of_a_run_are_read_by_its_columns(run, files, file, capsys):
    assert main(["evaluate", str(run), "--data", file, "--label", "species", "--group", "ship"]) == 2
    assert "--group can only be used with --fix" in capsys.readouterr().err
    assert main(["evaluate", str(run), "--data", file]) == 0
    said = capsys.readouterr()
    assert f"accuracy on {file}" in said.out
    assert said.err.splitlines()[:2] == [
        "labels are read from 'species', as in training (--label names another).",
        "groups are read from 'ship', as in training (--group names another).",
    ]


@pytest.mark.parametrize("file", ["usual.csv", "new.npz"])
def test_data_without_the_columns_of_the_run_are_read_as_before(run, files, file, capsys):
    assert main(["evaluate", str(run), "--data", file]) == 0
    assert "as in training" not in capsys.readouterr().err


def test_another_column_is_named_by_an_option(run, files, capsys):
    assert main(["evaluate", str(run), "--data", "other.csv"]) == 2
    assert "or --label must name its column of labels" in capsys.readouterr().err
    assert main(["evaluate", str(run), "--data", "other.csv", "--label", "animal"]) == 0
    assert main(["evaluate", str(run), "--data", "other.csv", "--label", "species"]) == 2
    assert "--label must name a column of other.csv. Got 'species'" in capsys.readouterr().err


def test_files_of_labels_and_columns_that_folders_can_not_have_are_left_out(tmp_path):
    for name in ("cat/1.png", "fox/1.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    for label in ("labels.npy", "species"):
        parts, notes = read_as_in_training(tmp_path, OwnConfig(label=label, path_column="file", split="part"))
        assert (parts.class_names, notes) == (("cat", "fox"), [])


def test_packed_images_are_predicted_by_the_column_of_the_run(tmp_path, capsys):
    pictures = []
    for colour in ("red", "blue"):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), colour).save(file, "png")
        pictures.append(file.getvalue())
    pd.DataFrame({"left": pictures, "right": pictures[::-1]}).to_parquet(tmp_path / "pairs.parquet")
    pd.DataFrame({"photo": pictures}).to_parquet(tmp_path / "photos.parquet")
    predictor = SimpleNamespace(config=OwnConfig(path_column="right"))
    assert len(_images(predictor, [tmp_path / "pairs.parquet"], None)) == 2
    said = "images or their paths are read from 'right', as in training (--path-column names another)."
    assert said in capsys.readouterr().err
    assert len(_images(predictor, [tmp_path / "pairs.parquet"], "left")) == 2
    assert len(_images(predictor, [tmp_path / "photos.parquet"], None)) == 2
    assert "as in training" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("predict RUN", "FILES must be given. Got none. Try longtail predict RUN new/*.jpg, or a table of features."),
        ("evaluate RUN RUN", "RUN must be one run. Got RUN, RUN. To compare them: longtail report RUN RUN"),
        ("evaluate RUN --data photos", "`data` must hold features, as the run was trained on. Got images."),
        ("evaluate RUN --data new.csv --label specie", "its columns: a, b, species, ship. Did you mean 'species'?"),
        (
            "train TRAIN --out RUN --resume --epochs 5 --batch-size 16 --threads 1 --device cpu --label species",
            "A resumed run must keep what its result depends on. In RUN `group` is 'ship', not left out. Start",
        ),
    ],
)
def test_what_does_not_suit_a_run_is_said(run, files, typed, message, capsys):
    path = Path("photos/cat/1.png")
    path.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(path)
    words = {"RUN": str(run), "TRAIN": str(run.parent / "train.csv")}
    assert main([words.get(word, word) for word in typed.split()]) == 2
    assert message in capsys.readouterr().err.replace(str(run), "RUN")
