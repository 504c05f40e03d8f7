"""Features that several processes extract: each sample once, in the order of one process."""

import os
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch

from data.pictures import picture
from longtail.auto import extract_features
from longtail.cli import main
from longtail.models import make_network
from training.launch import torchrun
from training.own import write_photographs

OPTIONS = [
    *("--model", "resnet8-cifar", "--size", "16", "--on-bad-file", "skip"),
    *("--mean", "0.5", "0.5", "0.5", "--std", "0.25", "0.25", "0.25"),
]


def extract(data: Path, weights: Path, out: Path) -> int:
    """The command, in float32 wherever it runs; other processes than the first print the shapes that they got."""
    rank = os.environ.get("RANK", "0")

    def extracted(*given, **options):
        arrays = extract_features(*given, **options)
        if rank != "0":
            print("not written:", {name: array.shape for name, array in arrays.items()}, flush=True)
        return arrays

    with (
        mock.patch("longtail.auto.extraction.bfloat16_pays", return_value=False),
        mock.patch("longtail.auto.extract_features", extracted),
    ):
        return main(["features", str(data), "--weights", str(weights), "--out", str(out), *OPTIONS])


@pytest.mark.slow
def test_two_processes_extract_what_one_extracts(tmp_path):
    photographs = write_photographs(tmp_path / "photographs")
    (photographs / "bee/3.png").write_bytes(b"noise")
    weights = tmp_path / "weights.pt"
    torch.save(make_network("resnet8-cifar", num_classes=3).state_dict(), weights)
    assert extract(photographs, weights, tmp_path / "one.npz") == 0
    script = "../auto/features_on_two.py"
    done = torchrun(2, script, photographs, weights, tmp_path / "two.npz")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("features (37, ") == 1
    assert "not written: {'features': (0, 64), 'labels': (0,), 'part': (0,), 'path': (0,)}" in done.stdout
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "two.npz") as two:
        assert sorted(one) == sorted(two)
        np.testing.assert_allclose(two["features"], one["features"], rtol=1e-4, atol=1e-5)
        for name in ("labels", "part", "path"):
            assert (one[name] == two[name]).all()


@pytest.mark.parametrize("paths", [["x.png", "y.png", "z.png"], ["x.png", "x.png", "z.png"]])
def test_images_of_parquet_files_are_named(tmp_path, paths):
    images = [{"bytes": picture(number), "path": path} for number, path in enumerate(paths)]
    table = pd.DataFrame({"image": images, "label": ["ant", "bee", "ant"]})
    table[:2].to_parquet(tmp_path / "train-0.parquet")
    table[2:].to_parquet(tmp_path / "test-0.parquet")
    settings = {"pretrained": False, "size": 16, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    found = extract_features(tmp_path, model="resnet8-cifar", **settings)
    rows = [
        f"{tmp_path / file}:{row}"
        for file, row in (("train-0.parquet", 0), ("train-0.parquet", 1), ("test-0.parquet", 0))
    ]
    assert found["path"].tolist() == (paths if len(set(paths)) == 3 else rows)


def test_images_of_one_part_need_no_training_images(tmp_path):
    images = np.zeros((3, 16, 16, 3), dtype=np.uint8)
    settings = {"pretrained": False, "size": 16, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    found = extract_features({"test": (images, ["ant", "bee", "ant"])}, model="resnet8-cifar", **settings)
    assert found["features"].shape[0] == 3
    assert (found["labels"].tolist(), set(found["part"])) == (["ant", "bee", "ant"], {"test"})
