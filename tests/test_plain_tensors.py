import zipfile

import pytest
import torch
from torch import nn

from longtail.plain_tensors import NotPlainError, load_plain


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_and_plain_values_are_loaded(tmp_path, zipped):
    content = {"weight": torch.arange(3), "names": ["a", "b"], "epoch": 2}
    torch.save(content, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    found = load_plain(tmp_path / "a.pt")
    assert torch.equal(found.pop("weight"), content.pop("weight"))
    assert found == content


def scripted(path):
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "write",
    [
        lambda path: torch.save(nn.Linear(2, 2), path),
        lambda path: torch.save(nn.Linear(2, 2), path, _use_new_zipfile_serialization=False),
        scripted,
        lambda path: path.write_bytes(b"noise"),
        lambda path: path.write_bytes(b""),
    ],
)
def test_nothing_recommends_to_load_without_safety(tmp_path, write, recwarn):
    write(tmp_path / "a.pt")
    recwarn.clear()
    with pytest.raises(ValueError, match="it ") as caught:
        load_plain(tmp_path / "a.pt")
    assert "weights_only" not in str(caught.value)
    assert not [warning for warning in recwarn if "weights_only" in str(warning.message)]


def test_a_network_is_told_from_a_damaged_file(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "a.pt")
    with pytest.raises(NotPlainError, match="objects other than tensors, which are never loaded"):
        load_plain(tmp_path / "a.pt")


def test_checksums_are_compared_and_nothing_is_expanded(tmp_path):
    torch.save({"weight": torch.zeros(50_000)}, tmp_path / "a.pt")
    content = bytearray((tmp_path / "a.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "b.pt").write_bytes(content)
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as old,
        zipfile.ZipFile(tmp_path / "c.pt", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    for name in ("b.pt", "c.pt"):
        with pytest.raises(ValueError, match="it is damaged, or no file of tensors"):
            load_plain(tmp_path / name)
