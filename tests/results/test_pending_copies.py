"""Runs are computed from a copy of a commit."""

import subprocess

import pytest

from pending.copies import copy_of, head_of
from pending.place import Place


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    return folder


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)


def commit(folder, text):
    (folder / "code.py").write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "a")
    return head_of(folder)


def test_a_copy_is_the_commit_whatever_is_edited_later(repository, tmp_path):
    old, new = commit(repository, "old"), commit(repository, "new")
    (repository / "code.py").write_text("edited")
    assert [(copy_of(sha, repository, tmp_path / "copies") / "code.py").read_text() for sha in (old, new)] == [
        "old",
        "new",
    ]
    assert {path.name for path in (tmp_path / "copies").iterdir()} == {old, new}
    (tmp_path / "copies" / new / "code.py").write_text("kept")
    assert (copy_of(new, repository, tmp_path / "copies") / "code.py").read_text() == "kept"  # not written again


def test_what_is_no_commit_is_refused(repository, tmp_path):
    with pytest.raises(ValueError, match="must be a git checkout, .* pass --here --commit SHA"):
        head_of(repository)  # without a commit yet
    commit(repository, "a")
    with pytest.raises(ValueError, match="must hold the commit 12345"):
        copy_of("12345", repository, tmp_path / "copies")
    assert not (tmp_path / "copies").exists()


def test_what_was_begun_with_survives_a_damaged_file(tmp_path):
    place = Place(None, "abc", tmp_path / "work", tmp_path / "runs", None, "cpu", "a processor")
    place.make_folders()
    place.note_begin("run")
    assert place.begun_with("run") == ("abc", "a processor")
    (tmp_path / "work/runs/run.begun.json").write_text("{")
    assert place.begun_with("run") is None
    assert place.begun_with("another") is None
