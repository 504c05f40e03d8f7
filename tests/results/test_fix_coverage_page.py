"""The goals of the simulation, on rows whose shares are known."""

import pytest

from pages.fix_coverage import Cell, Size


def row(world="tail", interval=(0.0, 0.1), truth=0.05, verdict="keep", gain=0.05, strength=1.0):
    return {
        "metric": "cost",
        "classes": 10,
        "level": 0.99,
        "world": world,
        "interval": interval,
        "truth": truth,
        "verdict": verdict,
        "gain": gain,
        "strength": strength,
    }


def test_shares_are_those_of_the_rows():
    rows = [row(), row(truth=0.2), row(truth=-0.1, verdict="use"), row(verdict="use", gain=0.15)]
    cell = Cell([*rows, row(truth=None)])
    assert (cell.number, cell.covered, cell.used, cell.false_use) == (4, 0.5, 0.5, 0.25)
    assert cell.bias == pytest.approx((0.0 - 0.15 + 0.15 + 0.1) / 4)


def test_a_correction_that_is_not_chosen_is_covered_and_has_no_bias():
    cell = Cell([row(interval=(0.0, 0.0), truth=0.0, gain=0.0, strength=0.0)])
    assert (cell.covered, cell.bias) == (1.0, 0.0)


def rows_of(world, missed, number=100, **changes):
    return [row(world, **changes) for _ in range(number - missed)] + [row(world, truth=0.2) for _ in range(missed)]


@pytest.mark.parametrize(("missed", "met"), [((2, 2), True), ((3, 3), False), ((5, 0), True), ((6, 0), False)])
def test_coverage_is_judged_over_worlds_and_in_each(missed, met):
    assert Size(rows_of("tail", missed[0]) + rows_of("copies", missed[1])).meets_the_goals == met


@pytest.mark.parametrize(("false", "met"), [(9, True), (10, False)])
def test_use_without_a_gain_is_rare(false, met):
    """2.5 % of 200 and two standard errors are 9.4."""
    wrong = [row("tail", interval=(-0.2, 0.1), truth=-0.1, verdict="use") for _ in range(false)]
    assert Size(rows_of("tail", 0, 200 - false) + wrong).meets_the_goals == met


def test_the_lowest_world_is_named():
    world, cell = Size(rows_of("tail", 1) + rows_of("copies", 3)).lowest
    assert (world, cell.covered) == ("copies", 0.97)
