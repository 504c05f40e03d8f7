from typing import Any

import numpy as np
import pytest

from longtail.reports import (
    BetweenGroupsDisplay,
    ByRankDisplay,
    GainsDisplay,
    LearningCurvesDisplay,
    ReliabilityDisplay,
    TradeOffDisplay,
)
from longtail.reports.by_rank import binned, ranked
from longtail.reports.per_class_recall import wilson

CURVES = {"re-balancing": {1.0: (0.8, 0.5), 0.0: (0.9, 0.1)}, "adjustment": {0.0: (0.9, 0.1), 1.0: (0.7, 0.6)}}
DISPLAYS: dict[str, Any] = {
    "trade-off": TradeOffDisplay(CURVES),
    "gains": GainsDisplay({"re-balancing": (0.02, 0.01, 0.03), "adjustment": (-0.01, -0.02, 0.0)}),
    "reliability": ReliabilityDisplay({"CE": np.array([[0.9, 0.5, 0.7], [0.3, 0.2, 0.3], [0.0, 0.0, 0.0]])}),
    "by rank": ByRankDisplay({"CE": np.array([15, 0, 5]), "truth": np.array([7, 7, 6])}, [5, 100, 20], "predictions"),
    "levels": ByRankDisplay({"CE": np.array([0.1, 4.0, np.nan])}, [5, 100, 20], "ratio", scale="log", reference=1.0),
    "curves": LearningCurvesDisplay({"CE": [{"epoch": e, "test_few": e / 10} for e in (1, 2)]}),
    "groups": BetweenGroupsDisplay({"CE": np.array([[1.0, 0.0], [3.0, 1.0]])}, ["many", "few"], "share", "of", "as"),
}


@pytest.mark.parametrize("name", DISPLAYS)
@pytest.mark.slow
def test_each_display_is_drawn_without_a_browser(name, tmp_path):
    chart = DISPLAYS[name].plot()
    for ending, start in [("png", b"\x89PNG"), ("svg", b"<svg"), ("pdf", b"%PDF")]:
        chart.save(tmp_path / f"x.{ending}")
        assert (tmp_path / f"x.{ending}").read_bytes().lstrip().startswith(start)
    svg = (tmp_path / "x.svg").read_text()
    assert "CE" in svg or "re-balancing" in svg


@pytest.mark.parametrize("name", ["trade-off", "reliability", "by rank", "curves"])
def test_series_differ_in_more_than_colour(name):
    encoded = str(DISPLAYS[name].plot().to_dict())
    assert "strokeDash" in encoded


def test_a_curve_begins_at_strength_zero():
    frame = DISPLAYS["trade-off"].frame()
    assert frame["strength"].tolist() == [0.0, 1.0, 0.0, 1.0]
    assert frame["tail"].tolist() == [0.1, 0.5, 0.1, 0.6]


def test_savings_of_costs_are_no_percentages():
    gains = {"re-balancing": (2.0, 1.0, 3.0)}
    assert "~%" in str(GainsDisplay(gains).plot().to_dict())
    of_costs = str(GainsDisplay(gains, "minus the expected cost").plot().to_dict())
    assert "saving per decision" in of_costs
    assert "~%" not in of_costs


def test_bins_without_samples_are_left_out():
    assert DISPLAYS["reliability"].frame()["confidence"].tolist() == [0.9, 0.3]


def test_classes_run_from_head_to_tail():
    frame = DISPLAYS["by rank"].frame()
    assert frame["series"].tolist() == ["CE"] * 3 + ["truth"] * 3
    assert frame["name"].tolist() == ["1", "2", "0"] * 2
    assert frame["value"].tolist() == [0, 5, 15, 7, 6, 7]


@pytest.mark.parametrize(
    ("display", "message"),
    [
        (TradeOffDisplay({}), "`curves` must hold at least one method"),
        (GainsDisplay({}), "`gains` must hold at least one candidate"),
        (ReliabilityDisplay({}), "`bins` must hold at least one bin"),
        (ReliabilityDisplay({"CE": np.zeros(3)}), r"`bins` must hold \(B, 3\) per model"),
        (ByRankDisplay({"CE": np.zeros(2)}, [1, 2, 3], "x"), r"`values` must hold 3 numbers. Got \(2,\) for 'CE'"),
        (ByRankDisplay({}, [1, 2, 3], "x"), "`values` must hold at least one series"),
        (ByRankDisplay({"CE": np.zeros(3)}, [1, 2, 3], "x", scale="cubic"), "`scale` must be one of"),
        (LearningCurvesDisplay({"CE": [{"epoch": 1}]}), "`metrics` must hold an epoch that was evaluated"),
        (BetweenGroupsDisplay({"CE": np.zeros(2)}, ["a", "b"], "x", "r", "c"), "`values` must hold a square of 2"),
        (BetweenGroupsDisplay({}, ["a", "b"], "x", "r", "c"), "`values` must hold at least one number"),
    ],
)
def test_what_does_not_fit_is_told(display, message):
    with pytest.raises(ValueError, match=message):
        display.frame()


def test_ranks_are_binned_beyond_many_classes():
    frame = ranked(np.arange(1000) / 1000, np.arange(1000, 0, -1), list(map(str, range(1000))))
    few = binned(frame)
    assert len(few) == 100
    np.testing.assert_allclose(few["value"].iloc[0], np.arange(10).mean() / 1000)
    np.testing.assert_allclose(few["rank"].iloc[-1], np.arange(991, 1001).mean())
    assert len(binned(frame[frame["rank"] <= 200])) == 200


def test_wilsons_interval_is_the_one_of_the_textbook():
    """Agresti and Coull (1998): 0 of 10 gives 0 to 0.278, 5 of 10 gives 0.237 to 0.763."""
    low, high = wilson(np.array([0.0, 0.5]), np.array([10, 10]))
    np.testing.assert_allclose([low, high], [[0, 0.237], [0.278, 0.763]], atol=1e-3)
    for share in (0.0, 1.0):
        low, high = wilson(np.full(200, share), np.arange(1, 201))
        assert low.min() >= 0
        assert high.max() <= 1
    assert np.isnan(wilson(np.array([np.nan]), np.array([0]))).all()
