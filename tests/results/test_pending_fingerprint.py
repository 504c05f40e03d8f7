"""A fingerprint tells what a configuration computes, whatever the seed and the number of epochs."""

import dataclasses

import pytest

from longtail.recipes import digits_lt
from pending.fingerprint import fingerprint, kept_fingerprint, seconds_of


@pytest.mark.slow
def test_it_is_that_of_the_row_and_changes_with_what_is_computed(tmp_path):
    config = digits_lt(loss="ce", epochs=2, threads=1, device="cpu")
    first = fingerprint(config, None, tmp_path, None)
    again = fingerprint(dataclasses.replace(config, seed=5), None, tmp_path, None)
    assert again == first  # kept, not computed again
    assert [path.suffix for path in tmp_path.iterdir() if path.suffix != ".lock"] == [".json"]
    longer = dataclasses.replace(config, epochs=3)
    assert kept_fingerprint(longer, tmp_path) != kept_fingerprint(config, tmp_path)
    assert fingerprint(longer, None, tmp_path, None)["hash"] == first["hash"]
    other = fingerprint(dataclasses.replace(config, learning_rate=0.2), None, tmp_path, None)
    assert other["hash"] != first["hash"]


def test_the_time_of_a_run_is_that_of_its_epochs_evaluations_start_and_end():
    config = digits_lt(epochs=10, evaluate_every=5)
    assert seconds_of(config, epoch_seconds=3.0, seconds=7.0) == 10 * 3 + 4 + 2 * 2
