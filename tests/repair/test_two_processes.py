"""`longtail fix` under torchrun: two processes, each of which reads its share of three files, give the same fix."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from longtail.repair import Fix
from repair.two_processes import CASES, make, run

pytestmark = pytest.mark.slow

RIGHT = [case for case, (files, options, _) in CASES.items() if files.split("/")[0] != "broken"][:9]
WRONG = {
    "other columns": "broken/columns/2.parquet must have the same columns as broken/columns/0.parquet. "
    "They differ in bee, wasp",
    "empty cell": "broken/cell/2.parquet, row 7, column cod: the cell is empty",
    "unknown label": "broken/label/2.parquet, row 9: the label 'eel' is not one of the 5 classes",
    "own class masked": "broken/masked/2.parquet, row 4, class",
    "damaged file": "broken/damaged/2.parquet must be a Parquet file",
    "no logits": "text/0.csv and 2 more must hold logits, but its rows sum to 1",
    "other classes": "broken/classes/2.npz must hold the classes 'ant0', 'bee0', 'cod0', 'doe0', 'elk0', in any order",
    "too few labels": "`labels` must hold one label per row, 400 in all files. Got 300",
    "one file": "`path` must name at least one file for each process. Got 1 for 2 processes: start 1",
    "file that exists": "--out must not exist yet. Got labels.txt",
}


def torchrun(*arguments, folder=None):
    """The finished launcher of two processes."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [*launch, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, cwd=folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    make(folder)
    done = torchrun(Path(__file__).with_name("two_processes.py"), folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def ranks(folder):
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(2)]


def assert_same(found, expected, where=""):
    """Equal text, numbers to 1e-9."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for name, value in expected.items():
            assert_same(found[name], value, f"{where}/{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for place, (own, value) in enumerate(zip(found, expected, strict=True)):
            assert_same(own, value, f"{where}[{place}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9), where
    else:
        assert found == expected, where


def test_all_cases_are_looked_at():
    assert {*RIGHT, *WRONG} == set(CASES)


@pytest.mark.parametrize("case", RIGHT)
def test_two_processes_give_the_fix_of_one(folder, ranks, case, monkeypatch):
    monkeypatch.chdir(folder)
    expected = run(case, folder / f"one-{case}.json")
    assert expected["code"] == 0, expected["errors"]
    first, second = (rank[case] for rank in ranks)
    assert first["code"] == 0, first["errors"]
    one, two = json.loads(expected["printed"]), json.loads(first["printed"])
    one.pop("files"), two.pop("files")
    assert_same(two, one)
    one, two = (json.loads((folder / f"{name}-{case}.json").read_text()) for name in ("one", "two"))
    assert_same(two, one)
    assert one["evidence"]["fitted_on"] == two["evidence"]["fitted_on"]  # of all scores, in any order
    assert first["errors"] == expected["errors"]  # notes, in the order of the files
    assert (second["code"], second["printed"], second["errors"]) == (0, "", "")


def test_the_cases_change_decisions(folder, ranks):
    verdicts = {case: json.loads(ranks[0][case]["printed"])["verdict"] for case in RIGHT}
    assert verdicts["tables"] == "use"
    assert list(verdicts.values()).count("use") >= 5


def test_parts_give_the_fix_of_one_file(folder, ranks, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setitem(CASES, "tables", ("one.parquet", CASES["tables"][1], {}))
    assert run("tables", folder / "one.json")["code"] == 0
    one, two = Fix.load(folder / "one.json"), Fix.load(folder / "two-tables.json")
    assert one.class_names == two.class_names
    np.testing.assert_allclose(two.offset, one.offset, atol=1e-9)
    assert two.temperature == pytest.approx(one.temperature, rel=1e-9)
    assert_same({**two.evidence, "notes": []}, {**one.evidence, "notes": []})  # notes name the files


@pytest.mark.parametrize("case", WRONG)
def test_an_error_in_one_process_ends_both_with_its_message(folder, ranks, case):
    first, second = (rank[case] for rank in ranks)
    assert first["errors"].startswith(f"longtail: {WRONG[case]}")
    assert first["errors"].count("\n") == 1
    assert second["errors"] == first["errors"]
    assert (first["code"], second["code"]) == (2, 2)
    assert (first["printed"], second["printed"]) == ("", "")
    assert max(first["seconds"], second["seconds"]) < 60
    assert not (folder / f"two-{case}.json").exists()


@pytest.mark.parametrize("case", ["empty cell", "no logits"])  # an error in one process, and in both
def test_the_command_prints_an_error_once(folder, case):
    done = torchrun("-m", "longtail", "fix", CASES[case][0], "--out", "new.json", folder=folder)
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line.startswith("longtail: ")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith(f"longtail: {WRONG[case]}")
    assert not (folder / "new.json").exists()


def test_values_of_all_processes_are_in_order_and_errors_are_shared(ranks):
    expected = {
        "gathered": [0, 1],
        "concatenated": [0, 1, 2, 1, 2],
        "steps": "RuntimeError: The processes are at different steps: step of 0, step of 1. Use machines of one type.",
        "error": "ZeroDivisionError: integer division or modulo by zero",
        "unpicklable": "RuntimeError: UnpicklableError: broken",
    }
    assert [rank["exchanges"] for rank in ranks] == [expected, expected]


def test_a_process_that_is_killed_ends_the_other(folder):
    start = time.perf_counter()
    done = torchrun(Path(__file__).with_name("two_processes.py"), folder, "killed")
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line.startswith("longtail: ")]
    assert len(lines) == 1, done.stderr
    killed = "rank 1 of 2" in lines[0] and "was killed" in lines[0]
    assert killed or lines[0] == "longtail: Interrupted."  # by torchrun, which may be faster
    assert not killed or lines[0].endswith("ran out. Start the same command again.")  # longtail fix has no --resume
    assert time.perf_counter() - start < 120
    assert not (folder / "killed.json").exists()
