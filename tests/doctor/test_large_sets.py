"""The doctor on data sets of three classes that go by the names of the large ones."""

import json
import re

import pytest

from data.large_set_files import write_tiny
from longtail.cli import main
from longtail.data.large_sets import LARGE_SETS
from longtail.doctor import examine_large_set
from longtail.doctor.large_sets import damaged_files


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setitem(LARGE_SETS, "places-lt", write_tiny("places-lt", tmp_path / "places"))
    return tmp_path / "places"


@pytest.mark.slow
def test_a_whole_data_set(places):
    steps = []
    found = examine_large_set("places-lt", places, workers=1, progress=lambda step, share: steps.append((step, share)))
    assert [finding.what for finding in found if "intact" in finding.what] == [
        "42 of 42 files are present and intact",
        "12 of 12 files are present and intact",
        "18 of 18 files are present and intact",
    ]
    assert not any(finding.severity == "serious" for finding in found)
    assert steps[-1] == ("reading images of test", 1.0)


@pytest.mark.slow
def test_missing_truncated_and_damaged_files_are_counted_and_named(places):
    files = sorted((places / "train").rglob("train_*.jpg"))
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-200])
    files[2].write_bytes(b"not a picture")
    found = [finding for finding in examine_large_set("places-lt", places, workers=2) if finding.severity == "serious"]
    assert [finding.what for finding in found] == [
        "1 of 42 files are missing",
        "2 of 42 files are damaged or truncated",
    ]
    assert str(files[0].relative_to(places)) in found[0].where
    assert str(files[1].relative_to(places)) in found[1].where
    assert "truncated" in found[1].where
    assert all("--on-bad-file skip" in finding.advice for finding in found)


@pytest.mark.slow
def test_a_list_of_another_version_is_serious(places):
    path = places / "Places_LT_train.txt"
    path.write_text(path.read_text().split("\n", 1)[1])
    found = examine_large_set("places-lt", places, workers=1)
    assert found[0].severity == "serious"
    assert "Got 41 in 3: another version?" in found[0].what
    assert "not comparable with published ones of Places-LT" in found[0].advice


def test_a_file_that_vanishes_meanwhile_is_missing(places):
    assert damaged_files(places, ["train/arena/0/none.jpg"], 1) == {"train/arena/0/none.jpg": "missing"}


@pytest.mark.slow
def test_the_command(places, capsys):
    assert main(["doctor", "places-lt", "--data", str(places), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "42 of 42 files are present and intact" in [finding["what"] for finding in found]
    for path in sorted((places / "val").rglob("*.jpg"))[:6]:
        path.unlink()
    assert main(["doctor", "places-lt", "--data", str(places)]) == 1
    found = re.search(r"!! (\d) of 18 files are missing \(test: val/arena/.* and (\d) more\)", capsys.readouterr().out)
    assert int(found[1]) - int(found[2]) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["imagenet-lt"],
            "--data must name the folder of imagenet-lt: longtail doctor imagenet-lt --data DIR. Got none",
        ),
        (["photos", "--data", "x"], "--data must be left out except for imagenet-lt, places-lt, inaturalist18. Got x"),
        (["imagenet-lt", "--data", "x", "--path-column", "y"], "--path-column must be left out for imagenet-lt. Got y"),
        (
            ["imagenet-lt", "--data", "nowhere"],
            "`data` must be the folder of ImageNet-LT. Got nowhere, which is no folder.",
        ),
    ],
)
def test_options_that_say_nothing_are_refused(options, message, capsys):
    assert main(["doctor", *options]) == 2
    assert message in capsys.readouterr().err
