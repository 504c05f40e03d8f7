"""The examples run, say what they found, and leave what they promise."""

import importlib.util
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from longtail.posthoc import PredictionRebalancer
from longtail.repair import estimate_prior
from longtail.runs import RunFolder

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def demo(digits, tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "runs"
    digits.main(["--seeds", "2", "--out", str(out), "--epochs", "30"])
    return out


def test_the_demo_leaves_runs_a_table_and_a_picture(demo):
    folders = [RunFolder.open(path) for path in sorted(demo.iterdir()) if path.is_dir()]
    assert len(folders) == 6
    for folder in folders:
        assert folder.result["parameters"] == 26_122
        assert [line["epoch"] for line in folder.metrics] == list(range(1, 31))
        logits, target = folder.load_predictions("test")
        assert logits.shape == (400, 10)
        assert folder.result["test"]["raw"]["all"] == pytest.approx((logits.argmax(1) == target).mean())
        assert 0 < folder.result["class_counts"][-1] <= 3
    assert (demo / "recall.png").read_bytes().startswith(b"\x89PNG")


def test_the_demo_s_words_follow_its_numbers(demo, digits):
    folders = [RunFolder.open(path) for path in sorted(demo.iterdir()) if path.is_dir()]
    table = (demo / "table.md").read_text()
    for treatment in digits.TREATMENTS:
        means = {
            loss: np.mean([result["test"][treatment]["all"] for result in digits.results_of(loss, folders)])
            for loss in digits.LOSSES
        }
        best = max(means, key=means.get) == "GALA"
        assert table.count(f"{treatment}: GALA is") == 1
        assert f"{treatment}: GALA is {'' if best else 'not '}the best row" in table
    assert "transductive: fitted on the unlabelled test set" in table


def test_rare_classes_gain_from_the_losses_and_from_re_balancing(demo, digits):
    folders = [RunFolder.open(path) for path in sorted(demo.iterdir()) if path.is_dir()]
    few = {key: scores["few"].mean() for key, scores in digits.scores_by_row(folders).items()}
    plain = few["cross-entropy", "raw"]
    assert few["GALA", "raw"] > plain
    assert few["Balanced Softmax", "raw"] > plain
    assert few["cross-entropy", "inductive"] > plain


def test_the_demo_can_be_repeated_bit_for_bit(demo, digits, tmp_path):
    digits.main(["--seeds", "1", "--out", str(tmp_path / "again"), "--epochs", "30"])
    for name in ("cross-entropy", "gala"):
        first, second = (RunFolder.open(path / f"{name}-seed0").load_weights() for path in (demo, tmp_path / "again"))
        assert all((first["model"][key] == value).all() for key, value in second["model"].items())


def test_a_difference_within_the_noise_is_called_a_tie(digits):
    assert "not the best row" in digits.compare(np.array([-1.0, 0.9, -0.2]), "CE")
    assert digits.compare(np.array([-1.0, 0.9, -0.2]), "CE").endswith("so a tie)")
    assert "tie" not in digits.compare(np.array([-1.0, -0.9, -1.1]), "CE")
    assert digits.compare(np.array([1.0, 0.9, 1.1]), "CE") == "GALA is the best row (1.0 ± 0.1 points against CE)"


def test_the_table_fits_a_narrow_terminal(digits):
    rows = {
        (loss, t): {g: np.array([100.0, 71.0]) for g in digits.GROUPS}
        for loss in digits.LOSSES
        for t in digits.TREATMENTS
    }
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(digits.table_of(rows))
    assert "…" not in console.export_text()


@pytest.mark.parametrize("arguments", [["--seeds", "0"], ["--epochs", "-1"], ["--fit-on", "test"], ["--seeds", "two"]])
def test_the_demo_refuses_what_it_cannot_do(digits, arguments, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        digits.main([*arguments, "--out", str(tmp_path / "new")])
    assert stop.value.code == 2
    assert arguments[0] in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_the_demo_says_where_it_cannot_write(digits, tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as stop:
        digits.main(["--out", str(tmp_path / "file" / "runs")])
    assert stop.value.code == 2
    assert "--out must be a folder that can be made" in capsys.readouterr().err


def test_the_demo_never_overwrites(digits, tmp_path, capsys):
    with pytest.raises(SystemExit):
        digits.main(["--out", str(tmp_path)])
    assert "--out must be a new folder" in capsys.readouterr().err


def test_the_page_of_three_runs_is_written(tmp_path, capsys):
    load("report").main(["--epochs", "2", "--out", str(tmp_path / "runs")])
    page = (tmp_path / "runs/report.html").read_text()
    assert "ce, balanced-softmax, gala on digits, imbalance 50" in page
    assert "figure 1b" in page
    assert f"HTML report: {tmp_path / 'runs/report.html'}" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        load("report").main(["--out", str(tmp_path / "runs")])


def test_parts_on_dask_give_what_one_array_gives(tmp_path, capsys):
    parts = load("parts_on_dask")
    parts.main()
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    parts.make_files(tmp_path)
    new, known = (
        pd.concat([pd.read_parquet(path) for path in sorted(tmp_path.glob(f"{kind}-*"))])
        for kind in ("unlabelled", "labelled")
    )
    exponential = np.exp(new.to_numpy())
    estimate = estimate_prior(exponential / exponential.sum(1, keepdims=True), np.full(3, 1 / 3))
    target = known["label"].map({name: place for place, name in enumerate(parts.CLASSES)}).to_numpy()
    rebalancer = PredictionRebalancer(target_prior=estimate.prior, converge=True)
    offset = rebalancer.fit(known[list(parts.CLASSES)].to_numpy(), target).offset_
    for row, name, share, low, high, own in zip(
        rows, parts.CLASSES, estimate.prior, estimate.low, estimate.high, offset, strict=True
    ):
        assert row == [name, f"{share:.3f}", f"({low:.3f}", "to", f"{high:.3f})", f"{own:+.3f}"]
    assert estimate.low[2] < 0.4 < estimate.high[2]


def test_rare_words_gain_from_gala(real_data, capsys):
    load("rare_words").main([str(real_data / "text/hwu64/train.csv.gz")])
    out = capsys.readouterr().out
    rows = {line[:15].strip(): [float(value) for value in line[15:].split()] for line in out.splitlines()[-4:]}
    assert "2,188 words (2,951 … 2 occurrences), 56,728 training and 6,055 test positions, 2 epochs" in out
    plain, weak, middle, strong = rows.values()
    assert list(rows) == ["cross-entropy", "GALA, λ1 = 0.4", "GALA, λ1 = 0.8", "GALA, λ1 = 1.2"]
    for rare in (3, 5):  # 10–99 occurrences, and the mean over words
        assert plain[rare] < weak[rare] < middle[rare]
    assert plain[4] < strong[4]  # 2–9 occurrences


def test_texts_of_several_files_become_positions(tmp_path):
    words = load("rare_words")
    (tmp_path / "a.txt").write_text("The cat sat, didn't it?\nthe cat\n")
    (tmp_path / "b.csv").write_text('label,text\n1,"The end, the cat"\n')
    texts = [words.words_of(text) for name in ("a.txt", "b.csv") for text in words.texts_of(tmp_path / name)]
    assert texts == [["the", "cat", "sat", "didn't", "it"], ["the", "cat"], ["the", "end", "the", "cat"]]
    vocabulary = words.vocabulary_of(texts)
    assert vocabulary == {"the": 1, "cat": 2}
    positions = words.positions_of(texts[2:], vocabulary)
    assert positions.target.tolist() == [0, 0, 1]
    assert positions.context.tolist() == [[0, 0, 0, 0, 1, 2], [0, 1, 0, 2, 0, 0], [1, 0, 1, 0, 0, 0]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("few.txt", "one two three\n", "FILE must hold at least 100 words that occur twice. Got 0"),
        ("other.csv", "a,b\n1,2\n", "a CSV file must have a column `text`. Got a, b"),
        ("absent.txt", None, "FILE must be readable"),
    ],
)
def test_the_words_refuse_what_they_cannot_read(tmp_path, capsys, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(SystemExit) as stop:
        load("rare_words").main([str(tmp_path / name)])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
