"""What `longtail fix` promised from held-out predictions, and what the test set said."""

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pages.environment import environments_of
from pages.fix_group import (
    KINDS,
    PUBLISHED,
    Group,
    Result,
    agrees,
    agrees_by_fold,
    chance_of_coverage,
    count,
    counted,
    gain,
    gain_by_fold,
    groups_of,
    is_covered,
    kind,
    used,
)
from pages.formatting import decimal, listed, percent, signed, spread, table

CANDIDATES = {
    "one step": ("re-balancing",),
    "fixed point": ("re-balancing to the fixed point",),
    "shrunk fixed point": ("shrunk fixed point",),
    "logit adjustment": ("logit adjustment", "logit adjustment by the samples here"),
}
"""Names in the tables, and those that a diagnosis gives."""
SHORT = {name: short for short, names in CANDIDATES.items() for name in names}
WAYS = {
    "logit adjustment": "Logit adjustment by the counts (τ = 1)",
    "thresholds": "One-vs-rest thresholds on the same predictions",
    "refitted thresholds": "One-vs-rest thresholds of refitted models",
    "class_weight": '`class_weight="balanced"`',
    "class_weight and fix": "A fix on top of class weights",
}
CLEARLY = 0.005
"""Balanced accuracy: smaller differences between ways are not listed."""
MUCH_ACCURACY = 0.01


def cases_table(groups: list[Group]) -> str:
    """Of the first split of each data set."""
    first = {group.data: group for group in groups}
    rows = []
    for data, group in first.items():
        result = group.results[0]
        sizes = (f"{result[key]:,}" for key in ("classes", "samples", "rarest", "test_samples"))
        rows.append((data, kind(result), len(group.results), *sizes))
    columns = ("splits", "classes", "samples", "of the rarest class", "samples of the test set")
    return table(("data", "the diagnosis sees", *columns), rows, left=2)


def changes_table(groups: list[Group]) -> str:
    """Scores on the test set, before and after the verdict was followed."""
    rows = [
        (
            group.data,
            group.model,
            group.verdicts(),
            *(spread(group.values(when)) for when in ("before", "after")),
            *(spread(group.values(when, "accuracy")) for when in ("before", "after")),
        )
        for group in groups
    ]
    columns = ("balanced accuracy before", "after", "accuracy before", "after")
    return table(("data", "model", "verdict", *columns), rows, left=3)


def promises_table(groups: list[Group]) -> str:
    """Of the fixes that were used."""
    rows = [
        (
            group.data,
            group.model,
            len(group.used),
            spread([r["promised"] for r in group.used]),
            spread([r["on_classes_of_test"]["promised"] for r in group.used]),
            spread(list(map(gain, group.used))),
            percent(group.mean_of_used("gain_error")),
            spread([gain_by_fold(r) for r in group.used]) if group.used[0]["by_fold"] else "",
            *agreement(group.used),
        )
        for group in groups
        if group.used
    ]
    columns = (
        "promised",
        "on the classes of the test set",
        "measured",
        "its standard error",
        "models of the folds",
        *AGREEMENT,
    )
    return table(("data", "model", "fixes used", *columns), rows, left=2)


AGREEMENT = ("covered", "expected", "agree")


def agreement(results: Sequence[Result]) -> tuple[object, ...]:
    """How many measured gains lie in the promised interval, how many would if it is right, and how many agree."""
    return count(is_covered, results), decimal(sum(map(chance_of_coverage, results))), count(agrees, results)


def kinds_table(runs: list[Result]) -> str:
    """The promises by what the diagnosis saw."""
    rows = []
    for name in (*KINDS, "all"):
        of_kind = [r for r in runs if name in (kind(r), "all")]
        promised = used(of_kind)
        gained = count(lambda r: gain(r) > 0, promised)
        rows.append((name, len(of_kind), len(promised), gained, *agreement(promised)))
    return table(("the diagnosis sees", "cases", "fixes used", "gained", *AGREEMENT), rows, left=1)


def not_used_table(groups: list[Group]) -> str:
    """What the best candidate would have changed where it was not used."""
    rows = [
        (
            group.data,
            group.model,
            counted(r["verdict"] for r in group.not_used),
            spread([gain(r, "anyway") for r in group.not_used]),
            spread([gain(r, "anyway", "accuracy") for r in group.not_used]),
        )
        for group in groups
        if group.not_used
    ]
    return table(("data", "model", "verdict", "balanced accuracy", "accuracy"), rows, left=3)


def candidates_table(groups: list[Group]) -> str:
    """Cross-fitted scores of all candidates, and which was chosen."""
    rows = [
        (
            group.data,
            group.model,
            counted(SHORT[r["candidate"]] for r in group.used),
            spread([r["held_out_before"] for r in group.results]),
            *(spread(group.cross_fitted(names)) for names in CANDIDATES.values()),
        )
        for group in groups
    ]
    return table(("data", "model", "used", "as it is", *CANDIDATES), rows, left=3)


def ways_table(groups: list[Group]) -> str:
    """Balanced accuracy and accuracy, mean over the splits that have them."""
    rows = []
    for group in groups:
        fix = both(group.mean("after"), group.mean("after", "accuracy"))
        rows.append((group.data, group.model, fix, *(way_cell(group, way) for way in WAYS)))
    return table(("data", "model", "fix", *WAYS), rows, left=2)


def way_cell(group: Group, way: str) -> str:
    scores = [group.others(way, score) for score in ("balanced_accuracy", "accuracy")]
    return both(*map(statistics.mean, scores)) if scores[0] else ""


def both(balanced_accuracy: float, accuracy: float) -> str:
    return f"{percent(balanced_accuracy)} ({percent(accuracy)})"


def better(groups: list[Group], way: str, sign: int) -> list[str]:
    """Models for which a way is clearly better than the fix (sign 1), or the fix than it (−1), the largest first."""
    found = []
    for group in groups:
        pairs = group.pairs(way)
        differences = [sign * (other - fix) for other, fix in pairs]
        if pairs and statistics.mean(differences) > CLEARLY:
            other, fix = (percent(statistics.mean(each)) for each in zip(*pairs, strict=True))
            wins = sum(difference > 0 for difference in differences)
            numbers = f"{other} and {fix}; in {wins} of {len(pairs)} splits"
            found.append((statistics.mean(differences), f"{group.name} ({numbers})"))
    return [words for _, words in sorted(found, reverse=True)]


def comparisons(groups: list[Group], sign: int) -> str:
    """One list item for each other way: where it is better than the fix (sign 1), or the fix than it (−1)."""
    items = []
    for way, words in WAYS.items():
        found, known = better(groups, way, sign), sum(bool(group.pairs(way)) for group in groups)
        names = f": {listed(found)}" if found else ""
        items.append(f"- {words}: {len(found)} of {known}{names}.")
    return "\n".join(items)


def harmed(runs: list[Result]) -> list[str]:
    """Fixes that were used and lowered the balanced accuracy of the test set."""
    return [f"{Group([r]).name}, split {r['seed']} ({signed(gain(r))})" for r in used(runs) if gain(r) < 0]


def less_accurate(groups: list[Group]) -> list[str]:
    """Models whose accuracy the fixes that were used lower by more than a point, the largest loss first."""
    changes = [(statistics.mean(gain(r, score="accuracy") for r in g.used), g.name) for g in groups if g.used]
    return [f"{name} ({percent(change)})" for change, name in sorted(changes) if change < -MUCH_ACCURACY]


def too_high(groups: list[Group]) -> list[str]:
    """Models with promises that do not agree because they are too large."""
    found = []
    for group in groups:
        missed = count(lambda r: not agrees(r) and gain(r) < r["promised"], group.used)
        if missed:
            gained = statistics.mean(map(gain, group.used))
            numbers = f"{percent(group.mean_of_used('promised'))} promised, {percent(gained)} measured"
            found.append((missed, f"{group.name} ({missed} of {len(group.used)}: {numbers})"))
    return [words for _, words in sorted(found, reverse=True)]


def of_folds(runs: list[Result]) -> dict[str, Any]:
    """Promised and measured gains of the fixes from cross-validated predictions, on average."""
    promised = [r for r in used(runs) if r["by_fold"]]
    return {
        "number": len(promised),
        "promised": statistics.mean(r["promised"] for r in promised),
        "measured": statistics.mean(map(gain, promised)),
        "by_fold": statistics.mean(map(gain_by_fold, promised)),
        "agree": count(agrees, promised),
        "agree_by_fold": count(agrees_by_fold, promised),
    }


def summary(runs: list[Result]) -> str:
    """The sentence that other pages quote."""
    promised, files = used(runs), {r["data"] for r in runs if r["model"] == PUBLISHED}
    gained = count(lambda r: gain(r) > 0, promised)
    models = {(r["data"], r["model"]) for r in runs if r["model"] != PUBLISHED}
    covered, expected, agree = agreement(promised)
    splits = Counter((r["data"], r["model"]) for r in runs).values()
    return (
        f"In {len(runs)} cases ({len(models)} models and {len(files)} files of published predictions, {min(splits)} to "
        f'{max(splits)} splits each), {gained} of {len(promised)} fixes with the verdict "use" improved balanced '
        f"accuracy on samples that nothing was fitted on. {covered} of these gains lie in the promised interval; "
        f"{expected} would be expected if all promises were right, since a measured gain has an error, too. Of "
        f"all, {agree} differ from the promise by no more than both errors explain (nominally 95 %)."
    )


def values(results: Path) -> dict[str, Any]:
    runs = json.loads((results / "fix.json").read_text())
    groups, not_used = groups_of(runs), [r for r in runs if r["verdict"] != "use"]
    return {
        "runs": runs,
        "group": {(group.data, group.model): group for group in groups},
        "environments": environments_of(runs, {}),
        "commits": listed(dict.fromkeys(str(r["commit"])[:10] for r in runs)),
        "level": listed(sorted({percent(r["level"], 2) for r in runs})),
        "summary": summary(runs),
        "cases": cases_table(groups),
        "changes": changes_table(groups),
        "kinds": kinds_table(runs),
        "promises": promises_table(groups),
        "not_used": not_used,
        "would_gain": count(lambda r: gain(r, "anyway") > 0.01, not_used),
        "would_lose": count(lambda r: gain(r, "anyway") < -0.01, not_used),
        "not_used_table": not_used_table(groups),
        "candidates": candidates_table(groups),
        "other_ways": ways_table(groups),
        "fix_is_better": comparisons(groups, -1),
        "others_are_better": comparisons(groups, 1),
        "harmed": harmed(runs),
        "less_accurate": less_accurate(groups),
        "too_high": too_high(groups),
        "folds": of_folds(runs),
    }
