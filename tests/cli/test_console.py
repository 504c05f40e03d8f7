import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.table import Table

import longtail.cli
from longtail.cli import main
from longtail.cli.console import PlainConsole
from longtail.cli.passes import Passes

NAME = "a\x1b[31mb\u202e"
SHOWN = r"a\x1b[31mb\u202e"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f]")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three classes of colours, one of which has a name that would colour the terminal."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for label, name in enumerate([NAME, "cat", "dog"]):
        (folder / name).mkdir()
        for number in range(12):
            pixels = rng.integers(0, 80, (16, 16, 3))
            pixels[..., label] += 150
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "scratch", "--data", str(photos), "--out", str(out), "--epochs", "1", "--threads", "1"]) == 0
    return out


@pytest.mark.slow
def test_commands_do_not_write_the_characters_of_a_class_name(run, photos, tmp_path, capfd):
    shutil.copytree(photos, tmp_path / "damaged")
    (tmp_path / "damaged" / NAME / "0.png").write_bytes(b"no image")
    commands = {
        "doctor": ["doctor", str(tmp_path / "damaged")],
        "doctor --json": ["doctor", str(tmp_path / "damaged"), "--json"],
        "train": ["train", str(photos), "--out", str(run)],
        "predict": ["predict", str(run), str(photos), "--top", "3"],
        "evaluate": ["evaluate", str(run)],
        "evaluate --data": ["evaluate", str(run), "--data", str(photos)],
        "report": ["report", str(run), "--out", str(tmp_path / "report.html")],
        "retrain": ["retrain", str(run), "--method", "tau-norm", "--data", str(photos), "--out", str(tmp_path / "two")],
        "an error": ["fix", str(photos / NAME / "0.png"), "--out", str(tmp_path / "fix.json")],
        "compare": ["compare", "digits-lt", "--methods", NAME],
    }
    shown = {}
    for name, command in commands.items():
        main(command)
        captured = capfd.readouterr()
        shown[name] = captured.out + captured.err
    assert {name: UNSAFE.findall(text) for name, text in shown.items() if UNSAFE.search(text)} == {}
    assert SHOWN in shown["doctor"]
    assert SHOWN in shown["predict"]
    assert SHOWN in shown["an error"]
    assert r"a\u001b[31mb\u202e" in shown["doctor --json"]


@pytest.mark.parametrize("options", [[], ["--quiet"], ["--json"]], ids=" ".join)
@pytest.mark.slow
def test_fix_does_not_write_them_either(tmp_path, capfd, options):
    target = np.arange(300) % 3
    logits = np.random.default_rng(0).normal(size=(300, 3)) + 2 * np.eye(3)[target] + [3.0, 1.0, 0.0]
    np.savez(tmp_path / "p.npz", logits=logits, target=target, class_names=np.array([NAME, "cat", "dog"]))
    assert main(["fix", str(tmp_path / "p.npz"), "--out", str(tmp_path / "fix.json"), *options]) == 0
    captured = capfd.readouterr()
    assert not UNSAFE.search(captured.out + captured.err)
    for language in ("python", "numpy", "sql", "javascript", "sklearn"):
        main(["export", str(tmp_path / "fix.json"), "--to", language])  # SQL has no escapes: the name is refused
        exported = capfd.readouterr()
        assert not UNSAFE.search(exported.out + exported.err)
    assert "\x1b" not in (tmp_path / "fix.html").read_text()
    assert "\u202e" not in (tmp_path / "fix.html").read_text()
    if options == ["--json"]:
        assert json.loads(captured.out)["class_names"][0] == NAME
    else:
        assert SHOWN in captured.out


def test_a_console_escapes_strings_and_cells(capsys):
    console = PlainConsole()
    console.print(f"[b]{NAME}[/b] :smile:")
    table = Table("class", NAME)
    table.add_row(NAME, "1")
    console.print(table)
    out = capsys.readouterr().out
    assert out.startswith(f"[b]{SHOWN}[/b] :smile:\n")
    assert out.count(SHOWN) == 3


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_escapes_its_steps(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    file = io.StringIO()
    console = PlainConsole(file=file, force_terminal=terminal, width=80)
    with Passes(console) as passes:
        passes("step \u202e", 0.5)
        passes._bar.refresh()
    assert r"step \u202e" in file.getvalue()
    assert "\u202e" not in file.getvalue()


def test_commands_print_through_one_function():
    """The package's own module speaks where rich, and with it the console, is missing."""
    folder = Path(longtail.cli.__file__).parent
    printing = {path.name for path in folder.glob("*.py") if re.search(r"(?<![\w.])print\(", path.read_text())}
    assert printing == {"__init__.py", "console.py"}
