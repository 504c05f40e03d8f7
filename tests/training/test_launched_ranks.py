"""How long ranks wait for each other."""

from datetime import timedelta

import pytest
import torch
from torch import distributed as dist

from longtail.training import process_group
from longtail.training.launched_ranks import launched_ranks


class JoinedError(Exception):
    """The group of processes would be made now."""


@pytest.fixture
def limits(monkeypatch):
    """The limits of the groups that are made, none of which is."""
    launched = {"RANK": "1", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    for name, value in launched.items():
        monkeypatch.setenv(name, value)
    found = []

    def join(*_, timeout=None, **__):
        found.append(timeout)
        raise JoinedError

    monkeypatch.setattr(dist, "init_process_group", join)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    monkeypatch.setattr(process_group, "launcher_store", lambda _: None)
    return found


@pytest.mark.parametrize("restarts", [0, 1])
def test_ranks_that_decode_files_wait_longer_than_the_hours_that_it_takes(restarts, limits, monkeypatch):
    monkeypatch.setattr(process_group, "attempt", lambda: restarts)
    with pytest.raises(JoinedError), launched_ranks():
        pass
    assert limits == [timedelta(days=1)]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_ranks_of_a_training_wait_as_long_after_a_restart_as_before(device, limits, monkeypatch):
    monkeypatch.setattr(process_group, "attempt", lambda: 1)
    with pytest.raises(JoinedError):
        process_group.join_restarted_ranks(device)
    assert limits == [timedelta(minutes=30)]
