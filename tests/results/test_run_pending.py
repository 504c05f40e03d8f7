"""The queue: what it computes, what it does when it is killed, stopped, or given runs that can't be computed."""

import json
import signal
import sys

import pytest

import run_pending
from longtail.plain_json import to_json
from results.queues import epochs_of, group, said, start, wait_until

pytestmark = pytest.mark.slow

TWO = group("digits-{loss}", each='{ loss = ["gala", "ce"] }', loss="{loss}", epochs=30, seed=1)
LONG = group("long", epochs=20_000, loss="ce")


def kept(folder):
    """What is kept of each run, without times."""
    found = {}
    for file in sorted((folder / "runs").glob("*.json")):
        content = json.loads(file.read_text())
        content["result"].pop("training_minutes")
        for line in content["metrics"]:
            line.pop("seconds")
        found[file.stem] = content
    return found


def test_killed_in_its_second_run_and_started_again_it_keeps_what_an_undisturbed_queue_keeps(tmp_path):
    undisturbed = start(tmp_path / "whole", TWO)
    killed = start(tmp_path / "killed", TWO)
    wait_until(lambda: epochs_of(tmp_path / "killed", "digits-ce") >= 3)
    killed.kill()
    said(killed)
    assert set(kept(tmp_path / "killed")) == {"digits-gala"}
    wait_until(lambda: "Stopped" in (tmp_path / "killed/work/logs/digits-ce.log").read_text())  # its worker notices
    words = said(start(tmp_path / "killed", TWO))
    assert "digits-ce resumes" in words
    assert "2 of 2 runs are done" in words
    assert "2 of 2 runs are done" in said(undisturbed)
    assert len(kept(tmp_path / "whole")) == 2
    assert to_json(kept(tmp_path / "killed")) == to_json(kept(tmp_path / "whole"))


def test_a_finished_run_says_what_it_was_computed_with(tmp_path):
    queue = start(tmp_path, group("ce-{seed}", each="{ seed = [0, 1] }", loss="ce", seed="{seed}", epochs=2))
    assert said(queue).count("ended after") == 2
    assert queue.returncode == 0
    first, second = (json.loads((tmp_path / f"runs/ce-{seed}.json").read_text()) for seed in (0, 1))
    assert first["commit"] == "abc"
    assert first["recipe"] == "digits-lt"
    assert first["versions"]["processor"]
    assert len(first["metrics"]) == 2
    assert first["fingerprints"] == second["fingerprints"]  # of one row: seed 0 of both
    assert len(first["fingerprints"]["abc"]) == 16


def test_runs_that_cannot_be_computed_are_said_and_the_queue_goes_on(tmp_path):
    queue = start(
        tmp_path,
        group("diverges", loss="ce", epochs=3, learning_rate=1e30),
        group("no-data", recipe="cifar100-lt"),
        LONG,
        group("good", loss="ce", epochs=2),
        options=("--data", tmp_path / "nothing", "--minutes", 2),
    )
    words = said(queue)
    assert queue.returncode == 1
    assert "became NaN or infinite" in json.loads((tmp_path / "runs/diverges.json").read_text())["failure"]
    assert "no-data failed: `folder` must hold cifar-100-binary.tar.gz or the folder cifar-100-binary" in words
    assert "Pass download=True (--download), or fetch" in words
    assert "minutes: long" in words  # needs more than there are
    assert not (tmp_path / "work/runs/long").exists()
    assert "result" in json.loads((tmp_path / "runs/good.json").read_text())
    assert "2 of 4 runs are done" in words


def test_ctrl_c_and_the_end_of_the_time_stop_a_run_that_the_next_queue_resumes(tmp_path):
    queue = start(tmp_path, LONG)
    wait_until(lambda: epochs_of(tmp_path, "long") >= 2)
    queue.send_signal(signal.SIGINT)
    assert "long stopped" in said(queue)
    assert queue.returncode == 130
    before = epochs_of(tmp_path, "long")
    assert "cut off, epoch" in said(start(tmp_path, LONG, options=("--list",)))
    queue = start(tmp_path, LONG, options=("--minutes", 0.6))
    words = said(queue)
    assert queue.returncode == 0
    assert "long resumes" in words
    assert "The time is over" in words
    assert epochs_of(tmp_path, "long") > before


def test_two_queues_share_the_runs(tmp_path):
    two = group("ce-{seed}", each="{ seed = [0, 1] }", loss="ce", seed="{seed}", epochs=40)
    queues = [start(tmp_path, two), start(tmp_path, two)]
    words = "".join(said(queue) for queue in queues)
    for name in ("ce-0", "ce-1"):
        assert words.count(f"{name} begins") == 1
        assert words.count(f"{name} ended") == 1
    assert "2 of 2 runs are done" in said(start(tmp_path, two))


def test_a_full_disk_is_said_and_nothing_half_written_is_kept(tmp_path):
    one = group("ce", loss="ce", epochs=2)
    queue = start(tmp_path, one, before="ulimit -f 100; ")  # no file above 100 KiB, as the weights are
    assert "ce failed" in said(queue)
    assert queue.returncode == 1
    assert not list((tmp_path / "runs").iterdir())
    assert "1 of 1 runs are done" in said(start(tmp_path, one))


def test_a_finished_run_of_other_settings_is_refused_before_anything_is_computed(tmp_path):
    said(start(tmp_path, group("ce", loss="ce", epochs=1)))
    queue = start(tmp_path, group("ce", loss="focal", epochs=1, batch_size=16))
    words = said(queue)
    assert queue.returncode == 2
    assert "`loss` is 'ce', not 'focal'; " in words.replace("`batch_size` is 32, not 16; ", "")
    assert "Give the new run another name" in words


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"--minutes": "0"}, "--minutes must be positive"),
        ({"--jobs": "0"}, "--jobs and --threads at least 1"),
        ({"--pending": "nothing.toml"}, "nothing.toml"),
    ],
)
def test_options_are_checked(tmp_path, monkeypatch, capsys, options, message):
    (tmp_path / "pending.toml").write_text(LONG)
    usual = {"--commit": "abc", "--pending": "pending.toml", "--work": "work", "--results": "runs", "--minutes": "0.1"}
    given = [word for pair in (usual | options).items() for word in pair]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["run_pending.py", "--here", *given])
    with pytest.raises(SystemExit, match="2"):
        sys.exit(run_pending.main())
    assert message in capsys.readouterr().err
    assert not (tmp_path / "work").exists()
