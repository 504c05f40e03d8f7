import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from longtail.array_headers import ArrayFile, NotArraysError, npy_header, npz_headers

PLAIN = {"descr": "<f4", "fortran_order": False, "shape": (3,)}


def of_header(header, content=bytes(12)):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, PLAIN | header)
    return file.getvalue() + content


def npz(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def test_arrays_are_read_when_they_are_asked_for(tmp_path):
    table, names = np.arange(6.0).reshape(2, 3), np.array(["a", "b"])
    np.savez_compressed(tmp_path / "a.npz", table=table, names=names)
    found = ArrayFile(tmp_path / "a.npz")
    assert found.shapes == {"table": (2, 3), "names": (2,)}
    np.testing.assert_array_equal(found["table"], table)
    np.testing.assert_array_equal(found["names"], names)
    assert found["table"] is found["table"]
    assert (list(found), len(found), "other" in found) == (["table", "names"], 2, False)
    with pytest.raises(KeyError):
        found["other"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (of_header({"shape": (10**9, 10**9)}), r"shape \(1000000000, 1000000000\) and float32 does not fit into its"),
        (of_header({"shape": (2**62, 2**62)}), "does not fit into its"),
        (of_header({"shape": (-3,)}), r"shape \(-3,\) and float32 does not fit"),
        (of_header({"shape": (4,)}), "does not fit into its"),
        (of_header({"descr": "|O"}), "pickled objects"),
        (b"\x93NUMPY\x01\x00", "damaged header"),
        (b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10_000, "damaged header"),
        (b"", "damaged header"),
        (bytes(100), "damaged header"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_before_anything_is_read(tmp_path, content, message):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        npy_header(tmp_path / "a.npy")
    with pytest.raises(ValueError, match=message):
        npz_headers(npz(tmp_path / "a.npz", table=content))


@pytest.mark.slow
def test_a_bomb_is_known_by_its_header(tmp_path):
    path = npz(tmp_path / "a.npz", table=of_header({"shape": (20_000_000,)}, bytes(80_000_000)))
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    assert ArrayFile(path).shapes == {"table": (20_000_000,)}
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_what_is_no_zip_file_or_has_another_checksum_is_refused(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"noise")
    with pytest.raises(NotArraysError, match="not a zip file"):
        npz_headers(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", table=np.zeros(50_000))
    content = bytearray((tmp_path / "b.npz").read_bytes())
    content[200_000] ^= 1
    (tmp_path / "b.npz").write_bytes(content)
    with pytest.raises(ValueError, match="its array 'table' can't be read: Bad CRC-32"):
        ArrayFile(tmp_path / "b.npz")["table"]
