"""The script for a GPU, tried on the CPU: every section runs, whatever happens is recorded, and all of it ends."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from on_gpu import schedule
from on_gpu.at_once import fewest_nearly_best
from on_gpu.job import Job
from on_gpu.packages import unpack_missing
from on_gpu.record import Record
from on_gpu.schedule import Section, run_sections

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "results/gpu.py"
SECTIONS = [section.name for stage in schedule.STAGES for section in stage] + ["pending_runs"]


def start(tmp_path, *arguments):
    """The script; temporary files go to tmp_path/work."""
    (tmp_path / "work").mkdir()
    command = [sys.executable, SCRIPT, "--device", "cpu", "--tiny", "--commit", "abc", *arguments]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "work"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def read(out):
    return json.loads((out / "gpu.json").read_text())


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    script = start(folder, "--out", folder / "out")
    said = script.communicate()[0]
    assert script.returncode == 0, said
    assert list((folder / "work").iterdir()) == []
    return folder / "out"


def test_every_section_is_complete(out):
    record = read(out)
    assert {name: section["state"] for name, section in record["sections"].items()} == dict.fromkeys(
        SECTIONS, "complete"
    )
    assert (record["commit"], record["device"], record["tiny"]) == ("abc", "cpu", True)
    assert sorted(file.name for file in out.iterdir()) == ["gpu.json", "log.txt", "runs.json"]


def test_what_the_sections_found(out):
    found = {name: section["findings"] for name, section in read(out)["sections"].items()}
    assert found["environment"]["versions"]["longtail"]
    assert found["property_suite"]["outcomes"]["passed"] > 20
    assert found["property_suite"]["passed"]
    assert found["resume"]["passed"]
    assert found["resume"]["resumed_at"]["epoch"] == 2
    assert found["theta"]["own_network"] == {"theta": 0, "phi": 0}  # the CPU beside itself
    assert found["loss_ratios"]["peers (16, 10)"]["ce"] > 0  # to PyTorch's own, which checks less
    assert found["epoch"]["eager"]["images_per_second"] > 0
    assert found["step"]["gala milliseconds"] > 0
    speeds = found["at_once"]["images_per_second"]
    assert set(speeds) == {"1", "2"}
    assert min(speeds.values()) > 0
    assert found["pending_runs"] == {"jobs": found["at_once"]["jobs"], "finished": ["tiny-0"], "exit_code": 0}


def test_its_runs_are_taken_over_once(out, tmp_path):
    command = [sys.executable, SCRIPT, "--take", out, "--runs", tmp_path / "runs"]
    for words in ("1 runs written", "0 runs written"):
        assert words in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    kept = json.loads((tmp_path / "runs/tiny-0.json").read_text())
    assert kept["commit"] == "abc"
    assert kept["result"]["test"]["raw"]


def test_asked_to_stop_it_ends_what_it_started_and_keeps_what_was_found(tmp_path):
    script = start(tmp_path, "--out", tmp_path / "out")
    end = time.monotonic() + 100
    while time.monotonic() < end:
        if (tmp_path / "out/gpu.json").exists() and read(tmp_path / "out")["sections"].get("environment", {}).get(
            "findings"
        ):
            break
        assert script.poll() is None, script.communicate()[0]
        time.sleep(0.1)
    script.send_signal(signal.SIGTERM)
    said = script.communicate()[0]
    assert script.returncode == 143, said
    assert read(tmp_path / "out")["sections"]["environment"]["findings"]["versions"]
    assert list((tmp_path / "work").iterdir()) == []
    assert not [line for line in commands() if str(tmp_path) in line]


def commands():
    """The command lines of all processes."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield (process / "cmdline").read_text(errors="replace")
        except OSError:
            continue


def test_a_section_that_fails_or_takes_too_long_does_not_keep_the_others(tmp_path, monkeypatch):
    stages = ((Section("theta", 900), Section("resume", 0)), (Section("environment", 900),))
    monkeypatch.setattr(schedule, "STAGES", stages)
    job = Job("cpu", tiny=False, pack=str(tmp_path / "none.pack"), work=str(tmp_path))
    with Record(tmp_path / "out", {}) as record:
        run_sections(job, record, 9, {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'results'}"})
    sections = read(tmp_path / "out")["sections"]
    assert {name: section["state"] for name, section in sections.items()} == {
        "theta": "failed",
        "resume": "cut off",
        "environment": "complete",
    }
    assert "Traceback" in sections["theta"]["error"]
    assert "none.pack is missing" in sections["theta"]["error"]
    assert "none.pack is missing" in (tmp_path / "out/log.txt").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--minutes", "0"], "--minutes must be positive. Got 0.0."),
        (["--pack", "none.pack"], "--pack must be a file. none.pack is missing: write it with pack_data.py."),
        (["--take", "none"], "--take must name a folder that gpu.py wrote. none has no runs.json."),
    ],
)
def test_what_could_only_fail_later_is_refused(tmp_path, arguments, message):
    command = [sys.executable, SCRIPT, "--device", "cpu", "--out", tmp_path / "out", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"gpu: {message}\n"
    assert not (tmp_path / "out").exists()


def test_a_record_is_not_written_over(tmp_path):
    with Record(tmp_path, {}):
        pass
    with pytest.raises(
        FileExistsError, match=r"--out must not hold a record yet. .* holds gpu.json, runs.json, log.txt"
    ):
        Record(tmp_path, {})


def test_only_packages_that_are_missing_are_unpacked(tmp_path):
    for name in ("no_such_package-1.0-py3-none-any.whl", "numpy-1.0-py3-none-any.whl"):
        with zipfile.ZipFile(tmp_path / name, "w") as wheel:
            wheel.writestr(f"{name.split('-')[0]}/__init__.py", "")
    assert unpack_missing(tmp_path, tmp_path / "into") == ["no_such_package-1.0-py3-none-any.whl"]
    assert [path.name for path in (tmp_path / "into").iterdir()] == ["no_such_package"]


def test_fewer_runs_at_once_are_preferred_where_they_are_nearly_as_fast():
    assert fewest_nearly_best({1: 100.0, 2: 192.0, 4: 200.0, 8: 150.0}) == 2
    assert fewest_nearly_best({1: 100.0, 2: 180.0, 4: 200.0, 8: 150.0}) == 4
