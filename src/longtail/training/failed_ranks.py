"""A rank that fails tells the others why; they end within seconds instead of waiting for it in a collective.

What failed first is one entry in the store of `torchrun`, through which ranks find each other. A rank that was killed
can't do so: another on its machine makes the entry.
"""

import itertools
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import distributed as dist

from longtail.training.launcher_store import launcher_store
from longtail.training.ranks import Ranks

FIND_SECONDS = 3.0
"""How long a rank that lost the others looks for the reason."""
SIGNAL_SECONDS = 0.5
"""The same for a rank that a signal interrupted, which may be the cause itself."""
INTERRUPTED = "it was interrupted"
AGAIN = "Start the same command again."
"""What to do where nothing is kept that could be resumed."""
WATCH_SECONDS = 1.0
GRACE_SECONDS = 5.0
"""How long a rank that waits in a collective may keep waiting after another has failed."""
_RUNS = itertools.count()
OF_OTHERS = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer")
"""What the message of an error holds that another rank caused."""


class RankFailedError(RuntimeError):
    """Another process of the run has failed or was killed; the message names it.

    Attributes:
        already_printed: whether another process has printed this error.
    """

    def __init__(self, message: str, *, already_printed: bool = False) -> None:
        super().__init__(message)
        self.already_printed = already_printed


@contextmanager
def failing_together(ranks: Ranks, advice: str = AGAIN) -> Iterator[None]:
    """Within the block, an error of one rank ends all of them; with one rank nothing is changed.

    Args:
        ranks: the processes.
        advice: what to do after a process was lost, for the message.

    Raises:
        RankFailedError: another rank failed first.
    """
    if ranks.number == 1:
        yield
        return
    failures = _Failures(ranks.rank, ranks.number, advice)
    stop = threading.Event()
    watching = threading.Thread(target=_watch, args=(failures, stop), daemon=True)
    watching.start()
    try:
        with _sigterm_interrupts():
            yield
    except BaseException as error:
        with _sigterm_ignored():  # torchrun sends it to all ranks when one has ended
            first = failures.reason(error)
        if first is None and _is_of_others(error):
            raise RankFailedError(
                f"rank {ranks.rank} of {ranks.number} lost the others, whose machine may be gone. {advice}"
            ) from error
        if first is None or first["rank"] == failures.rank or first["message"] == INTERRUPTED:
            raise
        raise failures.error(first) from error
    finally:
        stop.set()
        watching.join(GRACE_SECONDS)  # a thread that still uses the store when the process ends would abort it


class _Failures:
    """What failed first, and which processes there are."""

    def __init__(self, rank: int, ranks: int, advice: str) -> None:
        self.rank, self.ranks, self.advice = rank, ranks, advice
        self.store = launcher_store(f"failures/{next(_RUNS)}")
        self.lock = threading.Lock()
        self.store.set(f"process{rank}", json.dumps([socket.gethostname(), os.getpid()]))
        found = self.store.multi_get([f"process{other}" for other in range(ranks)])  # waits for all
        self.places: list[tuple[str, int]] = [tuple(json.loads(place)) for place in found]

    def reason(self, error: BaseException) -> dict[str, Any] | None:
        """The failure that came first, which may be that of another rank or this error."""
        if _is_of_others(error):
            return self.first(FIND_SECONDS)
        if not isinstance(error, KeyboardInterrupt):
            return self.enter(str(error) or type(error).__name__)
        return self.first(SIGNAL_SECONDS) or self.enter(INTERRUPTED)

    def enter(self, message: str, rank: int | None = None) -> dict[str, Any] | None:
        """Enter a failure, of this rank or of one that was killed, and return the one that was entered first."""
        entry = {"rank": self.rank if rank is None else rank, "by": self.rank, "killed": rank is not None}
        text = json.dumps({**entry, "message": " ".join(message.split())})
        try:
            with self.lock:
                found: dict[str, Any] = json.loads(self.store.compare_set("failed", "", text))
        except RuntimeError:  # the store has ended
            return None
        return found

    def first(self, seconds: float = 0.0) -> dict[str, Any] | None:
        """The failure that was entered first, or a killed process, which is entered then; `None` if none is found."""
        until = time.monotonic() + seconds
        while True:
            try:
                with self.lock:
                    if self.store.check(["failed"]):
                        found: dict[str, Any] = json.loads(self.store.get("failed"))
                        return found
            except RuntimeError:
                return None
            killed = next((other for other in range(self.ranks) if self._has_ended(other)), None)
            if killed is not None:
                return self.enter("was killed, or its memory ran out", killed)
            if time.monotonic() >= until:
                return None
            time.sleep(0.05)

    def error(self, first: dict[str, Any]) -> RankFailedError:
        """The error of a rank that lost another."""
        host, pid = self.places[first["rank"]]
        name = f"rank {first['rank']} of {self.ranks} on {host} (process {pid})"
        if not first["killed"]:
            return RankFailedError(f"{name} failed: {first['message']}", already_printed=True)
        printed = first["by"] != self.rank
        return RankFailedError(f"{name} {first['message']}. {self.advice}", already_printed=printed)

    def _has_ended(self, rank: int) -> bool:
        """Whether a process of this machine has ended; on other machines it can't be seen."""
        host, pid = self.places[rank]
        return host == self.places[self.rank][0] and _is_dead(pid)


def _watch(failures: _Failures, stop: threading.Event) -> None:
    """End this process if another rank has failed and the main thread does not notice, as in a collective of NCCL."""
    while not stop.wait(WATCH_SECONDS):
        first = failures.first()
        if first is None or first["rank"] == failures.rank:
            continue
        if not stop.wait(GRACE_SECONDS):
            error = failures.error(first)
            if not error.already_printed:
                sys.stderr.write(f"longtail: {error}\n")
                sys.stderr.flush()
            os._exit(2)


@contextmanager
def _sigterm_ignored() -> Iterator[None]:
    """Let no SIGTERM interrupt the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM, by which torchrun ends the other ranks, raise KeyboardInterrupt where it would just kill."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _is_of_others(error: BaseException) -> bool:
    """Whether communication failed because of another rank."""
    if isinstance(error, dist.DistError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in OF_OTHERS)


def _is_dead(pid: int) -> bool:
    """Whether a process of this machine has ended, also if its parent has not noticed yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] in "ZX"
