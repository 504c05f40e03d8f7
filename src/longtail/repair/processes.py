"""Samples that several processes share: each holds some of the logits, all hold what was gathered.

Every process runs the same code. Vectors with one value per sample are gathered in the order of the ranks, so that all
that follows is computed alike everywhere; sums over the samples are merged in the order of the ranks. There is one kind
of exchange, and a process that fails takes part in it with its error: the others, wherever they are, raise it too.
"""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeVar

import numpy as np
import torch.distributed as dist

from longtail.posthoc.parts import M

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """One process, which exchanges nothing.

    Attributes:
        rank: of this process.
        number: of all processes.
    """

    rank: int = 0
    number: int = 1

    def gathered(self, what: str, own: T) -> list[T]:
        """What each process has, in the order of the ranks.

        Args:
            what: a name, which must be the same in all processes.
            own: what this process has; it is pickled.

        Raises:
            Exception: the error of a process that failed.
        """
        return [own]

    def concatenated(self, what: str, own: np.ndarray, axis: int = 0) -> np.ndarray:
        """The arrays of all processes."""
        parts = self.gathered(what, own)
        return own if len(parts) == 1 else np.concatenate(parts, axis)

    def merged(self, what: str, own: M) -> M:
        """The statistics of all processes."""
        return reduce(lambda first, second: first.merge(second), self.gathered(what, own))


@dataclass(frozen=True)
class ConnectedProcesses(Processes):
    """Processes that are connected by the default group of `torch.distributed`, with a backend for the CPU."""

    _failed: list[bool] = field(default_factory=list, repr=False)

    def gathered(self, what: str, own: T) -> list[T]:
        """See `Processes.gathered`."""
        return self._exchanged(what, own, None)

    def end(self, error: Exception | None) -> None:
        """The last exchange, with the error of this process if it failed.

        Raises:
            Exception: the error of another process.
        """
        if not self._failed:
            self._exchanged("end", None, error)

    def _exchanged(self, what: str, own: Any, error: Exception | None) -> list[Any]:
        found: list[Any] = [None] * self.number
        try:
            dist.all_gather_object(found, (what, own, None if error is None else _portable(error)))
        except Exception:
            self._failed.append(True)  # another process is gone
            raise
        first = next((failure for _, _, failure in found if failure is not None), None)
        if first is not None:
            self._failed.append(True)
            raise first
        if len({name for name, _, _ in found}) > 1:
            self._failed.append(True)
            steps = ", ".join(name for name, _, _ in found)
            raise RuntimeError(f"The processes are at different steps: {steps}. Use machines of one type.")
        return [value for _, value, _ in found]


ONE = Processes()


@dataclass(frozen=True)
class Share:
    """The rows that this process holds, which are consecutive.

    Attributes:
        processes: that share the rows.
        first: index of the first own row among those of all processes.
    """

    processes: Processes = ONE
    first: int = 0

    def own(self, number: int) -> slice:
        """The `number` own rows among those of all processes."""
        return slice(self.first, self.first + number)


ALL = Share()


@contextmanager
def connected(rank: int, number: int) -> Iterator[Processes]:
    """So many processes within the block, of which this has the given rank; an error of one is raised in all."""
    if number == 1:
        yield ONE
        return
    processes = ConnectedProcesses(rank, number)
    try:
        yield processes
    except Exception as error:
        processes.end(error)
        raise
    processes.end(None)


def _portable(error: Exception) -> Exception:
    """The error, or its message where it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
