"""Training counts, priors and costs: by name from files and mappings, by place only where they are bare."""

import json

import numpy as np
import pandas as pd
import pytest

from longtail.repair.reading.class_list import class_list
from longtail.repair.reading.class_values import in_order_of, read_values
from longtail.repair.reading.costs import read_costs

NAMES = ("cat", "dog", "lynx")
COUNTS = {"lynx": 10, "cat": 900, "dog": 90}
COST = np.array([[0.0, 1, 2], [3, 0, 4], [5, 6, 0]])


def counts_of(given, names=NAMES):
    notes: list[str] = []
    return in_order_of("counts", read_values("counts", given, notes), names, notes).tolist(), notes


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", json.dumps(COUNTS)),
        ("c.csv", "class,count\nlynx,10\ncat,900\ndog,90\n"),
        ("c.csv", "lynx,10\ncat,900\ndog,90\n"),
        ("c.csv", ",0\nlynx,10\ncat,900\ndog,90\n"),  # pd.Series(...).to_csv()
        ("c.csv", "label;count\nlynx;10\ncat;900\ndog;90\n"),
        ("c.tsv", "label\tcount\nlynx\t10\ncat\t900\ndog\t90\n"),
        ("c.jsonl", "".join(json.dumps({"name": name, "n": n}) + "\n" for name, n in COUNTS.items())),
    ],
)
def test_counts_of_files_go_by_name(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert counts_of(tmp_path / name)[0] == [900, 90, 10]


def test_names_that_are_numbers_are_names(tmp_path):
    (tmp_path / "c.csv").write_text("2,10\n0,900\n1,90\n")
    assert counts_of(tmp_path / "c.csv", ("0", "1", "2"))[0] == [900, 90, 10]
    (tmp_path / "d.csv").write_text("label,count\n2,10\n0,900\n1,90\n")
    assert counts_of(tmp_path / "d.csv", ("0", "1", "2"))[0] == [900, 90, 10]


@pytest.mark.parametrize("name", ["c.txt", "c.csv", "row.csv", "c.json", "c.npy", "list"])
def test_bare_numbers_go_by_place_and_that_is_said(tmp_path, name):
    path = tmp_path / name
    if name == "c.npy":
        np.save(path, [900, 90, 10])
    elif name != "list":
        path.write_text({"c.json": "[900, 90, 10]", "row.csv": "900,90,10\n"}.get(name, "900\n90\n10\n"))
    found, notes = counts_of([900, 90, 10] if name == "list" else path)
    assert found == [900, 90, 10]
    assert "counts: taken in the order of the classes: 'cat' 900, 'dog' 90, 'lynx' 10" in notes[-1]
    with pytest.raises(ValueError, match="one number for each of the 2 classes"):
        counts_of([1, 2, 3], NAMES[:2])


def test_counts_of_training_data(tmp_path):
    from PIL import Image

    for name, number in (("dog", 2), ("cat", 3), ("lynx", 1)):
        (tmp_path / "train" / name).mkdir(parents=True)
        for place in range(number):
            Image.new("RGB", (4, 4)).save(tmp_path / "train" / name / f"{place}.png")
    found, notes = counts_of(tmp_path / "train")
    assert found == [3, 2, 1]
    assert "6 samples" in notes[0]
    with pytest.raises(ValueError, match="Got 'lynx'; most similar"):
        counts_of(tmp_path / "train", ("cat", "dog"))
    pd.DataFrame({"x": np.arange(6.0), "z": 1.0, "label": list("aabbbc")}).to_csv(tmp_path / "t.csv", index=False)
    assert counts_of(tmp_path / "t.csv", ("a", "b", "c"))[0] == [2, 3, 1]


def test_files_that_hold_no_numbers_of_classes_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="--counts must be a file that exists"):
        counts_of(tmp_path / "none.json")
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(ValueError, match="c.json could not be read"):
        counts_of(tmp_path / "c.json")
    (tmp_path / "c.csv").write_text("class,count\ncat,1\ncat,2\n")
    with pytest.raises(ValueError, match="must name each class once. Got 'cat' several times"):
        counts_of(tmp_path / "c.csv")
    (tmp_path / "p.txt").write_text("cat often\n")
    with pytest.raises(ValueError, match="--prior must be a JSON mapping of names to numbers"):
        read_values("prior", tmp_path / "p.txt", [])


def nested(order=(2, 0, 1)):
    return {NAMES[row]: {NAMES[column]: COST[row, column] for column in order[::-1]} for row in order}


@pytest.mark.parametrize("name", ["c.csv", "semicolon.csv", "c.json", "mapping"])
def test_costs_go_by_name(tmp_path, name):
    frame = pd.DataFrame(COST, index=list(NAMES), columns=list(NAMES)).loc[
        ["lynx", "cat", "dog"], ["dog", "lynx", "cat"]
    ]
    if name == "c.json":
        (tmp_path / name).write_text(json.dumps(nested()))
    elif name != "mapping":
        frame.to_csv(tmp_path / name, sep=";" if "semi" in name else ",")
    found = read_costs(nested() if name == "mapping" else tmp_path / name, NAMES, [])
    np.testing.assert_array_equal(found, COST)


@pytest.mark.parametrize("name", ["class", None])
def test_names_of_classes_may_be_the_index_of_a_parquet_file(tmp_path, name):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    table = pd.DataFrame(COST, index=pd.Index(NAMES, name=name), columns=list(NAMES)).iloc[::-1]
    table.to_parquet(tmp_path / "cost.parquet")
    np.testing.assert_array_equal(read_costs(tmp_path / "cost.parquet", NAMES, []), COST)
    pd.DataFrame({"count": [7, 5, 6]}, index=table.index).to_parquet(tmp_path / "counts.parquet")
    assert counts_of(tmp_path / "counts.parquet", NAMES)[0] == [6, 5, 7]


def test_costs_whose_names_are_numbers(tmp_path):
    (tmp_path / "c.csv").write_text(",1,0\n1,0,5\n0,2,0\n")
    np.testing.assert_array_equal(read_costs(tmp_path / "c.csv", ("0", "1"), []), [[0, 2], [5, 0]])


@pytest.mark.parametrize("text", ["0,1,2\n3,0,4\n5,6,0\n", "0 1 2\n3 0 4\n5 6 0\n"])
def test_a_bare_matrix_goes_by_place_and_that_is_said(tmp_path, text):
    notes: list[str] = []
    (tmp_path / "c.csv").write_text(text)
    np.testing.assert_array_equal(read_costs(tmp_path / "c.csv", NAMES, notes), COST)
    assert notes == ["cost: rows and columns are taken in the order of the classes: 'cat', 'dog', 'lynx'."]
    (tmp_path / "c.txt").write_text("cheap\n")
    with pytest.raises(ValueError, match="--cost must be a CSV with class names in the first row"):
        read_costs(tmp_path / "c.txt", NAMES, [])


def test_lists_of_names(tmp_path):
    (tmp_path / "names.txt").write_text("cat\ndog, the\n\n")
    assert class_list(tmp_path / "names.txt") == ("cat", "dog, the")
    (tmp_path / "names.json").write_text('["cat", "dog"]')
    assert class_list(str(tmp_path / "names.json")) == ("cat", "dog")
    assert class_list("cat,dog") == ("cat", "dog")
    assert class_list(np.array([3, 1])) == ("3", "1")
    with pytest.raises(FileNotFoundError, match="names separated by commas, or a file that exists. Got nothing.txt"):
        class_list("nothing.txt")
    with pytest.raises(ValueError, match="must hold at least two names. Got 1"):
        class_list(["cat"])
    with pytest.raises(ValueError, match="must differ from each other"):
        class_list("cat,cat")


def test_value_counts_go_by_name_whatever_their_order():
    counts = pd.Series(np.repeat(["lynx", "cat", "dog"], [10, 900, 90])).value_counts()
    assert counts_of(counts)[0] == [900, 90, 10]
    cost = pd.DataFrame(COST, index=NAMES, columns=NAMES)
    np.testing.assert_array_equal(read_costs(cost.iloc[::-1, [1, 2, 0]], NAMES, []), COST)
    with pytest.raises(ValueError, match="`counts` must be a JSON mapping"):
        counts_of(np.array([1j, 2, 3]))
    with pytest.raises(ValueError, match="`cost` must be a CSV"):
        read_costs([[0, 1], [1]], ("a", "b"), [])


@pytest.mark.parametrize("content", [b"", b"abc", b"\x93NUMPY"])
def test_a_damaged_array_file_is_told_with_its_name(tmp_path, content):
    (tmp_path / "c.npy").write_bytes(content)
    for read in (lambda path: read_values("counts", path, []), lambda path: read_costs(path, NAMES, [])):
        with pytest.raises(ValueError, match="c.npy could not be read"):
            read(tmp_path / "c.npy")


def test_names_in_no_order_are_refused():
    with pytest.raises(TypeError, match="`class_names` must be in the order of the classes. Got a set, which has none"):
        class_list({"cat", "lynx"})
