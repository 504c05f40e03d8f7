"""What is kept of a run, and whether it is still the run that is asked for."""

import json

import pytest

from longtail.recipes import digits_lt
from longtail.runs import RunFolder
from pending.entries import Entry
from pending.finished import check_same, keep, of_the_same_row, read_finished

ENTRY = Entry("a", "a test", "digits-lt", {"loss": "gala", "loss_arguments": ("lambda_positive=1.5",)})


@pytest.fixture
def run(tmp_path):
    arguments = ("accumulate=sum", "form=released", "lambda_positive=1.5")
    config = digits_lt(loss="gala", loss_arguments=arguments, device="cpu", channels_last="on", compile="off")
    folder = RunFolder.create(tmp_path / "run", config=config, seed=0)
    folder.log(epoch=1, loss=2.0)
    folder.finish({"test": {}})
    return folder


def test_it_is_read_as_it_was_kept_and_holds_what_the_entry_asks_for(run, tmp_path):
    keep(ENTRY, run, tmp_path / "runs/a.json", "abc", {"abc": "1"}, None)
    found = read_finished(tmp_path / "runs")["a"]
    assert found["config"] == run.header["config"]
    assert found["metrics"] == [{"epoch": 1, "loss": 2.0}]
    assert (found["result"], found["commit"], found["fingerprints"]) == ({"test": {}}, "abc", {"abc": "1"})
    check_same(ENTRY, found)
    with pytest.raises(ValueError, match=r"`seed` is 0, not 1\. Give the new run another name"):
        check_same(Entry("a", "", "digits-lt", {"loss": "gala", "seed": 1}), found)
    with pytest.raises(ValueError, match="`loss_arguments` are .*lambda_positive=1.5.*, not .*lambda_positive=1.2"):
        check_same(Entry("a", "", "digits-lt", {"loss_arguments": ("lambda_positive=1.2",)}), found)


def test_a_run_that_diverged_has_a_failure_in_the_place_of_a_result(run, tmp_path):
    keep(ENTRY, run, tmp_path / "a.json", "abc", {}, "became NaN")
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["failure"] == "became NaN"
    assert "result" not in found


def test_a_row_is_all_runs_that_differ_in_seed_and_machine(run):
    config = run.header["config"]
    older = {name: value for name, value in config.items() if name != "validation_per_class"}  # kept before it existed
    finished = {
        "a": {"commit": "1", "config": {**config, "seed": 3, "threads": 8, "device": "cuda"}},
        "b": {"commit": "2", "config": older},
        "c": {"commit": "3", "config": {**config, "epochs": 61}},
    }
    assert of_the_same_row(config, finished) == {"1", "2"}


@pytest.mark.parametrize(("text", "message"), [("{", "is damaged: delete it"), ('{"schema": 9}', "Got 9")])
def test_damaged_files_are_refused(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_finished(tmp_path)
