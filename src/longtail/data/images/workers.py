"""Images decoded and augmented ahead of the step by worker processes, or between the steps.

Images come back through pipes, not through shared memory (/dev/shm), which is often small in containers. Workers are
forked from a small server process, not from the one that trains, whose threads and GPU do not survive a fork.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext, ForkServerContext, ForkServerProcess
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch

from longtail.data.ahead import results_ahead
from longtail.data.images.decoding import BadImageError
from longtail.data.images.file_augmentation import kept_generators

Draw = Callable[[Any, int], np.ndarray]
Job = Sequence[tuple[Any, int]]
"""Source and seed of each image of a batch."""

IMAGES_AT_ONCE = 8


class Drawn(NamedTuple):
    """The images of a batch.

    Attributes:
        images: (n, size, size, 3) uint8, those that could be decoded.
        kept: (n,) their positions in the batch.
        bad: the error at each other position.
    """

    images: np.ndarray
    kept: np.ndarray
    bad: dict[int, Exception]


def draw_batches(draw: Draw, jobs: Iterable[Job], workers: int) -> Generator[Drawn, None, None]:
    """The images of each job, in the order of the jobs.

    Args:
        draw: maps a source and a seed to an image; with workers it must be picklable, as sources must.
        jobs: one per batch.
        workers: number of processes; 0 draws each batch in this process, when it is needed.

    Raises:
        ChildProcessError: a worker ended unexpectedly.
        OSError: workers can't be started.
    """
    if workers == 0:
        for job in jobs:
            with kept_generators():
                drawn = _draw_all(draw, job)
            yield _batch([drawn])
        return
    with _pool(workers, (__name__, *getattr(draw, "modules", ()))) as pool:

        def begin(job: Job) -> list["Future[list[np.ndarray | Exception]]"]:
            return [
                pool.submit(_draw_all, draw, job[i : i + IMAGES_AT_ONCE]) for i in range(0, len(job), IMAGES_AT_ONCE)
            ]

        try:
            yield from map(_batch, results_ahead(begin(job) for job in jobs))
        except (BrokenProcessPool, EOFError, ConnectionError) as error:  # the last two from the server that forks
            raise ChildProcessError(
                "`workers`: a process that decodes images ended before its time; it was killed, or memory ran out. Go "
                "on with --resume and fewer workers; --workers 0 decodes without them."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _batch(parts: Iterable[list[np.ndarray | Exception]]) -> Drawn:
    drawn = [image for part in parts for image in part]
    images = [image for image in drawn if isinstance(image, np.ndarray)]
    kept = [place for place, image in enumerate(drawn) if isinstance(image, np.ndarray)]
    bad = {place: image for place, image in enumerate(drawn) if isinstance(image, Exception)}
    return Drawn(np.stack(images) if images else np.zeros(0, np.uint8), np.array(kept, dtype=np.int64), bad)


def _draw_all(draw: Draw, job: Job) -> list[np.ndarray | Exception]:
    drawn: list[np.ndarray | Exception] = []
    for source, seed in job:
        try:
            drawn.append(draw(source, seed))
        except FileNotFoundError as error:
            drawn.append(error)
        except BadImageError as error:
            drawn.append(ValueError(str(error)))  # a BadImageError can't be unpickled
    return drawn


def _pool(workers: int, modules: tuple[str, ...]) -> ProcessPoolExecutor:
    try:
        return ProcessPoolExecutor(workers, mp_context=_context(modules), initializer=_begin)
    except OSError as error:
        raise OSError(
            f"`workers`: processes could not be started ({error.strerror or error}). Enlarge /dev/shm (docker run "
            "--shm-size=64m), or decode without them: --workers 0."
        ) from error


@cache
def _context(modules: tuple[str, ...]) -> BaseContext:
    """Processes that are forked from a server, which imports the modules once, at its start."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = _Context()
    context.set_forkserver_preload(list(modules))
    return context


class _Worker(ForkServerProcess):
    """A worker that does not import the main module of the program, of which it needs nothing.

    Otherwise each worker would import a user's script, which takes seconds, and run one without a `__main__` guard.
    """

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return ForkServerProcess._Popen(process_obj)
        finally:
            sys.modules["__main__"] = main


class _Context(ForkServerContext):
    Process = _Worker


def _begin() -> None:
    """Start a worker: one thread, Ctrl-C left to the process that trains, and an end when that process ends."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
