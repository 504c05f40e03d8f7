import numpy as np
import pytest
import torch

from longtail.reports import PerClassRecallDisplay

RECALLS = {"raw": {"CE": np.array([[0.2, 1.0, 0.6], [0.4, 0.9, np.nan]]), "GALA": torch.tensor([0.5, 0.8, 0.7])}}


def test_the_frame_runs_from_head_to_tail():
    frame = PerClassRecallDisplay(RECALLS, class_counts=[3, 100, 20]).frame()
    plain = frame[frame["method"] == "CE"]
    assert plain["class"].tolist() == [1, 2, 0]
    assert plain["rank"].tolist() == [1, 2, 3]
    assert plain["train_samples"].tolist() == [100, 20, 3]
    np.testing.assert_allclose(plain["recall"], [0.95, np.nan, 0.3])
    np.testing.assert_allclose(plain["lowest"].iloc[[0, 2]], [0.9, 0.2])
    np.testing.assert_allclose(frame[frame["method"] == "GALA"]["recall"], [0.8, 0.7, 0.5], rtol=1e-6)


@pytest.mark.slow
def test_the_chart_is_drawn_without_a_browser(tmp_path):
    chart = PerClassRecallDisplay(RECALLS, class_counts=[3, 100, 20]).plot()
    for name, start in [("recall.png", b"\x89PNG"), ("recall.svg", b"<svg"), ("recall.html", b"<!DOCTYPE html>")]:
        chart.save(tmp_path / name)
        assert (tmp_path / name).read_bytes().lstrip().startswith(start)
    assert "CE" in (tmp_path / "recall.svg").read_text()


def test_many_classes_are_drawn_by_rank(tmp_path):
    recall = torch.linspace(1, 0, 100)
    chart = PerClassRecallDisplay(
        {"raw": {"CE": recall, "GALA": recall**2}}, class_counts=list(range(100, 0, -1))
    ).plot()
    chart.save(tmp_path / "recall.svg")
    assert "class by frequency rank" in (tmp_path / "recall.svg").read_text()


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="`recalls` must have 2 classes. Got 3 for 'CE'"):
        PerClassRecallDisplay(RECALLS, class_counts=[3, 100]).frame()
    methods = {"CE": torch.ones(2)}
    with pytest.raises(TypeError, match="`recalls` must map panels to methods"):
        PerClassRecallDisplay(methods, class_counts=[3, 100]).frame()
    with pytest.raises(ValueError, match="`recalls` must hold at least one method"):
        PerClassRecallDisplay({}, class_counts=[3, 100]).frame()
