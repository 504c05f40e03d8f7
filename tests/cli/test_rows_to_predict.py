"""`longtail predict` for runs on features."""

import csv
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import longtail
from longtail.auto.evaluation import evaluate_on
from longtail.cli import main
from longtail.cli.rows_to_predict import RowsToPredict
from longtail.data.features import mapped_array

RNG = np.random.default_rng(0)
NAMES = ("length", "weight")
LABELS = np.repeat(["otter", "seal", "whale"], [60, 30, 10])
FEATURES = RNG.normal(np.repeat([0.0, 4.0, 8.0], [60, 30, 10])[:, None], 1, (100, 2)).astype(np.float32)
SETTINGS = {"epochs": 5, "batch_size": 16, "threads": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    table = pd.DataFrame(dict(zip(NAMES, FEATURES.T, strict=True)) | {"label": LABELS})
    return longtail.fit(table, out=tmp_path_factory.mktemp("runs") / "run", **SETTINGS).path


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The first five rows in every kind of file; columns of tables are in another order, with others beside them."""
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame({"weight": FEATURES[:5, 1], "key": [f"00{i}" for i in range(5)], "length": FEATURES[:5, 0]})
    table.to_csv("rows.csv", index=False)
    table.to_csv("packed.csv.gz", index=False)
    table.to_csv("rows.tsv", index=False, sep="\t")
    table.to_json("rows.jsonl", orient="records", lines=True, double_precision=15)
    table.to_parquet("rows.parquet")
    np.save("rows.npy", FEATURES[:5])
    np.savez("rows.npz", features=FEATURES[:5], labels=LABELS[:5])
    return ("rows.csv", "packed.csv.gz", "rows.tsv", "rows.jsonl", "rows.parquet", "rows.npy", "rows.npz")


def predicted(capsys, *arguments):
    assert main(["predict", *map(str, arguments)]) == 0
    return list(csv.reader(capsys.readouterr().out.splitlines()))


def test_rows_of_tables_and_arrays_are_predicted(run, files, capsys):
    wanted = longtail.load(run).batch(FEATURES[:5])
    heading, *rows = predicted(capsys, run, *files)
    assert heading == ["row", "class_1", "probability_1"]
    assert [row[0] for row in rows] == [f"{file}:{row}" for file in files for row in range(5)]
    for start in range(0, len(rows), 5):
        for (_, name, probability), [(label, share)] in zip(rows[start : start + 5], wanted, strict=True):
            assert name == label
            assert float(probability) == pytest.approx(share, abs=1e-5)


def test_a_pattern_names_several_files(run, files, capsys):
    _, *rows = predicted(capsys, run, "rows.np[yz]")
    assert [row[0] for row in rows[::5]] == ["rows.npy:0", "rows.npz:0"]


@pytest.mark.parametrize("file", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_a_column_names_the_rows(run, files, file, capsys):
    heading, *rows = predicted(capsys, run, file, "--id-column", "key", "--top", "2")
    assert heading[0] == "key"
    assert [row[0] for row in rows] == [f"00{i}" for i in range(5)]


def test_prediction_sets_are_written(run, files, capsys):
    assert main(["predict", str(run), "rows.csv", "--sets", "0.3", "--out", "sets.csv"]) == 0
    assert "5 predictions, sets that hold the true class of at least about 70 % of samples" in capsys.readouterr().out
    assert pd.read_csv("sets.csv")["row"].tolist() == [f"rows.csv:{row}" for row in range(5)]


def test_a_large_table_is_read_in_parts(run, files, monkeypatch):
    predictor = longtail.load(run)
    monkeypatch.setattr(mapped_array, "LOADED", 1)
    monkeypatch.setattr("longtail.cli.rows_to_predict.AT_ONCE", 2)
    rows = RowsToPredict([Path("rows.npy")], predictor.info)
    sizes = []

    def classes_of(block):
        sizes.append(block.shape)
        return predictor.batch(block)

    assert rows.predicted(classes_of) == predictor.batch(FEATURES[:5])
    assert sizes == [(2, 2), (2, 2), (1, 2)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv"], "`files` must exist. Got nowhere.csv, which is missing."),
        (["*.bin"], "`files` must match files. Got *.bin."),
        (["."], "`files` must be tables (.csv, .tsv, .jsonl, .parquet; .gz too) or arrays (.npy, .npz) of features"),
        (["photo.jpg"], "as the run was trained on. Got photo.jpg."),
        (
            ["lacking.csv"],
            "lacking.csv must have the features that the run was trained on. 1 of 2 are missing: weight.",
        ),
        (["missing.csv"], "missing.csv must hold finite features. Got nan at missing.csv:1, feature 1 (weight)."),
        (
            ["words.csv"],
            "words.csv must hold numbers as features, without missing values. Got 'heavy' at words.csv:0, feature 1 ",
        ),
        (["pipe.csv"], "pipe.csv"),
        (["twice.parquet", "--id-column", "key"], "twice.parquet must name each column once. Got 'key' twice."),
        (["empty.npy"], "empty.npy must hold at least one row. Got none."),
        (["scalar.npy"], "scalar.npy must hold 2 features each, as the run was trained on. Got the shape ()."),
        (["wide.npy"], "wide.npy must hold 2 features each, as the run was trained on. Got the shape (5, 3)."),
        (["two.npz"], "two.npz must hold one array that is named images, image, x, data, features, inputs, feats or "),
        (["two.npz"], "embeddings. Got x (100, 2), features (100, 2)."),
        (
            ["rows.csv", "--id-column", "name"],
            "--id-column must name a column of rows.csv. Got 'name'; its columns: weight",
        ),
        (["rows.npy", "--id-column", "key"], "--id-column can only be used with tables. Got the arrays rows.npy."),
        (
            ["nameless.csv", "--id-column", "key"],
            "nameless.csv must name each row in the column 'key'. nameless.csv:1 has no name there. Fill it in",
        ),
        (
            ["rows.csv", "--path-column", "key"],
            "--path-column must be left out for RUN, which was trained on features.",
        ),
        (
            ["rows.csv", "--on-bad-file", "skip"],
            "--on-bad-file must be left out for RUN, which was trained on features.",
        ),
    ],
)
def test_what_can_not_be_predicted_is_refused(run, files, arguments, message, capsys):
    Path("photo.jpg").write_bytes(b"")
    Path("lacking.csv").write_text("length\n1\n")
    Path("missing.csv").write_text("length,weight\n1,2\n3,\n")
    Path("words.csv").write_text("length,weight\n1,heavy\n")
    Path("nameless.csv").write_text("length,weight,key\n1,2,a\n3,4,\n")
    np.save("wide.npy", np.zeros((5, 3), np.float32))
    os.mkfifo("pipe.csv")
    indexed = pd.DataFrame({"length": [1.0], "weight": [2.0], "key": [3]}, index=pd.Index(["a"], name="key"))
    indexed.to_parquet("twice.parquet")
    np.save("empty.npy", FEATURES[:0])
    np.save("scalar.npy", np.float32(1))
    np.savez("two.npz", x=FEATURES, features=FEATURES)
    assert main(["predict", str(run), *arguments, "--out", "out.csv"]) == 2
    assert message.replace("RUN", str(run)) in capsys.readouterr().err
    assert not Path("out.csv").exists()


def test_a_feature_may_name_the_rows(run, files, capsys):
    expected = predicted(capsys, run, "rows.csv")
    _, *rows = predicted(capsys, run, "rows.csv", "--id-column", "weight")
    assert [row[1:] for row in rows] == [row[1:] for row in expected[1:]]
    assert [float(row[0]) for row in rows] == pytest.approx(FEATURES[:5, 1], rel=1e-6)


@pytest.mark.parametrize("given", ["rows.csv", "rows.c*"])
def test_predictions_do_not_replace_what_is_predicted(run, files, given, capsys):
    content = Path("rows.csv").read_bytes()
    Path("link.csv").symlink_to("rows.csv")
    assert main(["predict", str(run), given, "--out", "link.csv"]) == 2
    assert "--out must not be a file that is read. Got link.csv." in capsys.readouterr().err
    assert Path("rows.csv").read_bytes() == content


def test_the_order_of_columns_is_said_where_the_run_has_no_names(files, tmp_path, capsys):
    run = longtail.fit((FEATURES, LABELS), out=tmp_path / "nameless", **SETTINGS).path
    assert main(["predict", str(run), "rows.csv", "--id-column", "key"]) == 0
    said = "the run has no names of features, so that columns are read in this order: weight, length."
    assert f"rows.csv: {said}" in capsys.readouterr().err
    notes: list[str] = []
    evaluate_on(
        longtail.load(run), pd.read_csv("rows.csv").assign(label="seal").drop(columns="key"), on_note=notes.append
    )
    assert f"`data`: {said}" in notes
