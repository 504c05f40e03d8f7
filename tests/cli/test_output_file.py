"""No command replaces a file unless it is told to, and none replaces what it reads."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import longtail
from longtail.cli import main

LABELS = np.repeat(["otter", "seal"], [60, 30])
FEATURES = np.random.default_rng(0).normal(np.repeat([0.0, 4.0], [60, 30])[:, None], 1, (90, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    settings = {"epochs": 1, "batch_size": 16, "threads": 1, "device": "cpu"}
    return longtail.fit((FEATURES, LABELS), out=tmp_path_factory.mktemp("runs") / "run", **settings).path


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("rows.npy", FEATURES[:5])
    scores = 3 * np.eye(2)[(LABELS == "seal").astype(int)] + np.random.default_rng(1).normal(size=(90, 2))
    pd.DataFrame(scores, columns=["otter", "seal"]).assign(label=LABELS).to_csv("scores.csv", index=False)
    (tmp_path / "photos/cat").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save("photos/cat/1.png")
    return tmp_path


def commands(run):
    """What writes a file, and the option that names it."""
    network = [
        "--model",
        "resnet8-cifar",
        "--no-pretrained",
        "--size",
        "8",
        "--mean",
        ".5",
        ".5",
        ".5",
        "--std",
        "1",
        "1",
        "1",
    ]
    return {
        "predict": (["predict", str(run), "rows.npy"], "--out", "predicted.csv"),
        "features": (["features", "photos", *network], "--out", "features.npz"),
        "fix": (["fix", "scores.csv", "--repeats", "1", "--report", "none"], "--out", "fix.json"),
        "report of fix": (["fix", "scores.csv", "--repeats", "1", "--out", "new.json"], "--report", "fix.html"),
        "export": (["export", str(run)], "--onnx", "model.onnx"),
        "report": (["report", str(run)], "--out", "report.html"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["predict", "features", "fix", "report of fix", "export", "report"])
def test_a_file_is_replaced_only_if_that_is_asked_for(run, work, name, capsys):
    if name == "export":
        pytest.importorskip("onnxruntime")
    command, option, file = commands(run)[name]
    (work / file).write_text("mine")
    assert main([*command, option, file]) == 2
    said = capsys.readouterr().err
    assert f"{option} must not exist yet. Got {file}. Add --force to replace it, or name another with {option}." in said
    assert (work / file).read_text() == "mine"
    assert main([*command, option, file, "--force"]) == 0
    assert (work / file).read_bytes() != b"mine"


@pytest.mark.parametrize(
    "typed",
    [
        "predict RUN rows.npy --out rows.npy",
        "predict RUN rows.npy --out RUN/result.json",
        "predict RUN rows.npy --out RUN/fix.json",
        "fix scores.csv --out scores.csv",
        "fix sc*.csv --out scores.csv",
        "fix scores.csv --out new.json --report scores.csv",
        "fix RUN --out RUN/predictions-validation.npz",
        "export RUN --onnx RUN/weights.pt",
        "report RUN --out RUN/run.json",
    ],
)
def test_what_is_read_is_never_replaced(run, work, typed, capsys):
    before = {path: path.read_bytes() for folder in (run, work) for path in folder.iterdir() if path.is_file()}
    assert main([*typed.replace("RUN", str(run)).split(), "--force"]) == 2
    assert "must not be a file that is read. Got " in capsys.readouterr().err
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_folder_is_never_replaced(run, work, capsys):
    assert main(["export", str(run), "--safetensors", "photos", "--force"]) == 2
    assert "--safetensors must not exist yet. Got photos. Remove it" in capsys.readouterr().err
    assert main(["predict", str(run), "rows.npy", "--out", "photos", "--force"]) == 2
    assert "--out must be a file. Got the folder photos." in capsys.readouterr().err
