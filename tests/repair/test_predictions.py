import numpy as np
import pytest
import torch

from longtail.cli import main
from longtail.repair import Fix, read_predictions
from longtail.runs import RunFolder

NAMES = ("cat", "dog", "lynx")


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    target = np.repeat([0, 1, 2], [60, 30, 20])
    return rng.normal(size=(110, 3)) + 2 * np.eye(3)[target] + np.array([2.0, 1.0, 0.0]), target


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def write_csv(path, scores, target, names=NAMES, label="label"):
    lines = [",".join([label, *names])]
    lines += [",".join([names[y], *map(repr, row.tolist())]) for y, row in zip(target, scores, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        ({"logits": "logits"}, "probabilities", "as `kind` \\(--kind\\) says. It holds logits"),
        ({"scored": "logits"}, "logits", "must hold logits or probabilities. It holds scored, target"),
    ],
)
def test_a_wrong_claim_is_noticed(tmp_path, scores, content, kind, message):
    kinds = {"logits": scores[0], "probabilities": softmax(scores[0])}
    np.savez(tmp_path / "a.npz", **{name: kinds[what] for name, what in content.items()}, target=scores[1])
    with pytest.raises(ValueError, match=message):
        read_predictions(tmp_path / "a.npz", kind=kind)


def test_files_that_are_none_are_refused(tmp_path, scores):
    logits, target = scores
    np.savez(tmp_path / "a.npz", logits=logits)
    with pytest.raises(ValueError, match="must hold labels, called label or target"):
        read_predictions(tmp_path / "a.npz")
    np.savez(tmp_path / "n.npz", logits=np.where(logits > 3, np.nan, logits), target=target)
    with pytest.raises(ValueError, match=r"n.npz, row \d+, column \d: nan must be finite"):
        read_predictions(tmp_path / "n.npz")
    (tmp_path / "t.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:200])
    with pytest.raises(ValueError, match="could not be read"):
        read_predictions(tmp_path / "t.npz")
    (tmp_path / "a.xls").write_text("")
    with pytest.raises(ValueError, match="must be a run folder or end in .npz"):
        read_predictions(tmp_path / "a.xls")
    with pytest.raises(FileNotFoundError, match="must exist"):
        read_predictions(tmp_path / "none.npz")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "code.pt")
    with pytest.raises(ValueError, match="could not be read"):
        read_predictions(tmp_path / "code.pt")
    write_csv(tmp_path / "l.csv", logits, target, label="class")
    with pytest.raises(ValueError, match="must have a column of labels, called label, target"):
        read_predictions(tmp_path / "l.csv")
    (tmp_path / "r.csv").write_text("label,a,b\na,1,2\nb,1\n")
    with pytest.raises(ValueError, match="r.csv, row 2, column b: the cell is empty"):
        read_predictions(tmp_path / "r.csv")
    (tmp_path / "u.csv").write_text("label,a,b\na,1,2\nb,0,1\nc,1,2\n")
    with pytest.raises(
        ValueError, match="u.csv, row 3: the label 'c' is not one of the 2 classes 'a', 'b'. Most similar"
    ):
        read_predictions(tmp_path / "u.csv")


@pytest.mark.slow
def test_from_the_command_line(tmp_path, capsys):
    target = np.repeat([0, 1, 2], [300, 120, 60])
    logits = np.random.default_rng(0).normal(size=(480, 3)) + 2 * np.eye(3)[target] + np.array([2.0, 1.0, 0.0])
    scores = logits, target
    path, out = write_csv(tmp_path / "predictions.csv", *scores), tmp_path / "fix.json"
    assert main(["fix", str(path), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "480 samples" in shown
    assert "Use " in shown
    fix = Fix.load(out, class_names=NAMES)
    better = fix.predict(scores[0]) == scores[1]
    assert better[scores[1] == 2].mean() > (scores[0].argmax(1) == scores[1])[scores[1] == 2].mean()
    assert main(["fix", str(path), "--out", str(out)]) == 2
    assert "--out must not exist yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--metric", "accuracy", "--prior", "train"], "--prior train needs training counts"),
        (["--metric", "accuracy", "--prior", "none.txt"], "--prior must be a file that exists. Got none.txt"),
        (["--kind", "probabilities"], "must hold probabilities"),
        (["--folds", "1"], "`folds` must be at least 3"),
        (["--labels", "x.npy"], "x.npy"),
        (["--metric", "cost"], '`cost` must be given for the metric "cost"'),
        (["--metric", "cost", "--cost", "none.txt"], "--cost must be a file that exists. Got none.txt"),
    ],
)
def test_bad_options_are_one_line_and_leave_nothing(tmp_path, scores, capsys, options, message):
    path, out = write_csv(tmp_path / "predictions.csv", *scores), tmp_path / "fix.json"
    assert main(["fix", str(path), "--out", str(out), *options]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_a_run_without_held_out_images_says_what_to_do(tmp_path, capsys):
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    folder.save_predictions("test", torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64))
    assert main(["fix", str(folder.path)]) == 2
    assert "train with --validation 0.1, or pass --part test" in capsys.readouterr().err
    assert main(["fix", str(folder.path), "--part", "augmented"]) == 2
    assert "`part` must be a set that the model was not trained on. Got 'augmented'" in capsys.readouterr().err


def test_probabilities_in_a_mapped_file_become_logarithms_in_another(tmp_path, scores):
    logits, target = scores
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.save(tmp_path / "p.npy", probability)
    np.save(tmp_path / "y.npy", target)
    loaded = read_predictions(tmp_path / "p.npy", labels=tmp_path / "y.npy", kind="probabilities")
    assert isinstance(loaded.logits, np.memmap)
    np.testing.assert_allclose(loaded.logits, np.log(probability))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["p.npy", "y.npy"]


@pytest.mark.slow
def test_a_report_stands_beside_the_fix(tmp_path, scores, capsys):
    path, out = write_csv(tmp_path / "predictions.csv", *scores), tmp_path / "fix.json"
    assert main(["fix", str(path), "--out", str(out)]) == 0
    assert f"report: {tmp_path / 'fix.html'}" in capsys.readouterr().out
    assert (tmp_path / "fix.html").read_text().startswith("<!DOCTYPE html>")
    assert main(["fix", str(path), "--out", str(tmp_path / "b.json"), "--report", str(tmp_path / "fix.html")]) == 2
    assert "--report must not exist yet" in capsys.readouterr().err
    assert not (tmp_path / "b.json").exists()
    assert main(["fix", str(path), "--out", str(tmp_path / "c.html")]) == 2
    assert "--report must differ from --out" in capsys.readouterr().err
    assert main(["fix", str(path), "--out", str(tmp_path / "none/d.json")]) == 2
    assert "--out must be in a folder that exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            ",label,a,b\n0,a,2,0\n0,b,0,1\n",
            "the column 'Unnamed: 0' holds numbers, .* Write the table with index=False",
        ),
        ("label,a,b,b\na,2,0,1\nb,0,1,1\n", "must name each column once. Got 'b' twice"),
        ("label,a,b\na," + "1" * 200_000 + ",0\nb,0,1\n", "row 1, column a: '1{40}…' is not a number"),
        ("# by me\nlabel,a,b\na,1,0\nb,0,1\n", "must be a table .* Its first line is a comment: remove it"),
    ],
)
def test_tables_that_would_be_misread_are_refused(tmp_path, text, message):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_predictions(path)


def test_tables_of_other_programs_are_read(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("\ufefflabel,target,b\r\ntarget,2,0\r\nb,0,1\r\n\r\n", encoding="utf-8")
    loaded = read_predictions(path)
    assert loaded.class_names == ("target", "b")
    assert loaded.target.tolist() == [0, 1]


@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")
def test_tensors_that_learn_are_read(tmp_path):
    torch.save(
        {"logits": torch.randn(4, 3, requires_grad=True), "y": torch.tensor([0, 1, 2, 0]), 7: 1}, tmp_path / "a.pt"
    )
    assert read_predictions(tmp_path / "a.pt").logits.shape == (4, 3)
    torch.save({"logits": torch.eye(3).to_sparse(), "y": torch.arange(3)}, tmp_path / "b.pt")
    with pytest.raises(ValueError, match="must hold plain tensors"):
        read_predictions(tmp_path / "b.pt")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"class_counts": np.array(["a", "b", "c"])}, "must hold numbers as class_counts"),
        ({"class_names": np.array(3)}, "must hold a list of class names. Got 3"),
        ({"target": np.array([1e30, 0.0, 1.0])}, "row 1: labels must be class indices or names. Got 1e\\+30"),
        (
            {"target": np.array([2**64 - 1, 0, 1], dtype=np.uint64)},
            "the label 18446744073709551615 is not an index of the 3 classes, 0 to 2",
        ),
    ],
)
def test_what_stands_beside_the_scores_is_checked(tmp_path, extra, message):
    np.savez(tmp_path / "a.npz", **{"logits": 3 * np.eye(3), "target": np.arange(3), **extra})
    with pytest.raises(ValueError, match=message):
        read_predictions(tmp_path / "a.npz")


def test_labels_of_an_npy_file_are_asked_for_by_their_option(tmp_path):
    np.save(tmp_path / "z.npy", np.eye(3))
    with pytest.raises(ValueError, match="or pass `labels` \\(--labels\\). It holds scores"):
        read_predictions(tmp_path / "z.npy")
    with pytest.raises(FileNotFoundError, match="`labels` must exist. Got .*none.npy"):
        read_predictions(tmp_path / "z.npy", labels=tmp_path / "none.npy")


def test_probabilities_of_zero_get_half_of_the_smallest(tmp_path):
    probability = np.array([[0.0, 1.0], [0.02, 0.98], [0.5, 0.5]])
    np.savez(tmp_path / "p.npz", probabilities=probability, target=[1, 1, 0])
    loaded = read_predictions(tmp_path / "p.npz")
    assert (loaded.kind, loaded.floor) == ("probabilities", 0.01)
    assert loaded.logits[0, 0] == np.log(0.01)


@pytest.mark.slow
def test_a_fix_of_probabilities_takes_probabilities(scores):
    logits, target = scores
    fix = Fix.from_predictions((softmax(logits), target), kind="probabilities")
    assert fix.takes == "probabilities"
    np.testing.assert_array_equal(fix.predict(softmax(logits)), (logits + fix.offset).argmax(1))
    np.testing.assert_allclose(fix.predict_proba(softmax(logits)).sum(1), 1)
    with pytest.raises(ValueError, match="`logits` must be probabilities, which this fix takes"):
        fix.predict(logits)


@pytest.mark.slow
def test_prior_here_is_the_class_frequency_of_the_predictions(scores):
    fix = Fix.from_predictions(scores, metric="accuracy", prior="here")
    np.testing.assert_allclose(fix.prior, [60 / 110, 30 / 110, 20 / 110])


def test_a_report_may_not_take_the_place_of_the_fix_by_another_name(tmp_path, scores, capsys):
    path, out = write_csv(tmp_path / "predictions.csv", *scores), tmp_path / "fix.json"
    (tmp_path / "sub").mkdir()
    assert main(["fix", str(path), "--out", str(out), "--report", str(tmp_path / "sub/../fix.json")]) == 2
    assert "--report must differ from --out" in capsys.readouterr().err
    (tmp_path / "link.json").symlink_to(tmp_path / "nowhere")
    assert main(["fix", str(path), "--out", str(tmp_path / "link.json")]) == 2
    assert "--out must not exist yet" in capsys.readouterr().err
