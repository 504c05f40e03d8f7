"""Runs the entries of the queue: starts workers, keeps what they finish, stops in time."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from longtail.runs import RunFolder
from pending.entries import Entry
from pending.fingerprint import kept_fingerprint, seconds_of
from pending.finished import check_same, keep, of_the_same_row, read_finished
from pending.place import Place
from pending.task import COMPLETE, DIVERGED, STOPPED, TOO_LONG, Task

SECONDS_TO_STOP = 20
NAMES_SHOWN = 5
SECONDS_BETWEEN_LOOKS = 0.2


@dataclass
class Worker:
    """A process that computes one entry."""

    entry: Entry
    commit: str
    process: "subprocess.Popen[bytes]"
    log: IO[bytes]
    claim: FileLock
    said_before: int
    begun: float = field(default_factory=time.monotonic)


class Queue:
    """Computes entries until all are done, none can be begun, or the time is over.

    Args:
        entries: in their order.
        place: where to work.
        minutes: after which every worker has stopped.
        jobs: workers at once.

    Raises:
        ValueError: a finished run has other settings than its entry.
    """

    def __init__(self, entries: list[Entry], place: Place, minutes: float, jobs: int) -> None:
        self.entries, self.place, self.jobs = entries, place, jobs
        self.deadline = time.time() + 60 * minutes
        self.workers: list[Worker] = []
        self.put_aside: dict[str, str] = {}
        self.stopping = self.interrupted = self.failed = False
        finished = read_finished(place.results)
        for entry in entries:
            if entry.name in finished:
                check_same(entry, finished[entry.name])

    def run(self) -> int:
        """Compute; 0 if all went well, 1 if a run failed, 130 if asked to stop."""
        self.place.make_folders()
        former = {number: signal.signal(number, self._interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._fill()
            while self.workers:
                time.sleep(SECONDS_BETWEEN_LOOKS)
                if time.time() > self.deadline - SECONDS_TO_STOP and not self.stopping:
                    say("The time is over: runs keep a checkpoint and are resumed by the next queue.")
                    self._stop_workers()
                ended = [worker for worker in self.workers if worker.process.poll() is not None]
                for worker in ended:
                    self._end(worker)
                if ended and not self.stopping:
                    self._fill()
        finally:
            self._stop_workers()
            for number, handler in former.items():
                signal.signal(number, handler)
        self._say_what_is_left()
        return STOPPED if self.interrupted else int(self.failed)

    def _fill(self) -> None:
        """Begin as many entries as there is room for; what was cut off comes first."""
        waiting = [entry for entry in self.entries if self._waits(entry)]
        for entry in sorted(waiting, key=lambda entry: not self.place.run_of(entry.name).exists()):
            if len(self.workers) >= self.jobs or self.stopping:
                return
            claim = self._claim(entry)
            if claim is not None and not self._begin(entry, claim):
                claim.release()

    def _waits(self, entry: Entry) -> bool:
        """Whether an entry is neither done, nor put aside, nor being computed here, and can be begun."""
        if self.place.kept_of(entry.name).exists() or entry.name in self.put_aside:
            return False
        if any(worker.entry.name == entry.name for worker in self.workers):
            return False
        if entry.gpu and self.place.device == "cpu":
            self.put_aside[entry.name] = "waits for a GPU"
            return False
        return entry.after is None or (self.place.run_of(entry.after) / "result.json").exists()

    def _claim(self, entry: Entry) -> FileLock | None:
        """The right to work on an entry, unless another queue has it or has just finished it."""
        claim = FileLock(self.place.claim_of(entry.name), timeout=0)
        try:
            claim.acquire()
        except Timeout:
            return None
        if self.place.kept_of(entry.name).exists():
            claim.release()
            return None
        return claim

    def _begin(self, entry: Entry, claim: FileLock) -> bool:
        """Start a worker, unless the entry is too long for the time that is left."""
        self._drop_what_cannot_be_resumed(entry)
        resumed = self.place.run_of(entry.name).exists()
        if not resumed and (reason := self._too_long(entry)):
            self.put_aside[entry.name] = reason
            return False
        if not resumed:
            self.place.note_begin(entry.name)
        commit, _ = self.place.begun_with(entry.name) or (self.place.commit, "")
        log = self.place.log_of(entry.name).open("ab")
        said_before = log.tell()
        process = self._start(self._task(entry, commit, self.place.run_of(entry.name), self.deadline), commit, log)
        self.workers.append(Worker(entry, commit, process, log, claim, said_before))
        say(f"{entry.name} {'resumes' if resumed else 'begins'}; log: {log.name}")
        return True

    def _drop_what_cannot_be_resumed(self, entry: Entry) -> None:
        path, begun = self.place.run_of(entry.name), self.place.begun_with(entry.name)
        if not path.exists():
            return
        if begun is None or begun[1] != self.place.processor or not self.place.has(begun[0]):
            aside = path.with_name(f"{path.name}.aside-{time.time():.0f}")
            path.rename(aside)
            say(f"{entry.name} starts again: begun on another processor, or its commit is missing. Kept: {aside}")

    def _too_long(self, entry: Entry) -> str | None:
        """Why a new run is not begun, where it is known how long it takes."""
        known = None if entry.stage else kept_fingerprint(entry.config(), self.place.fingerprints_of(self.place.commit))
        if known is None or not known.exists():
            return None
        found = json.loads(known.read_text())
        needed = seconds_of(entry.config(), found["epoch_seconds"], found["seconds"])
        return f"needs {needed / 60:.0f} minutes" if time.time() + needed > self.deadline else None

    def _task(self, entry: Entry, commit: str, out: Path, deadline: float | None) -> Task:
        place = self.place
        return Task(
            entry=dataclasses.asdict(entry),
            out=str(out),
            fingerprints=str(place.fingerprints_of(commit)),
            data=None if place.data is None else str(place.data.resolve()),
            first_stage=None if entry.after is None else str(place.run_of(entry.after)),
            device=place.device,
            threads=place.threads,
            deadline=deadline,
        )

    def _start(self, task: Task, commit: str, log: IO[bytes]) -> "subprocess.Popen[bytes]":
        code = self.place.code_of(commit)
        return subprocess.Popen(
            [sys.executable, code / "results/pending/worker.py", json.dumps(dataclasses.asdict(task))],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C goes to the queue alone, which stops its workers
            env={**os.environ, "OMP_NUM_THREADS": str(self.place.threads)},
        )

    def _interrupt(self, *_: object) -> None:
        if not self.interrupted:
            say("Stopping: runs keep a checkpoint and are resumed by the next queue.")
        self.interrupted = True
        self._stop_workers()

    def _stop_workers(self) -> None:
        self.stopping = True
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.terminate()

    def _end(self, worker: Worker) -> None:
        """Keep what a worker has finished, or say why it has not."""
        code, entry = worker.process.returncode, worker.entry
        self.workers.remove(worker)
        worker.log.close()
        last = _last_line(Path(worker.log.name), worker.said_before) or f"exit code {code}"
        try:
            if code in (COMPLETE, DIVERGED):
                self._keep(worker, last if code == DIVERGED else None)
            elif code == TOO_LONG:
                self.put_aside[entry.name] = last
            elif self.stopping:
                say(f"{entry.name} stopped: {last}")
            else:
                self._fail(entry, last)
        except OSError as error:
            self._fail(entry, f"its result could not be kept: {error}")
        finally:
            worker.claim.release()

    def _fail(self, entry: Entry, reason: str) -> None:
        self.failed = True
        self.put_aside[entry.name] = f"failed: {reason}"
        say(f"{entry.name} failed: {reason}")

    def _keep(self, worker: Worker, failure: str | None) -> None:
        entry, file = worker.entry, self.place.kept_of(worker.entry.name)
        run = RunFolder.open(self.place.run_of(entry.name))
        keep(entry, run, file, worker.commit, self._fingerprints(worker, run), failure)
        minutes = (time.monotonic() - worker.begun) / 60
        score = failure or f"{100 * (run.result or {})['test']['raw']['top1']:.1f} % raw"
        say(f"{entry.name} ended after {minutes:.0f} minutes: {score}; {file}")
        self._write_pages()

    def _fingerprints(self, worker: Worker, run: RunFolder) -> dict[str, str]:
        """The hashes of this run's commit and of every other commit in its table row, on this processor."""
        same_row = of_the_same_row(run.header["config"], read_finished(self.place.results))
        others = {commit for commit in same_row if commit is not None and commit != worker.commit}
        out = self.place.run_of(worker.entry.name)
        outs = {worker.commit: out} | {commit: out.with_name(f"{out.name}.{commit}") for commit in others}
        for commit in others:
            if self.place.has(commit) and not self.stopping:
                with self.place.log_of(worker.entry.name).open("ab") as log:
                    self._start(self._task(worker.entry, commit, outs[commit], None), commit, log).wait()
        files = {commit: path.with_name(f"{path.name}.fingerprint.json") for commit, path in outs.items()}
        return {commit: json.loads(file.read_text())["hash"] for commit, file in files.items() if file.exists()}

    def _write_pages(self) -> None:
        """All pages again, by the script of the checkout as it is now; a failure there is no failure of the queue."""
        script = None if self.place.repository is None else self.place.repository / "results/write_pages.py"
        if script is None or not script.exists():
            return
        done = subprocess.run([sys.executable, script], capture_output=True, text=True)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            say(f"The pages were not written: {lines[-1]}")

    def _say_what_is_left(self) -> None:
        left = [entry.name for entry in self.entries if not self.place.kept_of(entry.name).exists()]
        say(f"{len(self.entries) - len(left)} of {len(self.entries)} runs are done.")
        reasons: dict[str, list[str]] = {}
        for entry in self.entries:
            if entry.name in left:
                reason = "left" if entry.after is None else "left, or waiting for the run that it starts from"
                reasons.setdefault(self.put_aside.get(entry.name, reason), []).append(entry.name)
        for reason, names in reasons.items():
            more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
            say(f"{reason}: {', '.join(names[:NAMES_SHOWN])}{more}")


def say(text: str) -> None:
    """One line with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def _last_line(log: Path, start: int) -> str:
    """The last line of what was said from `start` on."""
    lines: list[Any] = log.read_bytes()[start:].decode(errors="replace").strip().splitlines()
    return str(lines[-1]) if lines else ""
