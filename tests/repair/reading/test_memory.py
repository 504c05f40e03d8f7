"""Files larger than the memory are refused before they are read."""

import zipfile

import numpy as np
import pytest

from longtail.repair import read_predictions
from longtail.repair.reading.memory import free_memory, memory_needed


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
