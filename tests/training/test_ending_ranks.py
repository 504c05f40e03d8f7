"""Ranks end by themselves once a run is done."""

import pytest

from training.launch import torchrun


@pytest.mark.slow
def test_a_process_that_ends_right_after_a_collective_is_not_aborted():
    done = torchrun(2, "ending_ranks.py")
    assert done.returncode == 0, done.stderr
