"""Files larger than the memory are refused before they are read."""

import gzip
import json
import re
import zipfile

import numpy as np
import pandas as pd
import pytest

from longtail.data import text_file
from longtail.free_memory import free_memory
from longtail.repair import Fix, read_predictions
from longtail.repair.reading.memory import memory_needed
from longtail.repair.reading.temporary_array import temporary_array


@pytest.mark.parametrize("name", ["p.csv", "p.pt", "p.parquet", "p.jsonl"])
def test_a_file_that_is_too_large_is_refused_with_the_figures(tmp_path, name):
    with (tmp_path / name).open("wb") as file:
        file.truncate(max(20 * 2**30, free_memory()))  # sparse: it takes no room
    with pytest.raises(ValueError, match=r"GiB take about [\d,.]+ GiB of memory, and [\d,.]+ GiB are available. Save"):
        read_predictions(tmp_path / name)


def test_of_an_npz_file_the_arrays_count(tmp_path):
    np.savez_compressed(tmp_path / "p.npz", logits=np.zeros((1000, 1000)), target=np.zeros(1000, dtype=int))
    assert (tmp_path / "p.npz").stat().st_size < 100_000
    assert memory_needed(tmp_path / "p.npz") > 16_000_000
    (tmp_path / "broken.npz").write_bytes(b"PK")
    assert memory_needed(tmp_path / "broken.npz") == 0
    with zipfile.ZipFile(tmp_path / "p.npz") as archive:
        assert len(archive.namelist()) == 2


def test_an_npy_file_of_any_size_is_mapped(tmp_path):
    number = 2 * free_memory() // 4000
    scores = np.lib.format.open_memmap(tmp_path / "z.npy", mode="w+", dtype=np.float32, shape=(number, 1000))
    scores[0] = np.arange(1000)
    del scores
    with pytest.raises(ValueError, match=f"Got {number:,} rows of scores and 2 labels"):
        read_predictions(tmp_path / "z.npy", labels=[0, 1])


def test_half_precision_is_widened_in_a_file(tmp_path):
    logits = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float16)
    np.save(tmp_path / "z.npy", logits)
    found = read_predictions(tmp_path / "z.npy", labels=np.arange(50) % 4)
    assert isinstance(found.logits, np.memmap)
    assert found.logits.dtype == np.float32
    np.testing.assert_array_equal(found.logits, logits)


@pytest.mark.parametrize("option", ["labels", "counts", "class_names"])
@pytest.mark.parametrize("name", ["x.csv", "x.txt", "x.json", "x.jsonl"])
def test_files_of_labels_counts_and_names_must_fit_too(tmp_path, monkeypatch, name, option):
    monkeypatch.setattr(text_file, "free_memory", lambda: 80_000)
    (tmp_path / name).write_bytes(b"1\n" * 6_000)
    scores = (np.eye(3), [0, 1, 2]) if option != "labels" else np.eye(3)
    with pytest.raises(ValueError, match=f"{re.escape(name)}.* must fit into memory .*It does not"):
        read_predictions(scores, **{option: tmp_path / name})


def test_a_fix_that_does_not_fit_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "fix.json").open("wb") as file:
        file.truncate(max(20 * 2**30, free_memory()))
    with pytest.raises(ValueError, match="`path` must fit into memory"):
        Fix.load(tmp_path / "fix.json")


def zipped(path, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("p.csv", content)


@pytest.mark.parametrize("write", [lambda path, text: path.write_bytes(gzip.compress(text)), zipped])
@pytest.mark.slow
def test_a_small_packed_file_of_much_text_is_refused_while_it_is_unpacked(tmp_path, monkeypatch, write):
    path = tmp_path / "p.csv.gz"
    write(path, b"\n" * (1 << 26))
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(text_file, "free_memory", lambda: 1 << 26)
    with pytest.raises(ValueError, match="p.csv.gz must fit into memory .unpacked"):
        read_predictions(path)


def test_of_a_parquet_file_the_cells_count(tmp_path):
    pd.DataFrame(np.zeros((100_000, 10))).rename(columns=str).to_parquet(tmp_path / "p.parquet")
    assert (tmp_path / "p.parquet").stat().st_size < 100_000
    assert memory_needed(tmp_path / "p.parquet") == 3 * 8 * 1_000_000
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    assert memory_needed(tmp_path / "broken.parquet") == 12


def test_a_temporary_file_that_the_disk_can_not_hold_is_an_error_and_no_crash(monkeypatch):
    with pytest.raises(OSError, match="GiB are needed for a while"):
        temporary_array((2**40, 2**10), np.float64)


def test_deep_or_repeating_json_is_told(tmp_path):
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "twice.json").write_text('{"cat": 900, "lynx": 10, "cat": 5}')
    (tmp_path / "cost.json").write_text(json.dumps([[0, 1], ["a", 0]]))
    scores = (np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 1.5]]), [0, 1, 1])
    for option in ("counts", "class_names"):
        with pytest.raises(ValueError, match="deep.json could not be read"):
            read_predictions(scores, **{option: tmp_path / "deep.json"})
    with pytest.raises(ValueError, match="twice.json could not be read: it has 'cat' twice"):
        read_predictions(scores, class_names=["cat", "lynx"], counts=tmp_path / "twice.json")
    with pytest.raises(ValueError, match="`cost` must be a CSV"):
        Fix.from_predictions(scores, metric="cost", cost=tmp_path / "cost.json")
