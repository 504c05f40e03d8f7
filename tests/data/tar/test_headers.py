"""Names and places of the files in a tar file."""

import io
import os
import tarfile

import pytest

from data.tars import header, pack, samples
from longtail.data.tar.headers import read_headers

MEMBERS = {"a/1.jpg": b"one", "a/" + "long" * 60 + "é.jpg": b"", "./b/2.jpg": b"three" * 400}


def cut(path, size):
    with path.open("r+b") as file:
        file.truncate(size)
    return path


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_lie_where_the_headers_say(tmp_path, form):
    headers = read_headers(pack(tmp_path / "t.tar", MEMBERS, format=form), "t.tar")
    assert headers.names == [name.removeprefix("./") for name in MEMBERS]
    assert [headers.part(row).read() for row in range(3)] == list(MEMBERS.values())
    assert (headers.file.name, headers.hidden, headers.others) == ("t.tar", [], [])


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_headers_are_those_of_the_standard_library(tmp_path, form):
    path = tmp_path / "t.tar"
    with tarfile.open(path, "w", format=form) as tar:
        for name in (
            "a.jpg",
            "folder",
            "folder/" * 12 + "prefix" * 10 + ".jpg",
            "umlaut ä.jpg",
            "x" * 100,
            "n\udce4.jpg",
        ):
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if name == "folder" else tarfile.REGTYPE
            member.size = 0 if member.isdir() else 700
            member.mtime, member.uid, member.uname = (-1, 2**30, "ö") if form == tarfile.GNU_FORMAT else (1, 5, "me")
            tar.addfile(member, io.BytesIO(b"x" * 700))
    headers = read_headers(path, "t.tar")
    with tarfile.open(path) as tar:
        files = [member for member in tar.getmembers() if member.isreg()]
    found = zip(headers.names, headers.offsets.tolist(), headers.sizes.tolist(), strict=True)
    assert list(found) == [(member.name, member.offset_data, member.size) for member in files]


def test_what_is_no_file_of_the_user_is_left_out(tmp_path):
    path = pack(tmp_path / "t.tar", {"._1.jpg": b"x", "__MACOSX/1.jpg": b"x", "a/.hidden/1.jpg": b"x", "1.jpg": b"one"})
    with tarfile.open(path, "a") as tar:
        for name, kind in (("a", tarfile.DIRTYPE), ("2.jpg", tarfile.SYMTYPE), ("3.jpg", tarfile.LNKTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "1.jpg"
            tar.addfile(member)
    headers = read_headers(path, "t.tar")
    assert headers.names == ["1.jpg"]
    assert headers.hidden == ["._1.jpg", "__MACOSX/1.jpg", "a/.hidden/1.jpg"]
    assert headers.others == ["2.jpg", "3.jpg"]


@pytest.mark.parametrize(("suffix", "mode", "command"), [(".tar.gz", "gz", "gunzip"), (".TBZ2", "bz2", "bunzip2")])
def test_a_compressed_file_is_refused_with_the_command_that_unpacks_it(tmp_path, suffix, mode, command):
    path = pack(tmp_path / f"train{suffix}", samples([0, 1]), mode=f"w:{mode}")
    with pytest.raises(ValueError, match=f"must be a tar file that is not compressed.* Type: {command} {path}"):
        read_headers(path, path.name)
    plain = path.rename(tmp_path / "train.tar")
    packed = {"gz": ".gz", "bz2": ".bz2"}[mode]
    with pytest.raises(ValueError, match=f"Type: mv {plain} {plain}{packed} && {command} {plain}{packed}"):
        read_headers(plain, plain.name)


def test_a_file_that_is_cut_off_is_refused_wherever(tmp_path):
    path = pack(tmp_path / "whole.tar", MEMBERS, format=tarfile.GNU_FORMAT)
    whole, end = path.read_bytes(), int(read_headers(path, "whole.tar").offsets[-1]) + 2048
    for size in [*range(0, end, 100), *range(512, end + 1, 512), end + 100]:
        (tmp_path / "t.tar").write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"t.tar must be a whole tar file\. It ") as error:
            read_headers(tmp_path / "t.tar", "t.tar")
        assert f"{size:,}" in str(error.value) or "at byte" in str(error.value)
    for size in range(end + 512, len(whole) + 1, 512):
        (tmp_path / "t.tar").write_bytes(whole[:size])
        assert len(read_headers(tmp_path / "t.tar", "t.tar").names) == 3


def test_a_file_without_an_end_can_be_mended_as_the_message_says(tmp_path):
    path = pack(tmp_path / "t.tar", {"1.jpg": b"one"})
    with pytest.raises(ValueError, match="It ends at byte 1,024, after '1.jpg', without the empty blocks") as error:
        read_headers(cut(path, 1024), "t.tar")
    assert os.system(str(error.value).partition("add them: ")[2]) == 0
    assert read_headers(path, "t.tar").names == ["1.jpg"]


@pytest.mark.parametrize("content", [b"no tar file", b"x" * 2000, b""])
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "t.tar").write_bytes(content)
    with pytest.raises(ValueError, match=f"t.tar must be a whole tar file.*; it has {len(content):,} bytes"):
        read_headers(tmp_path / "t.tar", "t.tar")


def test_a_damaged_header_in_the_middle_is_no_end(tmp_path):
    path = pack(tmp_path / "t.tar", {"1.jpg": b"one", "2.jpg": b"two"})
    content = bytearray(path.read_bytes())
    content[1024 + 10] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged: there is no header at byte 1,024, after '1.jpg'"):
        read_headers(path, "t.tar")


def test_files_that_are_joined_by_cat_are_refused(tmp_path):
    parts = [pack(tmp_path / f"{number}.tar", {f"{number}.jpg": b"x"}).read_bytes() for number in range(2)]
    (tmp_path / "t.tar").write_bytes(b"".join(parts))
    with pytest.raises(ValueError, match=r"More follows its end at byte 1,024, .*tar -x --ignore-zeros"):
        read_headers(tmp_path / "t.tar", "t.tar")


def test_a_file_that_is_there_twice_is_refused(tmp_path):
    path = pack(tmp_path / "t.tar", [("1.jpg", b"x"), ("2.jpg", b"x"), ("./1.jpg", b"y")])
    with pytest.raises(ValueError, match="t.tar must hold each file once. It holds '1.jpg' twice"):
        read_headers(path, "t.tar")


def test_a_header_of_a_negative_size_ends_nothing(tmp_path):
    path = tmp_path / "t.tar"
    path.write_bytes(header("1.jpg", -1) + bytes(1024))
    with pytest.raises(ValueError, match="the size of '1.jpg' is negative"):
        read_headers(path, "t.tar")


def test_a_sparse_file_whose_blocks_have_a_negative_size_is_not_read_for_ever(tmp_path):
    path = tmp_path / "t.tar"
    of_sparse_file = ((386, b"0" * 11 + b"\0"), (398, b"0" * 11 + b"\0"), (483, b"00000004000\0"))
    path.write_bytes(header("1.jpg") + header("2.jpg", -512, tarfile.GNUTYPE_SPARSE, of_sparse_file) + bytes(1024))
    with pytest.raises(ValueError, match="the size of '2.jpg' is negative"):
        read_headers(path, "t.tar")


def test_a_sparse_file_that_is_cut_off_is_named(tmp_path):
    path = tmp_path / "t.tar"
    goes_on = ((386, b"0" * 48), (482, b"\1"), (483, b"0" * 12))
    path.write_bytes(header("1.jpg") + header("2.jpg", 0, tarfile.GNUTYPE_SPARSE, goes_on))
    with pytest.raises(ValueError, match="damaged: .*in or after '1.jpg'"):
        read_headers(path, "t.tar")


@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g", b"X"])
def test_what_is_said_about_a_file_is_not_larger_than_memory(tmp_path, kind):
    path = tmp_path / "t.tar"
    path.write_bytes(header("1.jpg") + header("long", 1 << 40, kind))
    os.truncate(path, 1 << 40)  # a sparse file, which takes no room
    with pytest.raises(ValueError, match="a header is followed by 1,099,511,627,776 bytes about the next file, in or"):
        read_headers(path, "t.tar")


def test_headers_about_headers_are_refused(tmp_path):
    path = tmp_path / "t.tar"
    path.write_bytes(header("about", 0, b"x") * 2000 + header("1.jpg") + bytes(1024))
    with pytest.raises(ValueError, match="damaged: maximum recursion depth exceeded"):
        read_headers(path, "t.tar")
