"""Which sections there are, in which order, and how many of nine minutes each may take."""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from on_gpu.job import Job
from on_gpu.processes import Watched
from on_gpu.record import Record

MINUTES = 9
SECONDS_BETWEEN_LOOKS = 0.2
TINY_SECONDS = 120.0  # trying the script on a slow machine must not cut anything off


@dataclass(frozen=True)
class Section:
    """A module of this package, and the seconds that it may take of nine minutes."""

    name: str
    seconds: float


STAGES = (  # the sections of a stage run at once; those that measure times run alone
    (Section("environment", 75), Section("property_suite", 75), Section("resume", 75), Section("theta", 75)),
    (Section("loss_ratios", 40),),
    (Section("epoch", 65),),
    (Section("step", 20),),
    (Section("at_once", 35),),
)


def run_sections(job: Job, record: Record, minutes: float, environment: dict[str, str]) -> None:
    """Run all sections but the runs of the list; what fails or takes too long does not keep the others."""
    for stage in STAGES:
        started: list[tuple[Section, Watched]] = []
        try:  # a signal may come between two starts
            for section in stage:
                started.append((section, _start(section, job, record, minutes, environment)))  # noqa: PERF401
            while started:
                time.sleep(SECONDS_BETWEEN_LOOKS)
                for section, watched in started:
                    _look(section, watched, job, record)
                started = [pair for pair in started if pair[1].code is None]
        finally:
            for _, watched in started:
                watched.end()


def _start(section: Section, job: Job, record: Record, minutes: float, environment: dict[str, str]) -> Watched:
    record.say(f"{section.name} begins")
    record.keep_section(section.name, state="running")
    command = [sys.executable, "-m", "on_gpu.section", section.name, job.to_json(), str(_file(section, job))]
    seconds = TINY_SECONDS if job.tiny else section.seconds * minutes / MINUTES
    return Watched(command, seconds, record.log, environment)


def _look(section: Section, watched: Watched, job: Job, record: Record) -> None:
    """Keep what a section has found by now, and end it if its time is over."""
    code, file = watched.code, _file(section, job)
    if file.exists():
        record.keep_section(section.name, **json.loads(file.read_text()))
    if code is None and not watched.is_late:
        return
    state = "cut off" if code is None else "complete" if code == 0 else "failed"
    watched.end()
    extra = {"exit_code": code} if state == "failed" else {}
    record.keep_section(section.name, state=state, seconds=watched.seconds(), **extra)
    record.say(f"{section.name}: {state} after {watched.seconds():.0f} s")


def _file(section: Section, job: Job) -> Path:
    return Path(job.work) / f"{section.name}.json"
