"""Names and probabilities for new samples."""

import io
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import longtail
from auto.photographs import COLOURS, write_photographs
from longtail.auto.run_sets import RunSets
from longtail.data import Samples
from longtail.data.images.decoding import BadImageError
from longtail.recipes import digits_lt
from longtail.training import run_experiment


@pytest.fixture(scope="module")
def predictor(trained):
    return longtail.load(trained.path)


@pytest.mark.slow
def test_an_image_gets_the_name_of_its_class_and_probabilities_that_add_up_to_one(predictor):
    for name, colour in COLOURS.items():
        found = predictor(Image.new("RGB", (30, 20), colour))
        assert found[0][0] == name
        assert sum(probability for _, probability in found) == pytest.approx(1)
        assert [p for _, p in found] == sorted((p for _, p in found), reverse=True)


def test_files_arrays_tensors_and_images_give_the_same(predictor, tmp_path):
    pixels = np.full((20, 24, 3), COLOURS["red deer"], dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    samples = [pixels, Image.fromarray(pixels), torch.from_numpy(pixels).permute(2, 0, 1)]
    expected = predictor.probabilities([str(tmp_path / "a.png")])
    np.testing.assert_allclose(predictor.probabilities(samples), np.repeat(expected, 3, axis=0), atol=1e-6)


def test_a_data_set_with_columns_needs_no_labels(predictor):
    class Rows:
        column_names = ("image", "id")

        def __len__(self):
            return 3

        def __getitem__(self, row):
            return {"image": Image.new("RGB", (30, 20), list(COLOURS.values())[row]), "id": row}

    expected = predictor.probabilities([Rows()[row]["image"] for row in range(3)])
    np.testing.assert_allclose(predictor.probabilities(Rows()), expected, atol=1e-6)
    with pytest.raises(TypeError, match=r"Got dict. Pass its image, sample\['image'\]"):
        predictor.batch([Rows()[0]])


def test_kept_test_logits_are_those_of_the_predictor(trained, predictor, photographs):
    files = [photographs / name for name in trained.data["held_out"]["held_out"]["test"]]
    kept, _ = trained.load_predictions("test")
    ours = predictor.logits(sorted(files, key=lambda file: str(file.relative_to(photographs)))).numpy()
    assert len(ours) == len(kept)
    assert sorted(ours.argmax(1).tolist()) == sorted(kept.argmax(1).tolist())
    assert np.abs(np.sort(ours, axis=0) - np.sort(kept, axis=0)).max() < 0.1 * np.abs(kept).max()


def test_top_classes_and_no_sample_at_all(predictor, photographs):
    files = sorted(photographs.rglob("*.jpg"))[:3]
    assert [len(classes) for classes in predictor.batch(files, top=2)] == [2, 2, 2]
    assert predictor.probabilities([]).shape == (0, 3)


@pytest.mark.parametrize("prior", [None, "training"])
def test_sets_are_those_of_the_held_out_samples_in_the_order_of_the_probabilities(
    predictor, trained, photographs, prior
):
    files = sorted(photographs.rglob("*.jpg"))
    probability, logits = predictor.probabilities(files, prior=prior), predictor.logits(files).double().numpy()
    counts = np.array(trained.result["class_counts"])
    for miscoverage in (0.1, 0.3):
        held_out = trained.load_predictions("validation")
        expected = RunSets.fitted(*held_out, class_counts=counts, miscoverage=miscoverage, prior=prior or "uniform")
        inside = expected.holds(logits, probability.argmax(1))
        found = predictor.sets(files, miscoverage, prior=prior)
        for row, held, classes in zip(probability, inside, found, strict=True):
            assert dict(classes) == {name: p for name, p, h in zip(predictor.class_names, row, held, strict=True) if h}
            assert classes == sorted(classes, key=lambda named: -named[1])
            assert classes[0][0] == predictor.class_names[row.argmax()]
    assert predictor.sets([], 0.1) == []


def test_sets_need_held_out_samples(predictor, trained, photographs, tmp_path):
    files = sorted(photographs.rglob("*.jpg"))[:3]
    with pytest.raises(
        ValueError, match=r"`miscoverage` \(--sets\) of 0.05 needs at least 19 held-out samples.* has 1[0-8]: choose"
    ):
        predictor.sets(files, 0.05)
    with pytest.raises(ValueError, match="`miscoverage` must lie between 0 and 1. Got 0"):
        predictor.sets(files, 0)
    with pytest.raises(TypeError, match=r"`miscoverage` must be a real number. Got \[0.1\]"):
        predictor.sets(files, [0.1])
    with pytest.raises(ValueError, match="`prior` must be 'uniform' or 'training'. Got 'even'"):
        predictor.sets(files, 0.1, prior="even")
    shutil.copytree(trained.path, tmp_path / "run")
    logits, target = trained.load_predictions("validation")
    for other in (logits[:, :2], np.full_like(logits, np.inf)):
        np.savez(tmp_path / "run/predictions-validation.npz", logits=other, target=np.minimum(target, 1))
        with pytest.raises(ValueError, match="run must hold finite logits of its 3 classes for its held-out samples"):
            longtail.load(tmp_path / "run").sets(files)
    (tmp_path / "run/predictions-validation.npz").unlink()
    with pytest.raises(ValueError, match="need held-out samples. .* has none: train with --validation"):
        longtail.load(tmp_path / "run").sets(files)


@pytest.mark.slow
def test_what_does_not_fit_is_refused(predictor, trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.jpg must be an image file. It is missing"):
        predictor("nothing.jpg")
    run = run_experiment(digits_lt(epochs=1, device="cpu", threads=1), data=None, out=tmp_path / "digits")
    (run.path / "fix.json").write_bytes((trained.path / "fix.json").read_bytes())
    with pytest.raises(ValueError, match="fix.json must be for these classes. "):
        longtail.load(run.path)
    (run.path / "fix.json").unlink()
    (run.path / "data.json").unlink()
    with pytest.raises(ValueError, match="must hold data.json, which holds the class names"):
        longtail.load(run.path)


def test_features_of_another_number_are_refused(tmp_path):
    features = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    run = longtail.fit(
        (features, np.repeat(["a", "b"], 20)), out=tmp_path / "run", epochs=2, batch_size=8, device="cpu", threads=1
    )
    with pytest.raises(ValueError, match=r"must hold 3 features each, .* Got the shape \(2, 4\)"):
        longtail.load(run.path).batch(np.zeros((2, 4)))


def test_other_data_are_scored_by_the_names_of_their_classes(predictor, tmp_path):
    from longtail.auto import evaluate_on

    two = write_photographs(tmp_path / "two", {"red deer": 3, "blue, whale": 3}, seed=1)
    scores = evaluate_on(predictor, two)
    assert scores["raw"]["balanced_accuracy"] > 0.8
    assert len(scores) == 1 + bool(np.any(predictor.fix.offset))
    (two / "red deer").rename(two / "otter")
    (two / "otter" / "cut off.jpg").write_bytes(b"")  # classes are compared before files are decoded
    with pytest.raises(ValueError, match="must hold classes of the run .* Got 1 other: otter. Leave out their samples"):
        evaluate_on(predictor, two)
    with pytest.raises(ValueError, match="must hold images, as the run was trained on. Got features"):
        evaluate_on(
            predictor, (np.zeros((4, 3), dtype=np.float32), ["red deer", "red deer", "green frog", "green frog"])
        )


def test_scores_of_the_data_of_training_are_noted(predictor, photographs, tmp_path):
    from longtail.auto import evaluate_on

    notes: list[str] = []
    evaluate_on(predictor, photographs, on_note=notes.append)
    assert notes[-1] == f"The run was trained on samples of {photographs}: their scores say nothing about new samples."
    evaluate_on(predictor, write_photographs(tmp_path / "other", dict.fromkeys(COLOURS, 1)), on_note=notes.append)
    assert len(notes) == 1


def test_other_data_may_have_one_sample_of_each_class(predictor, tmp_path):
    from longtail.auto import evaluate_on

    folder = write_photographs(tmp_path / "few", dict.fromkeys(COLOURS, 1))
    table = pd.DataFrame([(f"{name}/0.jpg", name) for name in COLOURS], columns=["path", "label"])
    found = evaluate_on(predictor, table, root=folder)
    assert found["raw"] == pytest.approx(evaluate_on(predictor, folder)["raw"], nan_ok=True)
    table.loc[0, "label"] = "otter"
    with pytest.raises(ValueError, match="must hold classes of the run .* Got 1 other: otter"):
        evaluate_on(predictor, table, root=folder)


def as_folders(tmp_path, part):
    write_photographs(tmp_path / "data" / part, dict.fromkeys(COLOURS, 2))
    return tmp_path / "data"


def table_of(tmp_path, part):
    folder = write_photographs(tmp_path / "all", dict.fromkeys(COLOURS, 2))
    rows = [(str(folder / name / file), name, part) for name in COLOURS for file in ("0.jpg", "1.png")]
    return pd.DataFrame(rows, columns=["path", "label", "split"])


def as_parquet(tmp_path, part):
    (tmp_path / "shards").mkdir()
    frame = table_of(tmp_path, part)
    frame["image"] = [Path(path).read_bytes() for path in frame.pop("path")]
    frame.to_parquet(tmp_path / "shards" / f"{part}-00000-of-00001.parquet")
    return tmp_path / "shards"


def as_arrays(tmp_path, part):
    images = np.stack([np.full((20, 24, 3), colour, np.uint8) for colour in COLOURS.values()])
    np.savez(tmp_path / "a.npz", **{f"{part}_images": images, f"{part}_labels": list(COLOURS)})
    return tmp_path / "a.npz"


@pytest.mark.parametrize("part", ["test", "validation"])
@pytest.mark.parametrize("form", [as_folders, table_of, as_parquet, as_arrays])
def test_the_only_part_of_other_data_is_scored(predictor, tmp_path, form, part):
    from longtail.auto import evaluate_on

    data = form(tmp_path, part)
    assert evaluate_on(predictor, data)["raw"]["balanced_accuracy"] > 0.8
    with pytest.raises(ValueError, match=f"`data` must hold a part named train. Got .* {part} alone"):
        longtail.fit(data, out=tmp_path / "run")


def test_of_several_parts_the_held_out_one_is_scored_and_no_other_decoded(predictor, tmp_path):
    from longtail.auto import evaluate_on

    for part in ("train", "val", "test"):
        write_photographs(tmp_path / part, dict.fromkeys(COLOURS, 2))
    (tmp_path / "train/red deer/bad.jpg").write_bytes(b"")
    notes: list[str] = []
    evaluate_on(predictor, tmp_path, on_note=notes.append)
    assert notes[-1] == "The part test is scored, not train and validation."
    (tmp_path / "test").rename(tmp_path / "other")
    evaluate_on(predictor, tmp_path, on_note=notes.append)
    assert notes[-1] == "The part validation is scored, not train."


def test_a_part_is_scored_by_its_name(predictor, tmp_path):
    from longtail.auto import evaluate_on

    write_photographs(tmp_path / "train", dict.fromkeys(COLOURS, 2))
    write_photographs(tmp_path / "val", dict.fromkeys(COLOURS, 2))
    notes: list[str] = []
    evaluate_on(predictor, tmp_path, part="train", on_note=notes.append)
    assert notes[-1] == "The part train is scored, not validation."
    with pytest.raises(
        ValueError, match=r"`part` must be one of the parts of the data: train, validation\. Got 'test'"
    ):
        evaluate_on(predictor, tmp_path, part="test")
    with pytest.raises(ValueError, match="`part` must be one of 'train', .*'dev'"):
        evaluate_on(predictor, tmp_path, part="tset")


def test_parquet_files_of_other_parts_are_not_read(predictor, tmp_path):
    from longtail.auto import evaluate_on

    folder = as_parquet(tmp_path, "test")
    (folder / "train-00000-of-00001.parquet").write_bytes(b"cut off")
    notes: list[str] = []
    assert evaluate_on(predictor, folder, on_note=notes.append)["raw"]["balanced_accuracy"] > 0.8
    assert f"{folder}: test is read, not train." in notes
    with pytest.raises(ValueError, match="train-00000-of-00001.parquet"):
        evaluate_on(predictor, folder, part="train")


class Coloured:
    """A data set whose indices have no end and that holds one item at a time, as a row or as a pair."""

    classes = tuple(COLOURS)

    def __init__(self, item):
        self.item, self.targets = item, [0, 0, 1, 1, 2, 2]

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        label = self.targets[index % len(self)]
        return self.item(Image.new("RGB", (20, 24), COLOURS[self.classes[label]]), label)


@pytest.mark.parametrize("item", [lambda *pair: pair, lambda image, label: {"id": 7, "image": image, "label": label}])
def test_items_of_a_data_set_are_scored_as_files_are(predictor, tmp_path, item):
    from longtail.auto import evaluate_on

    for name, colour in COLOURS.items():
        (tmp_path / name).mkdir()
        for index in range(2):
            Image.new("RGB", (20, 24), colour).save(tmp_path / name / f"{index}.png")
    found, expected = evaluate_on(predictor, Coloured(item)), evaluate_on(predictor, tmp_path)
    assert found["raw"] == pytest.approx(expected["raw"], nan_ok=True)


PIXELS = np.full((20, 24, 3), 128, dtype=np.uint8)


@pytest.mark.parametrize(
    ("samples", "error", "says"),
    [
        ("a.png", TypeError, r"Got one path, 'a.png': pass a list of it, \[path\]; predictor\(path\) takes"),
        (Path("a.png"), TypeError, "must be several samples. Got one path, 'a.png'"),
        ({"image": PIXELS}, TypeError, "Got a dictionary: of one sample, use predictor"),
        (b"png", TypeError, r"Got bytes. Decode it: PIL.Image.open\(io.BytesIO"),
        (io.BytesIO(b"png"), TypeError, r"Got BytesIO. Decode it: PIL.Image.open\(file\)"),
        (7, TypeError, "must be a list of samples. Got int"),
        (pd.DataFrame({"path": ["a.png"]}), TypeError, "Got a table: pass its column of paths"),
        (["a.png", PIXELS], TypeError, "all paths, or all images. Got the path 'a.png' and a ndarray: open the files"),
        ([PIXELS, b"png"], TypeError, "sample 1 must be a path or an image. Got bytes. Decode it"),
        (
            [{"bytes": b"png", "path": None}],
            TypeError,
            r"Got dict. Decode it: PIL.Image.open\(io.BytesIO\(sample\['bytes",
        ),
        ([io.BytesIO(b"png")], TypeError, "sample 0 must be a path or an image. Got BytesIO. Decode it"),
        (["a.parquet"], TypeError, r"Got the Parquet file 'a.parquet': .* and predictor.sets\(path\) take"),
        (Path("none.parquet"), FileNotFoundError, "must exist. Got the Parquet file 'none.parquet', which is missing"),
        ("a.csv", TypeError, "Got the path of a table, 'a.csv': read it with pandas"),
        (".", TypeError, "Got the folder '.': pass a list of the paths in it, or a folder of Parquet or tar"),
        (Samples(np.array([0]), ("a",), features=np.zeros((1, 2))), TypeError, "must hold images, .* Got features"),
        ([torch.zeros(1, 3, 8, 8)], ValueError, r"Got \(1, 3, 8, 8\). Drop the first axis, sample\[0\]"),
        ([torch.zeros(2, 3, 8, 8)], ValueError, r"Got \(2, 3, 8, 8\). Pass it to predictor.batch"),
    ],
)
def test_what_is_not_several_images_is_refused(predictor, samples, error, says):
    with pytest.raises(error, match=says):
        predictor.batch(samples)


def test_a_table_of_images_as_bytes(predictor, photographs):
    files = sorted(photographs.rglob("*.jpg"))[:3]
    expected = predictor.batch(files)
    contents = [file.read_bytes() for file in files]
    structs = [{"bytes": content, "path": None} for content in contents]
    for images in (contents, structs):
        table = pd.DataFrame({"image": images, 5: 1.0}, index=[7, 8, 9])
        assert predictor.batch(table) == predictor.batch(table["image"]) == expected
    with pytest.raises(
        ValueError, match=r"one column of images. It holds image, mask: pass one of them, .*\['image'\]"
    ):
        predictor.batch(pd.DataFrame({"mask": contents, "image": contents}))
    with pytest.raises(
        BadImageError, match="sample 1 must be a whole image file. It can't be decoded: it has no bytes"
    ):
        predictor.batch(pd.DataFrame({"image": [contents[0], None]}))


def test_a_generator_and_the_paths_of_a_column(predictor, photographs):
    files = sorted(photographs.rglob("*.jpg"))[:2]
    expected = predictor.batch(files)
    assert predictor.batch(file for file in files) == predictor.batch(pd.Series(files, index=[7, 8])) == expected


def test_what_a_predictor_shows(predictor, trained):
    assert repr(predictor).startswith(f"Predictor('{trained.path}': ")
    assert repr(predictor).endswith(", 3 classes, with its fix)")
