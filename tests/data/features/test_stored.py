"""Tables that stay in their file train, split and evaluate as tables in memory do."""

import io
import mmap
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

from longtail.data import (
    FeatureViews,
    StoredFeatures,
    array_inputs,
    load_splits,
    make_splits,
    read_data,
    samples,
)
from longtail.data.features import mapped_array
from longtail.data.features.rows import RESIDENT, FeatureRows, is_mapped
from longtail.recipes import features

RANDOM = np.random.default_rng(0)
LABELS = np.repeat([3, 1, 2], [60, 30, 10])
TABLE = (RANDOM.normal(size=(100, 6)) * 10 + 5).astype(np.float16)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def nothing_is_small(monkeypatch):
    monkeypatch.setattr(mapped_array, "LOADED", 0)


def npz(path, table=TABLE):
    np.savez(path, train_features=table, train_labels=LABELS, test_features=table[::3], test_labels=LABELS[::3])
    return path


def npy(path, table=TABLE):
    np.save(path, table)
    np.save(path.with_name("labels.npy"), LABELS)
    return path


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("kind", ["npz", "npy", "pair"])
def test_a_large_table_stays_in_its_file_and_reads_as_float32(kind, dtype, tmp_path):
    table = TABLE.astype(dtype)
    if kind == "npz":
        part = read_data(npz(tmp_path / "a.npz", table)).train
    elif kind == "npy":
        part = read_data(npy(tmp_path / "a.npy", table), label=str(tmp_path / "labels.npy")).train
    else:
        part = read_data((np.load(npy(tmp_path / "a.npy", table), mmap_mode="r"), LABELS)).train
    assert isinstance(part.features, FeatureRows)
    assert is_mapped(part.features.table)
    assert part.features.table.dtype == dtype
    np.testing.assert_array_equal(part.features, TABLE.astype(np.float32))
    assert part.features[5:8].dtype == np.float32
    np.testing.assert_array_equal(part.take([7, 2]).take([1]).features, TABLE[[2]].astype(np.float32))
    np.testing.assert_array_equal(list(part.features), TABLE.astype(np.float32))


def test_half_precision_in_memory_is_not_converted():
    part = read_data((TABLE, LABELS)).train
    assert part.features.table is TABLE


@pytest.mark.parametrize(
    "table", [TABLE.astype(">f4"), TABLE.astype(int), np.asfortranarray(TABLE.astype(np.float32)), TABLE > 0]
)
def test_other_tables_are_loaded(table, tmp_path):
    part = read_data(npz(tmp_path / "a.npz", table)).train
    assert isinstance(part.features, np.ndarray)
    np.testing.assert_array_equal(part.features, table.astype(np.float32))


def test_a_compressed_table_is_loaded_in_its_own_precision(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", features=TABLE, labels=LABELS)
    part = read_data(tmp_path / "a.npz").train
    assert not is_mapped(part.features.table)
    np.testing.assert_array_equal(part.features, TABLE.astype(np.float32))


def test_small_tables_are_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped_array, "LOADED", 4 * TABLE.size)
    assert isinstance(read_data(npz(tmp_path / "a.npz")).train.features, np.ndarray)


def test_the_fingerprint_is_that_of_a_table_in_memory(tmp_path, monkeypatch):
    mapped = make_splits(read_data(npz(tmp_path / "a.npz")), validation=0.1)
    monkeypatch.setattr(mapped_array, "LOADED", 1 << 30)
    loaded = make_splits(read_data(tmp_path / "a.npz"), validation=0.1)
    assert mapped.fingerprint == loaded.fingerprint
    assert mapped.validation.content == loaded.validation.content


def test_a_changed_number_in_the_file_is_found(tmp_path):
    content = bytearray(npz(tmp_path / "a.npz").read_bytes())
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        place = archive.getinfo("train_features.npy").header_offset + 600
    content[place] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"a.npz must be a file of arrays. It is damaged: Bad CRC-32"):
        read_data(tmp_path / "a.npz")


def test_a_number_that_is_not_finite_is_named(tmp_path):
    table = TABLE.copy()
    table[70, 4] = np.inf
    with pytest.raises(ValueError, match="must hold finite numbers. Got inf at sample 70, column 4"):
        read_data(npz(tmp_path / "a.npz", table))


def split_pair(tmp_path, monkeypatch):
    """The training split of one file, read row by row and loaded."""
    config = features(size=8, mean=(0.5,) * 3, std=(0.5,) * 3, validation=0.1)
    stored = load_splits(config, npz(tmp_path / "a.npz"), CPU).train
    monkeypatch.setattr(mapped_array, "LOADED", 1 << 30)
    loaded = load_splits(config, tmp_path / "a.npz", CPU).train
    assert isinstance(stored, StoredFeatures)
    assert isinstance(loaded, FeatureViews)
    return stored, loaded


def test_batches_are_those_of_a_table_in_memory(tmp_path, monkeypatch):
    stored, loaded = split_pair(tmp_path, monkeypatch)
    order = torch.randint(len(stored), (50,), generator=torch.Generator().manual_seed(0))
    mean, scale = torch.arange(6.0), torch.arange(1.0, 7.0)
    parts = [slice(0, 7), slice(7, 14), slice(20, 50)]
    of_the_part = order % 50
    for one, other, drawn in (
        (stored, loaded, order),
        (stored.standardised(mean, scale), loaded.standardised(mean, scale), order),
        (stored.take(order), loaded.take(order), of_the_part),
    ):
        given = {"augment": None, "generator": torch.Generator().manual_seed(0), "each_once": False}
        batches = [list(split.batches(drawn, parts, **given)) for split in (one, other)]
        for (inputs, target), (expected, labels) in zip(*batches, strict=True):
            assert inputs.dtype == torch.float32
            assert torch.equal(inputs, expected)
            assert torch.equal(target, labels)
        assert torch.equal(torch.cat([*one.in_order(7)]), torch.cat([*other.in_order(7)]))
        assert len(one) == len(other)
        assert one.num_features == other.num_features == 6
        assert one.augmented(None, torch.Generator()) is one


def test_an_epoch_that_is_left_early_reads_no_more(tmp_path, monkeypatch):
    stored, _ = split_pair(tmp_path, monkeypatch)
    read, whole = [], stored.rows.read
    monkeypatch.setattr(FeatureRows, "read", lambda _, rows: (read.append(len(rows)), whole(rows))[1])
    order = torch.arange(40).repeat(3)
    parts = [slice(start, start + 2) for start in range(0, 120, 2)]
    given = {"augment": None, "generator": torch.Generator(), "each_once": False}
    batches = stored.batches(order, parts, **given)
    next(batches)
    batches.close()
    assert 1 <= len(read) < 10


def test_a_mapped_file_is_given_back_to_the_system(tmp_path, monkeypatch):
    rows = FeatureRows(np.load(npy(tmp_path / "a.npy"), mmap_mode="r"))
    released = []

    class Map:
        def madvise(self, advice):
            released.append(advice)

    monkeypatch.setattr(rows, "_mapped", Map())
    everywhere = np.arange(100)
    for _ in range(RESIDENT // (100 * 16 * mmap.PAGESIZE) + 1):
        rows.read(everywhere)
    assert released == [mmap.MADV_DONTNEED]
    split = StoredFeatures(rows, torch.from_numpy(LABELS))
    given = {"augment": None, "generator": torch.Generator(), "each_once": True}
    assert len([*split.batches(torch.arange(4), [slice(0, 4)], **given)]) == 1
    assert len(released) == 2


@pytest.mark.slow
def test_reading_a_file_takes_no_memory_of_its_size(tmp_path, monkeypatch):
    table, labels = np.zeros((10_000, 1_024), np.float16), np.arange(10_000) % 7  # 20 MB
    np.savez(tmp_path / "a.npz", features=table, labels=labels)
    size = table.nbytes
    del table
    tracemalloc.start()
    monkeypatch.setattr(samples, "ROWS_AT_ONCE", 500)
    monkeypatch.setattr(array_inputs, "ROWS_AT_ONCE", 500)
    parts = make_splits(read_data(tmp_path / "a.npz"))
    assert parts.train.fingerprint
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 2


def test_a_table_that_is_shorter_than_its_header_says_is_refused(tmp_path):
    """A map of it would go on into the next array of the file."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (3, 2)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("table.npy", header.getvalue() + np.zeros(4, np.float32).tobytes())
        archive.writestr("next.npy", bytes(1000))
    with pytest.raises(ValueError, match=r"an array of the shape \(3, 2\) and float32 does not fit into its 144 bytes"):
        mapped_array.array_of_npz(tmp_path / "a.npz", "table")
