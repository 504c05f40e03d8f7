from collections.abc import Callable

import pytest

from longtail.analysis import (
    accuracy_trade_off,
    calibration_by_group,
    class_geometry,
    class_groups,
    classifier_weight_norms,
    trade_off,
)
from longtail.recipes import second_stage
from longtail.reports import comparison_table
from longtail.training import score, stored_config, trained_network

FUNCTIONS: dict[str, list[Callable[..., object]]] = {
    "folder": [
        accuracy_trade_off,
        calibration_by_group,
        class_geometry,
        class_groups,
        classifier_weight_norms,
        score,
        stored_config,
        trade_off,
        trained_network,
    ],
    "first": [lambda run: second_stage(run, "crt")],
    "groups": [lambda run: comparison_table({"ce": [run]}, {})],
}


@pytest.mark.parametrize(("name", "function"), [(name, function) for name in FUNCTIONS for function in FUNCTIONS[name]])
def test_a_path_is_not_taken_for_an_open_run(tmp_path, name, function):
    for path in (tmp_path, str(tmp_path)):
        with pytest.raises(TypeError, match=rf"`{name}` must be a RunFolder. .*`RunFolder.open\('{tmp_path}'\)`"):
            function(path)
