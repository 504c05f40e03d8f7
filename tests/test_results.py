"""The tables of results are what their JSON files say."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from longtail.training import run_experiment
from training.tiny import tiny_cifar10, tiny_config

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "results/cifar100_lt.py"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def script():
    return load(SCRIPT)


def test_the_page_of_fix_holds_the_tables_of_its_file():
    results = ROOT / "results"
    script, runs = load(results / "fix.py"), json.loads((results / "fix.json").read_text())
    page = (results / "fix.md").read_text()
    assert script.promises(runs) in page
    assert script.truths(runs) in page


@pytest.mark.parametrize(
    "kept", sorted((ROOT / "results/figures").glob("*/numbers.json")), ids=lambda path: path.parent.name
)
def test_the_page_of_figures_holds_the_numbers_of_its_files(kept):
    page = (ROOT / "results/figures.md").read_text()
    assert load(ROOT / "results/figures.py").table(json.loads(kept.read_text())) in page
    for picture in kept.parent.glob("*.svg"):
        assert f"({picture.relative_to(ROOT / 'results')})" in page


@pytest.mark.parametrize("page", sorted((ROOT / "results").glob("cifar*.json")), ids=lambda page: page.stem)
def test_the_page_holds_the_tables_of_its_file(page, script):
    assert script.tables(json.loads(page.read_text())) in page.with_suffix(".md").read_text()


def test_runs_become_a_table_whatever_they_are(tiny_data, tmp_path):
    paths = [tmp_path / name for name in ("a", "b", "c")]
    with tiny_cifar10():
        for path, settings in zip(paths, ({"seed": 0}, {"seed": 1}, {"seed": 0, "epochs": 1}), strict=True):
            run_experiment(tiny_config(loss="ce", **settings), data=tiny_data, out=path)

    def run(*arguments):
        return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True)

    said = run(*paths, "--json", tmp_path / "runs.json").stdout
    assert run("--json", tmp_path / "runs.json").stdout == said
    rows = [line for line in said.splitlines() if line.startswith("| 4 |")]
    assert len(rows) == 2 * 5 + 2
    assert re.match(
        r"\| 4 \| cross-entropy \(model resnet20-cifar, epochs 3, .*\) \| 0, 1 \| raw \| [\d.]+ ± [\d.]+ \| none \|",
        rows[0],
    )
    assert "epochs 1" in rows[5]
    assert "† transductive" in said
    for arguments, message in (
        ([paths[0], paths[0]], "given before"),
        ([tmp_path], "must be a run folder"),
        ([], "give run"),
    ):
        done = run(*arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr
