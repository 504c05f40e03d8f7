"""The way of a new user, on the command line."""

import csv
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import longtail
from auto.photographs import OPTIONS, write_photographs
from longtail.cli import main
from longtail.cli.own_data import with_recipe
from longtail.data.tables.parquet_images import parquet_images
from training.tiny import replaced

MOMENTS = ["--mean", "0.5", "0.5", "0.5", "--std", "0.25", "0.25", "0.25"]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LONGTAIL_CACHE", str(tmp_path / "cache"))
    write_photographs(tmp_path / "animals")
    return tmp_path


@pytest.mark.slow
def test_doctor_train_report_predict_evaluate(place, capsys):
    assert main(["doctor", "animals"]) in (0, 1)
    assert "70 samples in 3 classes" in capsys.readouterr().out
    assert main(["train", "animals", *OPTIONS]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(
        "animals: recipe features (the default without a GPU; the whole network instead: finetune), loss gala, "
        "network resnet8-cifar, not pretrained\n"
    )
    assert "run: runs/animals-features-gala-seed0" in said.out
    assert (place / "runs/LATEST").resolve() == (place / "runs/animals-features-gala-seed0").resolve()

    assert main(["report", "runs/LATEST", "--out", "report.html"]) == 0
    assert "red deer" in (place / "report.html").read_text()

    assert main(["predict", "runs/LATEST", "animals/red deer", "--top", "2", "--out", "predictions.csv"]) == 0
    assert (
        "40 predictions, probabilities not calibrated: a temperature did not improve those of the held-out samples: pre"
        in capsys.readouterr().out
    )
    rows = list(csv.DictReader((place / "predictions.csv").read_text().splitlines()))
    assert rows[0]["path"] == "animals/red deer/0.jpg"
    assert {row["class_1"] for row in rows} <= {"red deer", "green frog", "blue, whale"}
    assert all(float(row["probability_1"]) >= float(row["probability_2"]) for row in rows)

    assert main(["predict", "runs/LATEST", "animals", "--sets", "0.2", "--out", "sets.csv"]) == 0
    covered = "sets that hold the true class of at least about 80 % of samples like the held-out ones, probab"
    assert f"70 predictions, {covered}" in capsys.readouterr().out
    found = list(csv.DictReader((place / "sets.csv").read_text().splitlines()))
    classes = [[row[name] for name in row if name.startswith("class_") and row[name]] for row in found]
    assert np.mean([row["path"].split("/")[1] in own for row, own in zip(found, classes, strict=True)]) > 0.6
    last = [float(row[f"probability_{len(own)}"]) for row, own in zip(found, classes, strict=True)]
    assert min(map(len, classes)) > 0
    expected = longtail.load("runs/LATEST").sets([row["path"] for row in found], 0.2)
    assert [[name for name, _ in own] for own in expected] == classes
    assert [own[-1][1] for own in expected] == pytest.approx(last, abs=1e-6)
    for options, message in [
        (
            ["--sets", "0.2", "--top", "3"],
            "--top must be left out with --sets, which name as many classes as needed. Got 3",
        ),
        (["--sets", "80"], "`sets` must lie between 0 and 1. Got 80.0. For sets that hold"),
        (["--sets", "0"], "`sets` must lie between 0 and 1. Got 0"),
        (
            ["--sets", "0.01"],
            "`miscoverage` (--sets) of 0.01 needs at least 99 held-out samples. runs/LATEST has 11: choose",
        ),
    ]:
        assert main(["predict", "runs/LATEST", "no folder", *options]) == 2  # before images are looked for
        assert message in capsys.readouterr().err

    write_photographs(place / "other", {"green frog": 4, "red deer": 4}, seed=3)
    assert main(["evaluate", "runs/LATEST", "--data", "other"]) == 0
    said = capsys.readouterr().out
    assert "epoch 5 (the last), accuracy on other in %" in said
    assert "raw" in said
    (place / "other" / "cut off.jpg").write_bytes((place / "animals/red deer/0.jpg").read_bytes()[:300])
    (place / "other" / "empty.jpg").write_bytes(b"")
    assert main(["predict", "runs/LATEST", "other", "--out", "none.csv"]) == 2
    assert "2 of 10 can't be decoded: other/cut off.jpg must be a whole image" in capsys.readouterr().err
    assert not (place / "none.csv").exists()
    assert main(["train", "animals", *OPTIONS]) == 2
    assert "Resume it with --resume (in Python resume=True), or name another folder" in capsys.readouterr().err
    assert main(["train", "animals", *OPTIONS, "--resume"]) == 0


@pytest.mark.slow
def test_files_that_cannot_be_decoded_are_left_out_where_asked(place, capsys):
    assert main(["train", "animals", *replaced(OPTIONS, ["--epochs", "1"])]) == 0
    write_photographs(place / "other", {"green frog": 4, "red deer": 4}, seed=3)
    (place / "other/green frog/bad.jpg").write_bytes(b"")
    (place / "list.txt").write_text("other/red deer/0.jpg\nother/missing.jpg\n")
    skip = ("--on-bad-file", "skip")
    for files, kept, left_out in (("other", 8, "other/green frog/bad.jpg"), ("list.txt", 1, "other/missing.jpg")):
        capsys.readouterr()
        assert main(["predict", "runs/LATEST", files, "--out", "predictions.csv", "--force"]) == 2
        assert capsys.readouterr().err.strip().endswith("leave them out with --on-bad-file skip.")
        assert main(["predict", "runs/LATEST", files, "--out", "predictions.csv", "--force", *skip]) == 0
        said = capsys.readouterr()
        assert said.out.startswith(f"{kept} prediction")
        assert f"1 of {kept + 1} files are bad and left out: {left_out}." in said.err
        rows = list(csv.DictReader((place / "predictions.csv").read_text().splitlines()))
        assert len(rows) == kept
        assert left_out not in {row["path"] for row in rows}
    assert main(["predict", "runs/LATEST", "other/green frog/bad.jpg", *skip]) == 2
    assert "None of 1 can: other/green frog/bad.jpg must be" in capsys.readouterr().err
    assert main(["evaluate", "runs/LATEST", "--data", "other"]) == 2
    assert "leave them out with --on-bad-file skip" in capsys.readouterr().err
    assert main(["evaluate", "runs/LATEST", "--data", "other", *skip]) == 0
    assert "train: 1 of 9 files are bad and left out: other/green frog/bad.jpg." in capsys.readouterr().err
    network = ["--model", "test_efficientnet.r160_in1k", "--no-pretrained", "--size", "64"]
    assert main(["features", "other", *network, "--out", "f.npz", *skip]) == 0
    assert "train: 1 of 9 files are bad and left out: other/green frog/bad.jpg." in capsys.readouterr().err


def parquet_of(path, files, stored=None, **columns):
    """A Parquet file of images as Hugging Face writes it."""
    names = [file.name for file in files] if stored is None else stored
    images = [{"bytes": file.read_bytes(), "path": name} for file, name in zip(files, names, strict=True)]
    pd.DataFrame({"image": images, **columns}).to_parquet(path)


@pytest.mark.slow
def test_images_of_parquet_files_are_predicted_as_files_are(place, capsys):
    assert main(["train", "animals", *replaced(OPTIONS, ["--epochs", "1"])]) == 0
    files = sorted((place / "animals/red deer").iterdir())[:6]
    parquet_of(place / "a.parquet", files[:4])
    (place / "shards").mkdir()
    parquet_of(place / "shards/test-00000-of-00002.parquet", files[:2])
    parquet_of(place / "shards/test-00001-of-00002.parquet", files[2:4], stored=[files[0].name, None])

    def predicted(*named, options=()):
        capsys.readouterr()
        assert (
            main(["predict", "runs/LATEST", *map(str, named), "--out", "p.csv", "--force", "--top", "2", *options]) == 0
        )
        rows = list(csv.reader((place / "p.csv").read_text().splitlines()))[1:]
        return [row[0] for row in rows], [row[1:] for row in rows]

    _, expected = predicted(*files)
    assert predicted("a.parquet") == ([file.name for file in files[:4]], expected[:4])
    assert "a.parquet: images are read from the column 'image'" in capsys.readouterr().err
    names = [f"shards/test-0000{number}-of-00002.parquet:{row}" for number in (0, 1) for row in (0, 1)]
    assert predicted("shards") == (names, expected[:4])
    names, found = predicted(files[4], "a.parquet", files[5])
    assert names == [str(files[4]), *(file.name for file in files[:4]), str(files[5])]
    assert found == [expected[4], *expected[:4], expected[5]]
    assert predicted("a.parquet", "shards")[0][:2] == ["a.parquet:0", "a.parquet:1"]
    assert predicted("a.parquet", options=["--prior", "training"])[1] != expected[:4]
    masks = [files[5].read_bytes()] * 4
    table = pd.DataFrame({"mask": masks, "photo": [file.read_bytes() for file in files[:4]], "label": ["red deer"] * 4})
    table.to_parquet(place / "two.parquet")
    assert predicted("two.parquet", options=["--path-column", "photo"])[1] == expected[:4]
    assert main(["evaluate", "runs/LATEST", "--data", "two.parquet", "--path-column", "photo"]) == 0
    assert "images are read from the column 'photo'" in capsys.readouterr().err
    assert main(["predict", "runs/LATEST", "two.parquet", "--path-column", "phto"]) == 2
    assert "--path-column must name a column of two.parquet. Got 'phto'" in capsys.readouterr().err
    assert main(["predict", "runs/LATEST", str(files[0]), "--path-column", "photo"]) == 2
    assert "--path-column can only be used with Parquet and tar files" in capsys.readouterr().err
    predictor = longtail.load("runs/LATEST")
    as_files = predictor.batch(files[:4])
    for samples in ("a.parquet", place / "shards", parquet_images([place / "a.parquet"], [])):
        assert predictor.batch(samples) == as_files


@pytest.mark.slow
def test_bad_images_of_parquet_files_are_named_or_left_out(place, capsys):
    assert main(["train", "animals", *replaced(OPTIONS, ["--epochs", "1"])]) == 0
    files = sorted((place / "animals/red deer").iterdir())[:4]
    contents = [file.read_bytes() for file in files]
    whole = [{"bytes": content, "path": file.name} for content, file in zip(contents, files, strict=True)]
    images = [whole[0], None, whole[2], {"bytes": contents[3][:100], "path": None}]
    pd.DataFrame({"image": images}).to_parquet("a.parquet")
    assert main(["predict", "runs/LATEST", "a.parquet", "--out", "p.csv"]) == 2
    said = capsys.readouterr().err
    assert "`files` must be images. 2 of 4 can't be decoded: a.parquet:1 must be a whole image file" in said
    assert "a.parquet:3 must be" in said
    assert main(["predict", "runs/LATEST", "a.parquet", "--out", "p.csv", "--on-bad-file", "skip"]) == 0
    assert "2 of 4 images are bad and left out: a.parquet:1, a.parquet:3." in capsys.readouterr().err
    rows = list(csv.DictReader((place / "p.csv").read_text().splitlines()))
    assert [row["path"] for row in rows] == [files[0].name, files[2].name]


@pytest.mark.slow
def test_a_fine_tuned_run_predicts_is_evaluated_exported_and_gives_features(place, capsys):
    command = [
        "train",
        "finetune",
        "--data",
        "animals",
        *replaced(OPTIONS, ["--learning-rate", "0.005", "--batch-size", "8"]),
    ]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("animals: recipe finetune, loss gala, network resnet8-cifar")
    run = "runs/animals-finetune-gala-seed0"
    assert (place / run / "fix.json").exists()
    assert main(["predict", run, "animals/red deer", "--out", "predictions.csv"]) == 0
    rows = list(csv.DictReader((place / "predictions.csv").read_text().splitlines()))
    assert sum(row["class_1"] == "red deer" for row in rows) > 30
    assert main(["evaluate", run, "--data", "animals"]) == 0
    assert main(["export", run, "--onnx", "model.onnx"]) == 0
    moments = OPTIONS[3:13]
    weights = ["--weights", f"{run}/weights.pt", "--model", "resnet8-cifar"]
    assert main(["features", "animals", *weights, *moments, "--out", "f.npz"]) == 0
    with np.load(place / "f.npz") as arrays:
        assert len(arrays["features"]) == 70


def test_the_first_line_of_training_fits_tables_of_features_and_of_paths(place, capsys, monkeypatch):
    trained = SimpleNamespace(path=place / "run")
    monkeypatch.setattr("longtail.cli.training_run.train_and_print", lambda *_, **__: trained)
    (place / "numbers.csv").write_text("a,label\n1,x\n2,y\n")
    features = "recipe features (the default for tables and arrays; where they hold images, with a GPU: finetune)"
    for command, line in (
        (["numbers.csv"], f"{features}, loss gala"),
        (
            ["finetune", "--data", "numbers.csv"],
            "recipe finetune, loss gala, network tf_efficientnet_lite0, pretrained",
        ),
    ):
        assert main(["train", *command]) == 0
        assert capsys.readouterr().out.splitlines() == [f"numbers.csv: {line}"]


def test_a_folder_of_parquet_files_may_hold_features(place, capsys):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    (place / "numbers").mkdir()
    pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "label": list("abab")}).to_parquet("numbers/train-00000-of-00001.parquet")
    assert main(["train", "numbers", "--size", "32"]) == 2
    assert "--size does not apply to numbers, which holds features" in capsys.readouterr().err
    assert with_recipe(["train", "numbers"]) == ["train", "features", "--data", "numbers"]


def test_images_are_fine_tuned_where_there_is_a_gpu(place, monkeypatch):
    lists = ("list.txt", "list.lst", "LIST.LIST")
    for name in lists:
        (place / name).write_text("a.jpg 0\n")
    (place / "table.csv").write_text("path,label\n")
    for gpu, recipe in ((True, "finetune"), (False, "features")):
        monkeypatch.setattr("torch.cuda.is_available", lambda gpu=gpu: gpu)
        assert with_recipe(["train", "animals"]) == ["train", recipe, "--data", "animals"]
        assert [with_recipe(["train", name])[1] for name in lists] == [recipe] * 3
        assert with_recipe(["train", "table.csv"])[1] == "features"  # it may hold numbers


@pytest.mark.slow
def test_features_are_written_for_other_tools(place, capsys):
    options = ["--model", "resnet8-cifar", "--no-pretrained", "--size", "32"]
    assert main(["features", "animals", *options, "--out", "f.npz"]) == 2  # no mean is known for this network
    assert "`mean` must be given for resnet8-cifar" in capsys.readouterr().err
    assert not (place / "f.npz").exists()
    options = ["--model", "test_efficientnet.r160_in1k", "--no-pretrained", "--size", "64"]
    assert main(["features", "animals", *options, "--out", "f.npz"]) == 0
    with np.load(place / "f.npz") as arrays:
        assert arrays["features"].shape[0] == len(arrays["labels"]) == len(arrays["path"]) == 70
        assert sorted(set(arrays["labels"])) == ["blue, whale", "green frog", "red deer"]


def test_features_that_do_not_fit_on_the_disk_are_refused_before_any_file_is_decoded(place, capsys, monkeypatch):
    monkeypatch.setattr("longtail.auto.extraction.check_files", None)
    options = ["--model", "resnet8-cifar", "--no-pretrained", "--size", "32", *MOMENTS]
    for free, message in (
        (
            20_000,
            "Got f.npz: it takes 0.0 MB, and 0.0 MB are free. Make room there, or name a file on another disk with",
        ),
        (0, "--out must be on a disk with room for it. Got f.npz: 0.0 MB are free."),
    ):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(total=10**9, free=free))
        assert main(["features", "animals", *options, "--out", "f.npz"]) == 2
        assert message in capsys.readouterr().err
    assert not (place / "f.npz").exists()


@pytest.mark.slow
def test_predictions_that_do_not_fit_on_the_disk_are_refused_before_they_are_made(place, capsys, monkeypatch):
    assert main(["train", "animals", *replaced(OPTIONS, ["--epochs", "1"])]) == 0
    monkeypatch.setattr("longtail.auto.Predictor.probabilities", None)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10**9, free=1000))
    assert main(["predict", "runs/LATEST", "animals", "--out", "predictions.csv"]) == 2
    assert "--out must be on a disk with room for it. Got predictions.csv" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("given", ["animals", "list.txt"])
def test_predictions_do_not_replace_an_image_that_is_predicted(given, place, capsys):
    assert main(["train", "animals", *replaced(OPTIONS, ["--epochs", "1"])]) == 0
    image = next(Path("animals").rglob("*.png"))
    Path("list.txt").write_text(f"{image}\n")
    content = image.read_bytes()
    assert main(["predict", "runs/LATEST", given, "--out", str(image), "--force"]) == 2
    assert f"--out must not be a file that is read. Got {image}." in capsys.readouterr().err
    assert image.read_bytes() == content


def test_the_folder_of_an_output_is_that_of_the_file_a_link_leads_to(place, capsys):
    (place / "f.npz").symlink_to(place / "gone" / "f.npz")
    assert main(["features", "animals", "--out", "f.npz"]) == 2
    assert (
        f"--out must be in a folder that exists. Got f.npz: create {place / 'gone'} first." in capsys.readouterr().err
    )


@pytest.mark.slow
def test_a_table_of_features_is_trained_on(place, capsys):
    random = np.random.default_rng(0)
    rows = ["species,length,weight"]
    for name, number, mean in (("otter", 60, 0), ("seal", 30, 4), ("whale", 10, 8)):
        rows += [f"{name},{a:.3f},{b:.3f}" for a, b in random.normal(mean, 1, (number, 2))]
    (place / "table.csv").write_text("\n".join(rows))
    options = ["--batch-size", "16", "--epochs", "10", "--threads", "1", "--device", "cpu"]
    assert main(["train", "table.csv", "--label", "species", *options]) == 0
    said = capsys.readouterr()
    assert "table-features-gala-seed0" in said.out
    assert "64 training samples, features, gala" in said.err  # not the network of the settings
    assert "longtail predict applies: no offsets, since" in said.out  # of too few samples
    assert "; longtail predict runs/table-features-gala-seed0 TABLE" in said.out
    assert "images" not in said.out.partition("\n")[2]
    assert main(["export", "runs/LATEST", "--onnx", "model.onnx"]) == 0
    assert "fix.json, which longtail predict applies too" in capsys.readouterr().out
    assert main(["compare", "table.csv", "--label", "species", "--methods", "ce", "--epochs", "1", *options[4:]]) == 0
    assert "table-features, features as they are in the data, 1 epoch (before" in (said := capsys.readouterr().out)
    assert "images" not in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["train", "nothing"],
            "takes a recipe (cifar100-lt, cifar10-lt, digits-lt, imagenet-lt, places-lt, inaturalist18, plankton, "
            "features, finetune, scratch) or",
        ),
        (["train", "nothing"], "Got 'nothing', which is neither.\n"),
        (["train", "digits"], "Got 'digits', which is neither. Did you mean 'digits-lt'?"),
        (["train", "animalss"], "Got 'animalss', which is neither. Did you mean 'animals'?"),
        (["train", "fotos/"], "PATH must exist. Got fotos/; /"),
        (["train", "--loss", "ce", "animals"], "before --loss. Type it first: longtail train PATH --loss …"),
        (["train", "--loss=ce", "digits-lt"], "before --loss. Type it first: longtail train PATH --loss …"),
        (["train", "--data", "animals"], "before --data. Type it first: longtail train PATH\n"),
        (["compare", "--methods", "ce", "animals"], "before --methods. Type it first: longtail compare PATH --me"),
        (["compare", "features.npz"], "PATH must exist. Got features.npz; /"),
        (["train", "digits-lt", "--data", "animals"], "--data must be left out for digits-lt, which needs none"),
        (["train", "animals", "--data", "other"], "must have no --data beside the path"),
        (["train", "animals", "--model", "resnet8-cifr"], "Did you mean resnet8-cifar"),
        (["train", "animals", "--val", "nothing", *OPTIONS], "nothing"),
        (["predict", "nothing", "a.jpg"], "`path` must be a run folder"),
        (["evaluate", "nothing", "--data", "animals"], "`path` must be a run folder"),
        (["features", "animals", "--out", "f.csv"], "--out must end in .npz"),
        (["features", "animals", "--out", "nowhere/f.npz"], "--out must be in a folder that exists"),
    ],
)
def test_what_cannot_be_done_is_one_line(place, arguments, message, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not (place / "runs").exists()


@pytest.mark.parametrize(
    "words",
    [["train", "--out", "runs/a", "digits-lt"], ["train", "--loss", "ce", "--help"], ["train", "--resume", "runs/a"]],
)
def test_options_of_the_command_itself_may_come_first(words):
    assert with_recipe(words) == words


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--no-pretrained"], ["--pretrained", "False"]),
        (["--pretrained"], ["--pretrained", "True"]),
        (["--pretrained", "False", "--seed", "1"], ["--pretrained", "False", "--seed", "1"]),
    ],
)
def test_pretrained_is_a_switch_or_takes_a_value(words, expected):
    assert with_recipe(["train", "features", *words]) == ["train", "features", *expected]


@pytest.mark.parametrize("command", ["train", "compare"])
@pytest.mark.parametrize(
    ("option", "value"),
    [("size", "64"), ("augment", "light"), ("crop-pct", "0.8"), ("views", "2"), ("model", "resnet18")],
)
def test_settings_of_images_are_refused_for_features(place, command, option, value, capsys):
    np.savez("table.npz", features=np.zeros((20, 3)), labels=np.arange(20) % 2)
    more = {"views": ["--augment", "light"]}.get(option, [])
    methods = ["--methods", "ce"] if command == "compare" else []
    assert main([command, "table.npz", f"--{option}", value, *more, *methods]) == 2
    said = capsys.readouterr().err
    refused = "augment" if option == "views" else option
    assert said.startswith(f"longtail: --{refused} does not apply to table.npz, which holds features: it is for images")
    assert said.count("\n") == 1
    assert not (place / "runs").exists()


@pytest.mark.parametrize(
    "arguments", [["digits-lt"], ["scratch", "--data", "animals"], ["features", "--data", "animals"]]
)
@pytest.mark.parametrize(("option", "value"), [("tune", "head"), ("layer-decay", "0.5")])
def test_settings_of_fine_tuning_are_refused_elsewhere(place, arguments, option, value, capsys):
    assert main(["train", *arguments, f"--{option}", value]) == 2
    stage = "features" if arguments[0] == "features" else "scratch"
    name = option.replace("-", "_")
    assert f'longtail: `{name}` does not apply to the stage "{stage}", which trains' in capsys.readouterr().err
    assert not (place / "runs").exists()


def test_a_comparison_refuses_settings_that_its_stage_ignores_before_its_first_run(place, capsys):
    assert main(["compare", "scratch", "--data", "animals", "--methods", "ce,gala", "--tune", "head"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith('longtail: `tune` does not apply to the stage "scratch"')
    assert said.out == ""
    assert not (place / "runs").exists()


@pytest.mark.parametrize("stage", ["scratch", "finetune"])
def test_views_are_refused_where_images_are_augmented_in_each_step(place, stage, capsys):
    more = ["--augmentations", "--augment", "light"]
    assert main(["train", stage, "--data", "animals", "--views", "2", *more]) == 2
    said = capsys.readouterr().err
    assert f'`views` does not apply to the stage "{stage}"' in said
    assert "longtail train features" in said
    assert not (place / "runs").exists()


def test_features_do_not_replace_the_images(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", images=np.zeros((3, 8, 8), np.uint8), labels=[0, 0, 1])
    content = (tmp_path / "a.npz").read_bytes()
    assert main(["features", "a.npz", "--model", "resnet8-cifar", "--out", "a.npz"]) == 2
    assert "--out must not be a file that is read. Got a.npz. Name another with --out." in capsys.readouterr().err
    assert (tmp_path / "a.npz").read_bytes() == content
