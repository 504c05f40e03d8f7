"""Each form that predictions come in gives the same as the arrays do."""

import gzip
import io
import json
import pickle
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch

from longtail.cli import main
from longtail.repair import Fix, read_predictions
from longtail.repair.diagnose_predictions import diagnose_predictions
from longtail.repair.reading import array_files
from longtail.runs import RunFolder

NAMES = ("cat", "dog", "lynx")


class Output(NamedTuple):
    """The fields that Hugging Face's `PredictionOutput` has."""

    predictions: Any
    label_ids: Any
    metrics: Any = None


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    target = np.repeat([0, 1, 2], [60, 30, 20])[rng.permutation(110)]
    return (rng.normal(size=(110, 3)) + 2 * np.eye(3)[target] + [2.0, 1.0, 0.0]).round(6), target


@pytest.fixture(scope="module")
def frame(scores):
    logits, target = scores
    return pd.DataFrame(logits, columns=list(NAMES)).assign(label=np.array(NAMES)[target])


def check(found, scores, names=NAMES):
    np.testing.assert_allclose(found.logits, scores[0], rtol=1e-6)
    np.testing.assert_array_equal(found.target, scores[1])
    assert found.class_names == names


def german(frame):
    return frame.to_csv(index=False, sep=";", decimal=",")


WRITERS = {
    "p.csv": lambda frame, path: frame.to_csv(path, index=False),
    "index.csv": lambda frame, path: frame.to_csv(path),
    "P.CSV": lambda frame, path: frame.to_csv(path, index=False),
    "p.tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "semicolon.csv": lambda frame, path: path.write_text(german(frame)),
    "utf16.csv": lambda frame, path: path.write_bytes(frame.to_csv(index=False).encode("utf-16")),
    "bom.csv": lambda frame, path: path.write_bytes(frame.to_csv(index=False).encode("utf-8-sig")),
    "cr.csv": lambda frame, path: path.write_bytes(frame.to_csv(index=False, lineterminator="\r").encode()),
    "p.csv.gz": lambda frame, path: path.write_bytes(gzip.compress(frame.to_csv(index=False).encode())),
    "p.csv.bz2": lambda frame, path: frame.to_csv(path, index=False),
    "p.parquet": lambda frame, path: frame.to_parquet(path),
    "p.jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "p.jsonl.gz": lambda frame, path: frame.to_json(path, orient="records", lines=True),
}


@pytest.mark.parametrize("name", WRITERS)
def test_tables(tmp_path, frame, scores, name):
    WRITERS[name](frame, tmp_path / name)
    check(read_predictions(tmp_path / name), scores)


def test_separators_are_said(tmp_path, frame):
    (tmp_path / "p.csv").write_text(german(frame))
    notes = " ".join(read_predictions(tmp_path / "p.csv").notes)
    assert "columns are separated by ';'" in notes
    assert "numbers have a decimal comma" in notes


def test_scores_as_lists_in_a_table(tmp_path, scores):
    logits, target = scores
    lines = [json.dumps({"logits": z.tolist(), "label": int(y)}) for z, y in zip(logits, target, strict=True)]
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    check(read_predictions(tmp_path / "p.jsonl", class_names=NAMES), scores)
    (tmp_path / "p.jsonl").write_text("\n".join([*lines, '{"logits": [1.0, 2.0], "label": 0}']))
    with pytest.raises(ValueError, match="column logits: every row must hold one number for each class"):
        read_predictions(tmp_path / "p.jsonl")


def test_arrays_in_files(tmp_path, scores):
    logits, target = scores
    named = np.array(NAMES)
    np.savez(tmp_path / "a.npz", logits=logits, target=target, class_names=named)
    np.savez(tmp_path / "b.npz", logits=logits, labels=named[target], class_names=named)
    torch.save({"logits": torch.from_numpy(logits), "y": torch.from_numpy(target)}, tmp_path / "c.pt")
    torch.save((torch.from_numpy(logits), torch.from_numpy(target)), tmp_path / "d.pt")
    check(read_predictions(tmp_path / "a.npz"), scores)
    check(read_predictions(tmp_path / "b.npz"), scores)
    check(read_predictions(tmp_path / "c.pt"), scores, None)
    check(read_predictions(tmp_path / "d.pt", class_names=NAMES), scores)


@pytest.mark.parametrize("names", ["npy", "txt", "csv", "column.csv", "json", "jsonl", "pt"])
def test_labels_in_a_file_of_their_own(tmp_path, scores, names):
    logits, target = scores
    texts = [NAMES[index] for index in target]
    path = tmp_path / f"labels.{names}"
    {
        "npy": lambda: np.save(path, target),
        "txt": lambda: path.write_text("\n".join(texts) + "\n"),
        "csv": lambda: path.write_text("label\n" + "\n".join(texts) + "\n"),
        "column.csv": lambda: pd.DataFrame({"id": range(110), "label": texts}).to_csv(path, index=False),
        "json": lambda: path.write_text(json.dumps(texts)),
        "jsonl": lambda: path.write_text("\n".join(json.dumps({"label": text}) for text in texts)),
        "pt": lambda: torch.save(torch.from_numpy(target), path),
    }[names]()
    np.save(tmp_path / "z.npy", logits)
    found = read_predictions(tmp_path / "z.npy", labels=path, class_names=NAMES)
    check(found, scores)
    assert isinstance(found.logits, np.memmap)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("species", r"--label must name labels in .*labels.csv. Got 'species'; it holds 'id', 'kind'."),
        (None, "`labels` must have one column of labels. Got .*labels.csv with 'id', 'kind'. Name it with --label"),
    ],
)
def test_the_column_of_a_file_of_labels_is_named(tmp_path, label, message):
    path = tmp_path / "labels.csv"
    path.write_text("id,kind\n1,cat\n2,dog\n")
    with pytest.raises(ValueError, match=message):
        read_predictions(3 * np.eye(2), labels=path, label=label, class_names=["cat", "dog"])
    found = read_predictions(3 * np.eye(2), labels=path, label="kind", class_names=["cat", "dog"])
    assert found.target.tolist() == [0, 1]


def test_labels_beside_a_table_name_its_classes(tmp_path, frame, scores):
    texts = frame["label"].tolist()
    check(read_predictions(frame.drop(columns="label"), labels=texts), scores)
    np.savez(tmp_path / "a.npz", logits=scores[0], target=scores[1])
    with pytest.raises(ValueError, match="`labels` must not be given: .*a.npz already has labels, called target"):
        read_predictions(tmp_path / "a.npz", labels=scores[1])


def test_objects_in_memory(frame, scores):
    logits, target = scores
    texts = [NAMES[index] for index in target]
    for source, options in [
        (frame, {}),
        ({"logits": logits, "target": target, "class_names": NAMES}, {}),
        ({"logits": torch.from_numpy(logits), "target": texts}, {"class_names": NAMES}),
        ((logits, target), {"class_names": NAMES}),
        ((torch.from_numpy(logits), torch.from_numpy(target)), {"class_names": NAMES}),
        ((frame[list(NAMES)], texts), {}),
        (logits, {"labels": texts, "class_names": np.array(NAMES)}),
        (logits.tolist(), {"labels": target, "class_names": "cat,dog,lynx"}),
        (Output(logits, target), {"class_names": NAMES}),
        (Output((logits, np.zeros((110, 5, 8))), target), {"class_names": NAMES}),
        (Output((logits, np.zeros((110, 8))), target), {"class_names": NAMES}),
    ]:
        check(read_predictions(source, **options), scores)


def test_the_output_of_a_trainer_that_is_not_clear_is_refused(scores):
    logits, target = scores
    with pytest.raises(ValueError, match=r"one array of the shape \(N, C\). Got the shapes \(110, 3\), \(110, 8\)"):
        read_predictions(Output((logits, np.zeros((110, 8))), target))
    with pytest.raises(ValueError, match="`label_ids` must hold labels. Got None"):
        read_predictions(Output(logits, None))
    with pytest.raises(ValueError, match=r"Got \(4, 5, 3\).* One row per token\? Flatten"):
        read_predictions(Output(np.zeros((4, 5, 3)), np.zeros((4, 5))))


def test_one_score_a_sample_is_that_of_the_second_class():
    margin = np.array([-1.5, 0.2, 3.0])
    for given in (margin, margin[:, None]):
        np.testing.assert_array_equal(
            read_predictions((given, [0, 1, 1])).logits, np.stack([np.zeros(3), margin], axis=1)
        )
    probability = np.array([0.25, 0.5, 0.9])
    found = read_predictions((probability, ["no", "yes", "yes"]), kind="probabilities", class_names=["no", "yes"])
    np.testing.assert_allclose(np.exp(found.logits), np.stack([1 - probability, probability], axis=1))
    with pytest.raises(ValueError, match="one name for each of the 2 columns of `source`. Got 3"):
        read_predictions((margin, [0, 1, 1]), class_names=["a", "b", "c"])


def test_scikit_learn_s_scores(scores):
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    features, texts = scores[0], np.array(NAMES)[scores[1]]
    model = LogisticRegression().fit(features, texts)
    found = read_predictions((model.predict_proba(features), texts), kind="probabilities", class_names=model.classes_)
    np.testing.assert_allclose(np.exp(found.logits), model.predict_proba(features))
    two = LogisticRegression().fit(features, texts == "lynx")
    found = read_predictions((two.decision_function(features), texts == "lynx"), class_names=two.classes_)
    assert found.class_names == ("False", "True")
    np.testing.assert_array_equal(found.target, texts == "lynx")
    np.testing.assert_array_equal(found.logits.argmax(1) == 1, two.predict(features))
    four = np.where(np.arange(110) % 7 == 0, "owl", texts)
    pairs = SVC(decision_function_shape="ovo").fit(features, four)
    with pytest.raises(ValueError, match="one name for each of the 6 columns .* decision_function_shape='ovr'"):
        read_predictions((pairs.decision_function(features), four), class_names=pairs.classes_)


def test_names_that_are_given_decide_the_order(tmp_path, frame, scores):
    logits, target = scores
    order = ("lynx", "cat", "dog")
    place = [NAMES.index(name) for name in order]
    np.savez(tmp_path / "a.npz", logits=logits, target=target, class_names=np.array(NAMES), class_counts=[90, 9, 1])
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    folder.save_predictions("validation", torch.from_numpy(logits), torch.from_numpy(target))
    for source in (frame, tmp_path / "a.npz"):
        found = read_predictions(source, class_names=order)
        np.testing.assert_array_equal(found.logits, logits[:, place])
        assert [found.class_names[index] for index in found.target] == frame["label"].tolist()
    assert read_predictions(tmp_path / "a.npz", class_names=order).class_counts.tolist() == [1, 90, 9]
    check(read_predictions(tmp_path / "run", class_names=order), scores, order)  # a run without names of its own
    with pytest.raises(
        ValueError, match=r"must hold the classes .* It lacks 'owl'; most similar: .* It also has 'dog'"
    ):
        read_predictions(tmp_path / "a.npz", class_names=["lynx", "cat", "owl"])


def test_targets_of_a_run_are_indices_whatever_its_classes_are_called(tmp_path, scores):
    logits, target = scores
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    folder.save_predictions("validation", torch.from_numpy(logits), torch.from_numpy(target))
    folder.save_data({"class_names": ["1", "2", "0"], "class_counts": [90, 9, 1], "input_shape": [4]})
    check(read_predictions(tmp_path / "run"), scores, ("1", "2", "0"))
    found = read_predictions(tmp_path / "run", class_names=["0", "1", "2"])
    np.testing.assert_allclose(found.logits, logits[:, [2, 0, 1]], rtol=1e-6)
    np.testing.assert_array_equal(found.target, np.array([1, 2, 0])[target])


@pytest.mark.slow
def test_the_groups_of_classes_have_the_bounds_of_the_run(tmp_path, scores):
    logits, target = scores
    folder = RunFolder.create(tmp_path / "run", config={"many_above": 80, "few_below": 5}, seed=0)
    folder.save_data({"class_names": list("012"), "class_counts": [90, 9, 1], "input_shape": [4]})
    folder.save_predictions("validation", torch.from_numpy(logits), torch.from_numpy(target))
    folder.finish({"class_counts": [90, 9, 1]})
    found = read_predictions(tmp_path / "run", class_names=["2", "0", "1"])
    assert diagnose_predictions(found).groups == {"many": 1, "medium": 1, "few": 1}
    np.savez(tmp_path / "a.npz", logits=logits, target=target, class_counts=[90, 9, 1])
    assert diagnose_predictions(read_predictions(tmp_path / "a.npz")).groups == {"many": 0, "medium": 1, "few": 2}


def test_several_files_are_one(tmp_path, frame, scores):
    frame[:50].to_csv(tmp_path / "part-0.csv", index=False)
    frame[50:][["label", "lynx", "dog", "cat"]].to_csv(tmp_path / "part-1.csv", index=False)
    for source in (str(tmp_path / "part-*.csv"), [tmp_path / "part-0.csv", tmp_path / "part-1.csv"]):
        check(read_predictions(source), scores)
    for place, part in enumerate((slice(0, 50), slice(50, None))):
        np.savez(tmp_path / f"{place}.npz", logits=scores[0][part], target=scores[1][part], class_names=np.array(NAMES))
    check(read_predictions(tmp_path / "?.npz"), scores)
    np.savez(
        tmp_path / "1.npz", logits=scores[0][50:, ::-1], target=2 - scores[1][50:], class_names=np.array(NAMES[::-1])
    )
    check(read_predictions(tmp_path / "?.npz"), scores)


def test_several_mapped_files_are_joined_on_disk(tmp_path, scores):
    for place, part in enumerate((slice(0, 50), slice(50, None))):
        np.save(tmp_path / f"z{place}.npy", scores[0][part])
        np.save(tmp_path / f"y{place}.npy", scores[1][part])
    found = read_predictions(tmp_path / "z*.npy", labels=tmp_path / "y*.npy")
    check(found, scores, None)
    assert isinstance(found.logits, np.memmap)
    with pytest.raises(ValueError, match="`labels` must hold one label per row, 110 in all files. Got 120"):
        read_predictions(tmp_path / "z*.npy", labels=np.zeros(120, dtype=int))


def test_a_row_of_several_files_is_named_by_its_own(tmp_path, frame):
    frame[:50].to_csv(tmp_path / "a.csv", index=False)
    broken = frame[50:].astype(object)
    broken.iloc[16, 0] = ""
    broken.to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(ValueError, match="b.csv, row 17, column cat: the cell is empty"):
        read_predictions(tmp_path / "*.csv")


def test_files_that_do_not_belong_together_are_refused(tmp_path, frame, scores):
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.rename(columns={"cat": "owl"}).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(ValueError, match="b.csv must have the same columns as .*a.csv. They differ in cat, owl"):
        read_predictions(tmp_path / "*.csv")
    np.savez(tmp_path / "a.npz", logits=scores[0], target=scores[1])
    with pytest.raises(ValueError, match="must be tables, or files of arrays. Got .*a.csv and .*a.npz"):
        read_predictions(tmp_path / "a.*")
    np.savez(tmp_path / "b.npz", logits=scores[0][:, :2], target=scores[1] % 2)
    with pytest.raises(ValueError, match="b.npz must agree with .*a.npz in its number of classes. Got 2, not 3"):
        read_predictions(tmp_path / "*.npz")
    with pytest.raises(ValueError, match="`path` must name each file once"):
        read_predictions([tmp_path / "a.csv", tmp_path / "a.csv"])


def test_a_folder_of_runs_names_one_of_them(tmp_path):
    for name in ("ce-seed0", "gala-seed0"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
    (tmp_path / "table.csv").write_text("method\nce\n")  # of a comparison
    with pytest.raises(FileNotFoundError, match=r"no run\.json\. It holds 2 runs, such as .*ce-seed0\.$"):
        read_predictions(tmp_path)


def test_paths_that_lead_nowhere_say_what_is_there(tmp_path, frame):
    with pytest.raises(FileNotFoundError, match="`path` must match files. Got .*none"):
        read_predictions(tmp_path / "none*.csv")
    with pytest.raises(FileNotFoundError, match="must be a file or a run folder. .* has no run.json"):
        read_predictions(tmp_path)
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(FileNotFoundError, match=r"It holds .csv files: for all of them pass '.*/\*.csv'"):
        read_predictions(tmp_path)
    with pytest.raises(TypeError, match="`source` must be a path, arrays by name, .* Got int"):
        read_predictions(3)
    with pytest.raises(ValueError, match="`labels` must be given with scores"):
        read_predictions(np.eye(3))


@pytest.mark.parametrize("name", ["p.pkl", "p.joblib", "p.pickle"])
def test_pickles_are_never_read(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps({"logits": [[1.0, 2.0]], "target": [0]}))
    with pytest.raises(
        ValueError, match=r"is a pickle, which can run any code when it is loaded. Save arrays: np.savez"
    ):
        read_predictions(tmp_path / name)
    np.savez(tmp_path / "o.npz", logits=np.eye(2), target=np.array(["a", "b"], dtype=object))
    with pytest.raises(ValueError, match="names must be arrays of dtype str"):
        read_predictions(tmp_path / "o.npz")


class Piped:
    """Standard input that holds bytes."""

    def __init__(self, content):
        self.buffer = io.BytesIO(content)


@pytest.mark.parametrize("kind", ["csv", "semicolon", "jsonl", "gz"])
def test_standard_input(frame, scores, monkeypatch, kind):
    content = {
        "csv": frame.to_csv(index=False).encode(),
        "semicolon": german(frame).encode(),
        "jsonl": frame.to_json(orient="records", lines=True).encode(),
        "gz": gzip.compress(frame.to_csv(index=False).encode()),
    }[kind]
    monkeypatch.setattr("sys.stdin", Piped(content))
    check(read_predictions("-"), scores)


@pytest.mark.slow
def test_standard_input_on_the_command_line(tmp_path, frame, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Piped(frame.to_csv(index=False).encode()))
    assert main(["fix", "-", "--out", str(tmp_path / "fix.json"), "--report", "none"]) == 0
    assert "note: standard input: labels are read from the column 'label'" in capsys.readouterr().err
    assert Fix.load(tmp_path / "fix.json").class_names == NAMES
    monkeypatch.setattr("sys.stdin", Piped(b""))
    with pytest.raises(ValueError, match="standard input must hold a header and rows. It is empty"):
        read_predictions("-")


def test_files_keep_the_order_that_is_given_which_is_that_of_the_labels(tmp_path, scores):
    np.save(tmp_path / "val.npy", scores[0][:70])
    np.save(tmp_path / "test.npy", scores[0][70:])
    np.savetxt(tmp_path / "1.txt", scores[1][:70], "%d")
    np.savetxt(tmp_path / "2.txt", scores[1][70:], "%d")
    paths = [str(tmp_path / name) for name in ("val.npy", "test.npy")]
    found = read_predictions(paths, labels=scores[1])
    check(found, scores, None)
    assert any("labels are taken in the order of the files: '" in note for note in found.notes)
    check(read_predictions(paths, labels=[tmp_path / "1.txt", tmp_path / "2.txt"]), scores, None)
    swapped = read_predictions(paths[::-1], labels=[tmp_path / "2.txt", tmp_path / "1.txt"])
    np.testing.assert_allclose(swapped.logits, np.concatenate([scores[0][70:], scores[0][:70]]))
    np.testing.assert_array_equal(swapped.target, np.concatenate([scores[1][70:], scores[1][:70]]))


def test_a_file_is_taken_once_whatever_it_is_called(tmp_path, frame, monkeypatch):
    frame.to_csv(tmp_path / "a.csv", index=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="`path` must name each file once. Got a.csv twice"):
        read_predictions([str(tmp_path / "a.csv"), "a.csv"])


def test_names_on_the_command_line_may_be_longer_than_a_path(tmp_path):
    names = [f"class number {place}" for place in range(200)]
    logits, target = np.eye(200) * 9, np.arange(200)
    assert read_predictions((logits - 1, target), class_names=",".join(names)).class_names == tuple(names)
    assert (
        read_predictions((logits - 1, [names[0] * 30] * 200), class_names=[name * 30 for name in names]).target[0] == 0
    )


def test_masked_scores_and_columns_of_several_levels_are_refused(scores):
    with pytest.raises(TypeError, match="scores of .* must have no masked values"):
        read_predictions((np.ma.masked_greater(scores[0], 3), scores[1]))
    with pytest.raises(TypeError, match="labels of .* must have no masked values"):
        read_predictions((scores[0], np.ma.masked_equal(scores[1], 1)))
    with pytest.raises(TypeError, match="groups of .* must have no masked values"):
        read_predictions({"logits": scores[0], "labels": scores[1], "groups": np.ma.masked_equal(scores[1], 1)})
    with pytest.raises(TypeError, match="`counts` must have no masked values"):
        read_predictions(scores, counts=np.ma.masked_equal(np.arange(1, len(NAMES) + 1), 1))
    levels = pd.MultiIndex.from_product([["logit"], NAMES])
    with pytest.raises(ValueError, match="must have one name for each column"):
        read_predictions(pd.DataFrame(scores[0], columns=levels), labels=np.array(NAMES)[scores[1]])


@pytest.mark.parametrize("name", ["p.pt", "p.npz", "p.npy"])
def test_a_damaged_file_is_no_reason_to_load_pickles(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x02" + bytes(range(256)) * 4)
    with pytest.raises(ValueError, match="it is damaged, or holds .*objects.*, which are never loaded. Save") as caught:
        read_predictions(tmp_path / name, labels=[0, 1])
    assert "weights_only" not in str(caught.value)
    assert "allow_pickle" not in str(caught.value)


def test_probabilities_of_the_second_class_lie_between_0_and_1(scores):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]. Got 10 to 90. Percent"):
        read_predictions((np.array([90.0, 10.0, 20.0]), [1, 0, 0]), kind="probabilities")


def test_scores_are_not_expanded_before_their_number_is_compared_with_the_labels(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(array_files, "npz_array", lambda _, name: read.append(name))
    np.savez_compressed(tmp_path / "a.npz", logits=np.zeros((100_000, 3)), target=np.zeros(9, int), images=np.zeros(5))
    with pytest.raises(ValueError, match=r"must hold one label per row. Got the shape \(100000, 3\) of logits and 9"):
        read_predictions(tmp_path / "a.npz")
    np.savez_compressed(tmp_path / "b.npz", logits=np.zeros((100_000, 3)))
    with pytest.raises(ValueError, match="must hold one label per row. Got the shape .* and 2 labels"):
        read_predictions(tmp_path / "b.npz", labels=[0, 1])
    assert read == []


def test_a_small_file_with_a_large_view_is_refused(tmp_path, monkeypatch):
    torch.save({"logits": torch.zeros(1, 1).expand(2**40, 3), "target": torch.zeros(3)}, tmp_path / "a.pt")
    with pytest.raises(
        ValueError, match=r"a.pt must fit into memory. It holds a tensor of the shape \(1099511627776, 3"
    ):
        read_predictions(tmp_path / "a.pt")


def test_labels_that_were_shuffled_alone_are_refused():
    scores = pd.DataFrame(3 * np.eye(3), columns=["cat", "dog", "lynx"])
    labels = pd.Series(["cat", "dog", "lynx"])
    for source, options in (((scores, labels[::-1]), {}), (scores, {"labels": labels[::-1]})):
        with pytest.raises(ValueError, match="`labels` must be in the order of its samples"):
            read_predictions(source, **options)
    assert read_predictions((scores, labels)).target.tolist() == [0, 1, 2]


def test_a_long_list_given_as_counts_is_not_printed_as_a_whole():
    with pytest.raises(ValueError, match="`counts` must be a JSON mapping") as error:
        read_predictions((3 * np.eye(3), [0, 1, 2]), counts=["cat"] * 1000)
    assert len(str(error.value)) < 300
