"""The rows of a diagnosis: the model as it is, and what each candidate does."""

from longtail.repair import Diagnosis
from longtail.reports.formatting import NONE, percent

AS_IT_IS = "as it is"


def outcome_rows(found: Diagnosis) -> tuple[list[str], list[list[str]]]:
    """Headings and rows, in %."""
    before = found.before
    headings = ["", "metric", "gain", "interval", *found.groups, "accuracy"]
    rows = [[AS_IT_IS, percent(before.score), "", "", *map(percent, before.groups.values()), percent(before.accuracy)]]
    for outcome in found.outcomes:
        if outcome.scores is None:
            rows.append([outcome.name, NONE, *[""] * (len(headings) - 2)])
            continue
        low, high = outcome.interval
        rows.append(
            [
                f"{outcome.name}, τ = {outcome.strength:g}",
                percent(outcome.scores.score),
                f"{100 * outcome.gain:+.1f}",
                f"{100 * low:+.1f} to {100 * high:+.1f}",
                *map(percent, outcome.scores.groups.values()),
                percent(outcome.scores.accuracy),
            ]
        )
    return headings, rows
