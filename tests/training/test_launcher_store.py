"""The number of the attempt, on which ranks agree whatever former processes have left in the store."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from torch.distributed import HashStore  # type: ignore[attr-defined]

from longtail.training import launcher_store as module
from longtail.training.hardware import seconds_to_wait_for_the_lock
from longtail.training.launcher_store import agreed_attempt, attempt

LIMIT = timedelta(seconds=20)


def numbers(store, ranks):
    """What each rank gets, the first of which begins last."""
    with ThreadPoolExecutor(ranks) as pool:
        return list(pool.map(lambda rank: agreed_attempt(store, rank, ranks, LIMIT), reversed(range(ranks))))


@pytest.mark.slow
def test_each_attempt_has_a_number_of_its_own_also_with_other_ranks():
    store = HashStore()
    assert numbers(store, 3) == [0] * 3
    assert numbers(store, 3) == [1] * 3
    assert numbers(store, 2) == [2] * 2
    assert numbers(store, 5) == [3] * 5


def test_what_processes_that_ended_early_have_left_is_no_answer():
    store = HashStore()
    for rank in (1, 2):  # they asked, and the first rank, of which one has heard, had ended before the second did
        with pytest.raises(TimeoutError, match="rank 0 of 3 did not start in time"):
            agreed_attempt(store, rank, 3, timedelta(0))
    with pytest.raises(TimeoutError, match="rank 1 of 3 did not start in time"):
        agreed_attempt(store, 0, 3, timedelta(0))
    assert numbers(store, 3) == [1] * 3


def test_a_store_that_begins_with_the_processes_holds_the_first_attempt(monkeypatch):
    attempt.cache_clear()
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    assert attempt() == 0
    assert seconds_to_wait_for_the_lock() == 0
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert seconds_to_wait_for_the_lock() == 120
    monkeypatch.delenv("TORCHELASTIC_RESTART_COUNT")
    monkeypatch.setattr(module, "attempt", lambda: 1)  # the count of this machine is 0 if another one failed
    assert seconds_to_wait_for_the_lock() == 120
    attempt.cache_clear()
