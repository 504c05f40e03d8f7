"""Scores with the names of their classes in one cell."""

import json

import numpy as np
import pandas as pd
import pytest

from longtail.repair import read_predictions

ROWS = [{"cat": 0.8, "dog": 0.15, "lynx": 0.05}, {"lynx": 0.5, "cat": 0.3, "dog": 0.2}, {"dog": 1, "lynx": 0, "cat": 0}]
LABELS = ["cat", "lynx", "dog"]


def pairs(row):
    return sorted(({"label": name, "score": score} for name, score in row.items()), key=lambda pair: -pair["score"])


@pytest.mark.parametrize("form", [dict, pairs])
@pytest.mark.parametrize("column", ["scores", "probabilities", "predictions"])
def test_scores_go_by_their_names_in_any_order(tmp_path, form, column):
    lines = [{"id": 7 + i, "label": LABELS[i], column: form(ROWS[i]), "model": "v3"} for i in range(3)]
    path = tmp_path / "api.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for source in (path, pd.DataFrame(lines, index=[5, 5, 2])):
        found = read_predictions(source, kind="probabilities")
        assert found.class_names == ("cat", "dog", "lynx") if form is dict else set(found.class_names) == set(LABELS)
        assert [found.class_names[index] for index in found.target] == LABELS
        expected = [[row[name] for name in found.class_names] for row in ROWS[:2]]
        np.testing.assert_allclose(np.exp(found.logits[:2]), expected)


def test_rows_of_other_classes_are_refused():
    table = pd.DataFrame({"label": LABELS, "scores": [pairs(row)[:2] for row in ROWS]})
    with pytest.raises(ValueError, match=r"row 2, column scores: .* differ in 'dog', 'lynx'. Ask for .*top_k=None"):
        read_predictions(table, kind="probabilities")
    table = pd.DataFrame({"label": LABELS, "scores": [ROWS[0], 0.5, ROWS[2]]})
    with pytest.raises(ValueError, match="row 2, column scores: .* differ in 'cat', 'dog', 'lynx'"):
        read_predictions(table, kind="probabilities")


def test_other_columns_of_dictionaries_are_not_used():
    table = pd.DataFrame({"label": LABELS, "scores": ROWS, "usage": [{"tokens": 3}] * 3})
    found = read_predictions(table, kind="probabilities")
    assert "the table: columns that are not used: 'usage'." in found.notes


@pytest.mark.parametrize("form", [dict, pairs])
def test_a_column_of_scores_of_another_name_is_to_be_renamed(form):
    table = pd.DataFrame({"label": LABELS, "probs": [form(row) for row in ROWS], "usage": [{"tokens": 3}] * 3})
    with pytest.raises(ValueError, match=r"Got 'probs': rename it, table.rename\(columns=\{'probs': 'scores'\}\)"):
        read_predictions(table, kind="probabilities")
