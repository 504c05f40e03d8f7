"""The page of plankton, from the transcribed table and from collected runs."""

import json
from pathlib import Path

import pytest

from pages.comparison import Comparison
from pages.methods_plankton import values
from pages.rendering import render

FILE = Path(__file__).parent.parent.parent / "results/methods-plankton.json"


def collected(printed):
    """Runs with three seeds whose means and standard deviations are those of the printed rows."""
    runs = []
    for method in dict.fromkeys(row["method"] for row in printed["rows"]):
        rows = [row for row in printed["rows"] if row["method"] == method]
        for seed in range(3):
            result = {
                "test": {row["predictions"]: shares(row["scores"], seed - 1) for row in rows},
                "parameters": rows[0]["parameters"],
                "training_minutes": rows[0]["minutes"],
                "theta_slope": 0.5,
            }
            runs.append({"method": method, "seed": seed, "settings": rows[0]["settings"], "result": result})
    kept = {key: value for key, value in printed.items() if key not in ("rows", "transcribed", "gala_theta_slopes")}
    return {**kept, "runs": runs}


def shares(scores, sign):
    names = {"all": "balanced_accuracy", "accuracy": "top1"}
    return {names.get(group, group): (mean + sign * spread) / 100 for group, (mean, spread) in scores.items()}


@pytest.mark.slow
def test_the_page_is_written_from_either_kind(tmp_path):
    kept = json.loads(FILE.read_text())
    printed = {
        **kept,
        "rows": printed_rows(Comparison(kept)),
        "transcribed": True,
        "gala_theta_slopes": [0.5, 0.5, 0.5],
    }
    printed.pop("runs", None)
    pages = []
    for content in (printed, collected(printed)):
        (tmp_path / FILE.name).write_text(json.dumps(content))
        pages.append(render("methods-plankton.md.jinja", values(tmp_path)))
    transcribed, computed = pages
    note = next(part for part in transcribed.split("\n\n") if "were not kept" in part)
    assert transcribed.replace(f"{note}\n\n", "") == computed
    assert "| gala | accumulate=released form=released lambda_positive=1.2 | raw | 0 1 2 |" in computed


def printed_rows(comparison):
    """With one decimal."""
    return [
        {
            **row._asdict(),
            "minutes": round(row.minutes, 1),
            "scores": {group: [round(score.mean, 1), round(score.deviation, 1)] for group, score in row.scores.items()},
        }
        for row in comparison.rows
    ]
