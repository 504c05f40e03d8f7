"""What the first process finds in checking the files, as the others get it."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from data.pictures import fill
from longtail.data import check, check_files, read_data
from longtail.training import file_check
from longtail.training.file_check import first_checks_files
from longtail.training.ranks import Ranks

FABRIC = SimpleNamespace(rank_zero_first=nullcontext)


@pytest.fixture
def decoded(monkeypatch):
    """The files that are decoded, and a store that the ranks share."""
    stored: dict[str, str] = {}
    found, reason = [], check._reason
    store = SimpleNamespace(set=stored.__setitem__, get=stored.__getitem__)
    monkeypatch.setattr(file_check, "launcher_store", lambda _: store)
    monkeypatch.setattr(check, "_OF_THE_FIRST", {})
    monkeypatch.setattr(check, "_FOUND", {})
    monkeypatch.setattr(check, "_reason", lambda decode, index: (found.append(index), reason(decode, index))[1])
    return found


@pytest.mark.parametrize("on_bad_file", ["skip", "fail"])
def test_the_first_rank_decodes_for_all(tmp_path, monkeypatch, decoded, on_bad_file):
    parts = read_data(fill(tmp_path, {"ant": 3, "bee": 2}))
    (tmp_path / "ant/1.png").write_bytes(b"no image")
    ends = []
    for rank in range(3):
        try:
            with first_checks_files(FABRIC, Ranks(rank, 3)):
                ends.append(check_files(parts, on_bad_file=on_bad_file).notes)
        except ValueError as error:
            ends.append(str(error))
        monkeypatch.setattr(check, "_FOUND", {})  # each rank is a process of its own
    assert len(decoded) == 5
    assert ends[0] == ends[1] == ends[2]
    assert "ant/1.png" in str(ends[0])


def test_one_process_shares_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(file_check, "launcher_store", None)
    with first_checks_files(None, Ranks()):
        check_files(read_data(fill(tmp_path, {"ant": 1, "bee": 1})))
