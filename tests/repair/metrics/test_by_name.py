import numpy as np
import pytest

from longtail.repair import make_metric


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("top-1", 3), "`metric` must be one of 'balanced-accuracy'"),
        (
            ("macro-f1", 3, [0.5, 0.3, 0.2]),
            r"`prior` must be \"uniform\" for the metric 'macro-f1'. Got .0.5, 0.3, 0.2..",
        ),
        (("accuracy", 3, [0.5, 0.3, 0.3]), "`prior` must"),
        (("accuracy", 3, [0.5, 0.5]), "`prior` must"),
        (("cost", 3), "and only for it. Got none. Pass the costs \\(--cost FILE\\)."),
        (("macro-f1", 3, "uniform", np.eye(3)), "and only for it. Got costs for the metric 'macro-f1'. Leave them out"),
        (("cost", 3, "uniform", np.eye(2)), r"`cost` must have the shape \(3, 3\): one row per true class"),
        (
            ("cost", 2, "uniform", [[0, 1], [-3, 0]]),
            r"not for class 1: its row is \[-3.0, 0.0\]. Rows are true classes; pass the transpose",
        ),
        (
            ("cost", 2, "uniform", np.eye(2)),
            "must be lowest for the correct prediction of each class. It is not for class 0",
        ),
    ],
)
def test_what_is_no_metric_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_metric(*arguments)


def test_costs_must_be_numbers():
    with pytest.raises(TypeError, match="`cost` must hold numbers. Got"):
        make_metric("cost", 2, "uniform", [["a", "b"], ["c", "d"]])
