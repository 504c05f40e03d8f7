"""The doctor reads what training reads, and says how."""

import json

import numpy as np
import pytest
from PIL import Image

from data.pictures import fill, save
from longtail.cli import main
from longtail.doctor import examine


def whats(found, severity=None):
    return [finding.what for finding in found if severity in (None, finding.severity)]


def test_files_that_are_left_out_are_findings(tmp_path):
    fill(tmp_path, {"cat": 12, "dog": 12})
    fill(tmp_path / "cat", {".ipynb_checkpoints": 3})
    (tmp_path / "dog/._1.png").write_bytes(b"\0\5\x16\7")
    found = examine(tmp_path)
    assert any("2 hidden or system files and folders are left out" in what for what in whats(found, "fact"))
    assert "24 samples in 2 classes" in whats(found, "fact")[0]
    assert whats(found, "serious") == []


def test_sizes_and_suffixes_are_facts(tmp_path):
    fill(tmp_path, {"a": 5, "b": 5})
    save(tmp_path / "a/wide.png", seed=77, size=(300, 20))
    save(tmp_path / "b/png.png", seed=78).rename(tmp_path / "b/0.jpg")
    facts = whats(examine(tmp_path), "fact")
    assert "images of 2 sizes: the shorter side is 12 to 20 pixels, half of them have 12 or fewer" in facts
    assert "1 file has another image format than the suffix says" in facts


def test_groups_in_two_parts_are_serious(tmp_path):
    for part in ("train", "test"):
        fill(tmp_path / part, {"a": 12, "b": 12})
    lines = [
        f"{part}/{name}/{i}.png,{part if i else 'both'}{name}"
        for part in ("train", "test")
        for name in "ab"
        for i in range(12)
    ]
    (tmp_path / "groups.csv").write_text("\n".join(["path,group", *lines]))
    found = examine(tmp_path, groups=tmp_path / "groups.csv")
    assert "2 groups are in train and in test, with 2 of its 24 samples" in whats(found, "serious")


@pytest.mark.parametrize("kind", ["npz", "csv", "jsonl"])
def test_features_are_examined(tmp_path, kind, capsys):
    random = np.random.default_rng(0)
    features, labels = random.normal(size=(60, 2)), ["head"] * 57 + ["tail"] * 3
    path = tmp_path / f"features.{kind}"
    rows = [{"u": a, "v": b, "label": label} for (a, b), label in zip(features.tolist(), labels, strict=True)]
    if kind == "npz":
        np.savez(path, features=features, labels=labels)
    elif kind == "csv":
        path.write_text("u,v,label\n" + "".join(f"{r['u']},{r['v']},{r['label']}\n" for r in rows))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["doctor", str(path)]) == 0
    said = capsys.readouterr().out
    assert "60 samples in 2 classes; imbalance factor 19" in said
    assert "1 class has fewer than 5 samples (train: tail)" in said


def test_options_of_the_command_line(tmp_path, capsys):
    fill(tmp_path / "images", {"a": 12, "b": 12})
    rows = "".join(f"{name}/{i}.png,{name},{'test' if i > 8 else 'train'},{i}\n" for name in "ab" for i in range(12))
    (tmp_path / "t.csv").write_text(f"photo,species,part,animal\n{rows}")
    options = ["--root", str(tmp_path / "images"), "--path-column", "photo", "--label", "species"]
    assert main(["doctor", str(tmp_path / "t.csv"), *options, "--split", "part", "--group", "animal"]) == 0
    said = capsys.readouterr().out
    assert "18 samples in 2 classes" in said
    assert "(test)" in said
    assert main(["doctor", str(tmp_path / "t.csv"), "--label", "genus"]) == 2
    assert "--label must name a column of" in capsys.readouterr().err
    assert main(["doctor", str(tmp_path / "images"), "--val", str(tmp_path / "images/nowhere")]) == 2
    assert "`val` must exist" in capsys.readouterr().err


def test_objects_in_memory():
    images = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
    found = examine((images, ["ant"] * 20 + ["bee"] * 4), test=(images[:6], ["ant"] * 6))
    assert "6 of 6 images (100.00 %) have exact copies in train; 0 with another label" in whats(found, "serious")


@pytest.mark.slow
def test_a_decompression_bomb_is_a_bad_file(tmp_path):
    fill(tmp_path, {"a": 5, "b": 5})
    Image.new("1", (20_000, 10_000)).save(tmp_path / "a/huge.png")
    found = [finding for finding in examine(tmp_path) if finding.severity == "serious"]
    assert [finding.what for finding in found] == ["1 of 11 images are corrupt or truncated"]
    assert "huge.png (more than 179 million pixels)" in found[0].where


@pytest.mark.slow
def test_lists_of_fish(fish, real_data):
    folder = real_data / "fish"
    found = examine(
        folder / "train.txt", val=folder / "val.txt", test=folder / "test.txt", root=fish, groups=folder / "groups.csv"
    )
    assert whats(found, "serious") == []
    assert "11,486 samples in 23 classes; imbalance factor 898.8" in whats(found, "fact")[0]
    assert not any("beside the listed ones are not listed" in what for what in whats(found))
    assert not any("groups stand" in what for what in whats(found))
