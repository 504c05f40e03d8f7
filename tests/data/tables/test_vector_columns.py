"""Columns of vectors, such as embeddings, as features."""

import json
import sqlite3

import numpy as np
import pandas as pd
import pytest
import torch

import longtail
from longtail.auto.named_features import ordered_features
from longtail.data import read_data, require_trainable
from longtail.data.tables.vector_columns import is_written_vectors, numbers_of_row, vectors_of, with_numbers

RNG = np.random.default_rng(0)
LABELS = np.repeat(["ant", "bee", "cow"], [30, 12, 6])
VECTORS = RNG.normal(size=(48, 4)).astype(np.float32) + np.repeat(np.arange(3), [30, 12, 6])[:, None]


def frame(**columns):
    return pd.DataFrame({"species": LABELS, "embedding": list(VECTORS), **columns})


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "frame"])
def test_the_numbers_of_vectors_are_features(kind, tmp_path):
    data = frame(weight=np.arange(48.0))
    path = tmp_path / f"table.{kind}"
    if kind == "parquet":
        data.to_parquet(path)
    elif kind == "jsonl":
        data.to_json(path, orient="records", lines=True, double_precision=15)
    parts = read_data(data if kind == "frame" else path, label="species")
    assert parts.train.feature_names == (*(f"embedding[{place}]" for place in range(4)), "weight")
    np.testing.assert_allclose(parts.train.features, np.c_[VECTORS, np.arange(48.0)], rtol=1e-6)
    assert "5 features: embedding[0], embedding[1]" in " ".join(parts.notes)


def test_several_columns_of_vectors_keep_their_places():
    parts = read_data(frame(other=list(VECTORS[:, :2] * 2)), label="species")
    assert parts.train.feature_names[4:] == ("other[0]", "other[1]")
    np.testing.assert_allclose(parts.train.features, np.c_[VECTORS, VECTORS[:, :2] * 2], rtol=1e-6)


def test_a_table_of_vectors_may_come_beside_its_labels():
    parts = read_data((frame().drop(columns="species"), LABELS))
    assert parts.train.feature_names == tuple(f"embedding[{place}]" for place in range(4))
    np.testing.assert_allclose(parts.train.features, VECTORS, rtol=1e-6)
    with pytest.raises(ValueError, match="`X` must name each column once. Got 'a' twice"):
        read_data((pd.DataFrame(VECTORS, columns=["a", "a", "b", "c"]), LABELS))


def test_parts_have_vectors_of_one_length():
    with pytest.raises(ValueError, match="validation must hold 4 numbers in 'embedding', as in training"):
        read_data(frame(), val=frame(embedding=np.c_[VECTORS, VECTORS].tolist()), label="species")


def test_lists_of_different_lengths_are_no_features():
    parts = read_data(frame(tokens=[[1] * (1 + row % 3) for row in range(48)]), label="species")
    assert "tokens (lists that are not of one length, or hold no numbers)" in " ".join(parts.notes)
    assert len(parts.train.feature_names) == 4


@pytest.mark.parametrize(
    "cells",
    [
        [["1", "2"]] * 48,
        [[1, "a"]] * 48,
        [[[1, 2], [3, 4]]] * 48,
        [[[1, 2], [3]]] * 48,
        [[]] * 48,
        [[1, 2]] * 47 + ["text"],
        [{"a": 1}] * 48,
    ],
)
def test_other_cells_are_no_vectors(cells):
    column = pd.Series(cells)
    assert vectors_of(column) is None
    table = pd.DataFrame({"column": column})
    assert with_numbers(table) is table


@pytest.mark.parametrize(
    "written", [lambda vector: str(vector.tolist()), str, lambda vector: f"[{vector[0]:.3f} ... {vector[-1]:.3f}]"]
)
def test_vectors_in_a_csv_file_are_no_features_and_what_keeps_them_is_said(written, tmp_path):
    path = tmp_path / "table.csv"
    frame(embedding=list(map(written, VECTORS)), text="turn it off").to_csv(path, index=False)
    unused = r"embedding \(vectors written as text: save the table as Parquet or JSON lines\), text \(no numbers\)\.$"
    with pytest.raises(ValueError, match=f"It holds labels alone: .* 2 columns are not used as features: {unused}"):
        require_trainable(read_data(path, label="species"))
    with pytest.raises(ValueError, match=r"are missing: .*\. 'embedding' must hold vectors .*: Parquet and JSON lines"):
        ordered_features(pd.read_csv(path), [f"embedding[{place}]" for place in range(4)], 4)


@pytest.mark.parametrize("text", ["[off] turn it", "[]", "turn it off", "(1, two)", "7"])
def test_other_texts_are_no_written_vectors(text):
    assert not is_written_vectors(pd.Series([None, text]))


def test_a_row_without_a_vector_is_named(tmp_path):
    vectors = list(VECTORS)
    vectors[5] = None
    path = tmp_path / "table.parquet"
    pd.DataFrame({"species": LABELS, "embedding": vectors}).to_parquet(path)
    with pytest.raises(ValueError, match=r"a finite number .* Row 5 of .* has none in the column 'embedding\[0\]'"):
        read_data(path, label="species")


@pytest.mark.parametrize("missing", [pd.NA, float("nan"), [1.0, None, 2.0, 3.0], [1.0, pd.NA, 2.0, 3.0]])
def test_a_missing_number_is_named_and_the_vectors_stay_features(missing):
    vectors = pd.Series([*VECTORS.tolist()[:-1], missing], dtype=object)
    with pytest.raises(ValueError, match=r"Row 47 has none in the column 'embedding\[[01]\]'"):
        read_data(frame(embedding=vectors), label="species")


def test_the_first_vector_may_be_missing_in_a_column_of_arrow():
    pa = pytest.importorskip("pyarrow")
    vectors = pd.Series([None, *VECTORS.tolist()[1:]], dtype=pd.ArrowDtype(pa.list_(pa.float32())))
    with pytest.raises(ValueError, match=r"Row 0 has none in the column 'embedding\[0\]'"):
        read_data(frame(embedding=vectors), label="species")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tensors_are_vectors(dtype):
    tensors = [row.requires_grad_() for row in torch.from_numpy(VECTORS).to(dtype)]
    parts = read_data(frame(embedding=pd.Series(tensors)), label="species")
    np.testing.assert_allclose(parts.train.features, torch.stack(tensors).detach().float())
    assert numbers_of_row({"a": torch.ones(2, requires_grad=True)}) == {"a[0]": 1.0, "a[1]": 1.0}


def test_integers_of_any_size_are_numbers():
    np.testing.assert_array_equal(vectors_of(pd.Series([[2**70, 1], [0, 1]])), [[2.0**70, 1], [0, 1]])
    assert vectors_of(pd.Series([[2**2000, 1], [0, 1]])) is None


def test_scalar_arrays_are_no_vectors():
    scalars = pd.Series([np.array(1.0), np.array(2.0)])
    assert vectors_of(scalars) is None
    assert vectors_of(pd.Series([np.ones(2), np.array(2.0)])) is None
    assert numbers_of_row({"a": np.array(1.0)}) == {"a": np.array(1.0)}


def test_rows_of_a_database_have_names():
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    rows = connection.execute("SELECT 2 AS width, 7 AS length").fetchall()
    assert ordered_features(rows, ("length", "width"), 2).tolist() == [[7, 2]]


def test_groups_are_no_vectors():
    with pytest.raises(ValueError, match="the column 'place' of the table must name one group in each row"):
        read_data(frame(place=list(VECTORS)), label="species", group="place")


def test_a_column_of_the_same_name_is_refused():
    with pytest.raises(ValueError, match=r"embedding\[1\]"):
        read_data(frame(**{"embedding[1]": np.arange(48)}), label="species")


def test_new_samples_are_matched_by_name():
    names = ("embedding[1]", "weight", "embedding[0]")
    table = pd.DataFrame({"weight": [7.0, 8.0], "embedding": [[1, 2], [3, 4]]})
    wanted = np.array([[2, 7, 1], [4, 8, 3]], dtype=np.float32)
    for samples in (table, table.to_dict("records"), [row for _, row in table.iterrows()]):
        np.testing.assert_array_equal(ordered_features(samples, names, 3), wanted)
    with pytest.raises(ValueError, match=r"1 of 3 are missing: embedding\[1\]"):
        ordered_features(table.assign(embedding=pd.Series([[1], [3]])), names, 3)
    assert numbers_of_row({"a": np.array([1.0, 2.0]), "b": "text"}) == {"a[0]": 1.0, "a[1]": 2.0, "b": "text"}


@pytest.mark.parametrize("as_rows", [False, True])
def test_vectors_of_another_kind_are_refused(as_rows):
    names = ("embedding[0]", "embedding[1]", "weight")

    def given(**columns):
        table = pd.DataFrame({"weight": [7.0, 8.0], **{name: pd.Series(cells) for name, cells in columns.items()}})
        return table.to_dict("records") if as_rows else table

    with pytest.raises(ValueError, match=r"must hold 2 numbers in 'embedding', .* It holds more, such as embedding\[2"):
        ordered_features(given(embedding=[[1, 2, 3], [3, 4, 5]]), names, 3)
    with pytest.raises(ValueError, match=r"must name each column once. Got 'embedding\[1\]' twice"):
        ordered_features(given(**{"embedding": [[1, 2], [3, 4]], "embedding[1]": [5, 6]}), names, 3)
    with pytest.raises(ValueError, match=r"2 of 3 are missing.* 'embedding' must hold vectors of numbers"):
        ordered_features(given(embedding=["[1, 2]", "[3, 4]"]), names, 3)


def test_a_run_on_vectors_predicts_rows_of_a_service(tmp_path):
    path = tmp_path / "table.parquet"
    frame().to_parquet(path)
    run = longtail.fit(path, label="species", epochs=5, out=tmp_path / "run")
    predictor = longtail.load(run.path)
    row = json.loads(json.dumps({"embedding": VECTORS[47].tolist(), "id": 3}))
    assert predictor(row) == predictor.batch(frame()[47:], top=3)[0]
