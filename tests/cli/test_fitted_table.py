import io
import re

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from longtail.cli.fitted_table import fitted
from longtail.repair import diagnose
from longtail.reports.outcomes import Column, candidate_columns, class_columns, shows_classes

LONG = ["melanocytic nevi of the skin", "an_identifier_without_a_single_blank_in_it", "日本語のとても長いクラス名", "x"]
WIDTHS = [40, 60, 80, 120]


def found(num_classes, *, counts=True, cost=False):
    rng = np.random.default_rng(0)
    sizes = np.geomspace(40, 4, num_classes).astype(int)
    target = np.repeat(np.arange(num_classes), sizes)
    logits = rng.normal(size=(len(target), num_classes)) + 2 * np.eye(num_classes)[target]
    logits += 3 * np.linspace(1, 0, num_classes)
    names = [f"{LONG[label % len(LONG)]} {label}" for label in range(num_classes)]
    return diagnose(
        logits,
        target,
        class_names=names,
        class_counts=sizes * 3 if counts else None,
        metric="cost" if cost else "balanced-accuracy",
        cost=1 - np.eye(num_classes) if cost else None,
    )


@pytest.fixture(scope="module")
def diagnoses():
    """From three to five candidates."""
    return {
        3: found(3, counts=False),
        7: found(7, cost=True),
        12: found(12),
        13: found(13, counts=False),
        100: found(100),
    }


def printed(columns, width, *, terminal):
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, markup=False, highlight=False)
    table, left_out = fitted(columns, width)
    console.print(table)
    return re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue()), left_out


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("num_classes", [3, 7, 12, 13, 100])
@pytest.mark.slow
def test_metric_tail_and_accuracy_are_whole(diagnoses, num_classes, width, terminal):
    own = diagnoses[num_classes]
    columns = candidate_columns(own)
    text, left_out = printed(columns, width, terminal=terminal)
    assert max(map(cell_len, text.splitlines())) <= width
    tail = [] if shows_classes(own) else [columns[-2]]
    for column in (columns[1], *tail, columns[-1]):
        assert column.heading not in left_out
        for cell in column.cells:
            assert re.search(rf"(?<![\d.]){re.escape(cell)}(?![\d.])", text)
    assert "…" not in text
    if width == 120:
        assert left_out == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("num_classes", [3, 7, 12])
@pytest.mark.slow
def test_each_class_has_its_recall_before_and_after(diagnoses, num_classes, width):
    own = diagnoses[num_classes]
    columns = class_columns(own)
    text, left_out = printed(columns, width, terminal=False)
    assert max(map(cell_len, text.splitlines())) <= width
    assert {"class", "as it is", own.best}.isdisjoint(left_out)
    shown = [column for column in columns if column.heading not in left_out]
    for row in zip(*(column.cells for column in shown[1:]), strict=True):
        assert re.search(r"\s+".join(map(re.escape, row)), text)


def test_the_interval_goes_first_and_the_tail_stays():
    columns = [
        Column("candidate", ["a name of some length"]),
        Column("gain", ["+1.0"], 1),
        Column("interval", ["+0.5 to +1.5"], 4),
        Column("many", ["80.0"], 2),
        Column("few", ["67.8"]),
        Column("accuracy", ["70.0"]),
    ]
    text, left_out = printed(columns, 50, terminal=False)
    assert left_out == ["interval"]
    assert "67.8" in text
    text, left_out = printed(columns, 36, terminal=False)
    assert left_out == ["gain", "interval", "many"]
    assert "67.8" in text
    assert "70.0" in text


def test_control_characters_in_a_name_stay_in_its_cell():
    text, _ = printed([Column("class", ["a\x1b[31m\nb\u202e"]), Column("recall", ["50.0"])], 80, terminal=False)
    assert r"a\x1b[31m\nb\u202e" in text
    assert len(text.splitlines()) == 2
