"""A small version of the simulation: promised gains are covered, and none is promised where there is none."""

import numpy as np
import pytest

from fix_coverage import WORLDS, World, row_of

REPETITIONS, REPEATS = 5, 2


def rows_of(world):
    return [row_of(world, (10, 500), "balanced-accuracy", number, repeats=REPEATS) for number in range(REPETITIONS)]


@pytest.mark.parametrize("world", ["a tail with a gain", "classes of one to three samples", "groups of copies"])
def test_promised_gains_are_covered(world):
    rows = [
        row_of(world, (10, 500), "balanced-accuracy", repetition, repeats=REPEATS) for repetition in range(REPETITIONS)
    ]
    promised = [row for row in rows if row["strength"] > 0]
    missed = [row for row in promised if not row["interval"][0] <= row["truth"] <= row["interval"][1]]
    assert len(promised) >= REPETITIONS / 2
    assert len(missed) <= 1  # nominally one in a hundred
    assert all(row["truth"] > 0 for row in rows if row["verdict"] == "use")


def test_a_balanced_model_is_kept():
    rows = [
        row_of("a balanced model", (10, 500), "balanced-accuracy", repetition, repeats=REPEATS)
        for repetition in range(REPETITIONS)
    ]
    assert sum(row["verdict"] == "use" for row in rows) == 0


def test_worlds_are_what_they_say():
    rng = np.random.default_rng(0)
    rare = np.bincount(WORLDS["classes of one to three samples"].sample(30, 1000, rng).target, minlength=30)
    assert rare[-10:].min() >= 1
    assert rare[-10:].max() <= 3
    copies = WORLDS["groups of copies"].sample(10, 500, rng)
    assert (np.bincount(copies.groups) == 4).all()
    clean = World().fresh(10, np.random.default_rng(1)).target
    noisy = World(noise=0.3).fresh(10, np.random.default_rng(1)).target
    assert (clean != noisy)[clean < 5].sum() == 0
    assert 0.2 < (clean != noisy)[clean >= 5].mean() < 0.3
