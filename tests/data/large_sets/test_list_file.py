import hashlib

import numpy as np
import pytest

from longtail.data.large_sets.list_file import counts_hash, read_list_file


def test_paths_and_labels_in_their_order_and_the_checksum_of_unix_lines(tmp_path):
    text = "train/n02/b.JPEG 7\ntrain/n01/a.JPEG 0\n"
    for name, content in (("unix.txt", text), ("dos.txt", text.replace("\n", "\r\n")), ("open.txt", text[:-1])):
        (tmp_path / name).write_bytes(content.encode())
        listed = read_list_file(tmp_path / name)
        assert listed.files == ["train/n02/b.JPEG", "train/n01/a.JPEG"]
        assert listed.labels.tolist() == [7, 0]
        assert listed.labels.dtype == np.int64
        assert (listed.checksum == hashlib.sha256(text.encode()).hexdigest()) == (name != "open.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a/1.jpg 0\na/2.jpg\na/3.jpg 1\n", "Line 2 is 'a/2.jpg'"),
        ("a/1.jpg 0\na/2.jpg one\n", "Line 2 is 'a/2.jpg one'"),
        ("a/1.jpg 0\na/2.jpg -1\n", "Line 2 is 'a/2.jpg -1'"),
        ("a/1.jpg 0 a/2.jpg 1\n", "Line 1 is 'a/1.jpg 0 a/2.jpg 1'"),
        ("my photo.jpg 0\n", "Line 1 is 'my photo.jpg 0'"),
        ("a/1.jpg 0\n\na/2.jpg 0\n", "Line 2 is ''"),
        ("", "Line 1 is ''"),
        (b"\xff\xfe a 0\n", "Line 1 is"),
    ],
)
def test_a_line_of_another_form_is_named(tmp_path, content, message):
    path = tmp_path / "list.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"must hold `relative/path.jpg label` on each line") as error:
        read_list_file(path)
    assert message in str(error.value)


def test_the_hash_of_counts_knows_their_order():
    assert counts_hash(np.array([3, 2, 2])) == hashlib.sha256(b"3,2,2").hexdigest()[:16]
    assert counts_hash(np.array([3, 2, 2])) != counts_hash(np.array([2, 3, 2]))
