"""Results from a GPU are taken over whole, and never over others."""

import json

import pytest

from on_gpu.take import take

RUNS = {"a-0": {"result": {"top1": 0.5}}, "b-0": {"result": {"top1": 0.25}}}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "from").mkdir()
    (tmp_path / "from/runs.json").write_text(json.dumps(RUNS))
    return tmp_path / "from"


def test_each_run_becomes_a_file(folder, tmp_path):
    assert take(folder, tmp_path / "runs") == (["a-0", "b-0"], [])
    assert {file.stem: json.loads(file.read_text()) for file in (tmp_path / "runs").iterdir()} == RUNS
    assert take(folder, tmp_path / "runs") == ([], ["a-0", "b-0"])


def test_another_result_is_not_written_over_and_then_nothing_is_written(folder, tmp_path):
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / "b-0.json").write_text('{"result": {"top1": 0.75}}')
    with pytest.raises(ValueError, match=r"b-0.json must not hold another result. It does"):
        take(folder, runs)
    assert [file.name for file in runs.iterdir()] == ["b-0.json"]
    assert "0.75" in (runs / "b-0.json").read_text()


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", ""])
def test_names_stay_inside_the_folder(folder, tmp_path, name):
    (folder / "runs.json").write_text(json.dumps({name: {}}))
    with pytest.raises(ValueError, match="must hold names of letters"):
        take(folder, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_damaged_file_is_named(folder, tmp_path, content):
    (folder / "runs.json").write_text(content)
    with pytest.raises(ValueError, match=r"runs.json must hold runs by name. It is damaged"):
        take(folder, tmp_path / "runs")
