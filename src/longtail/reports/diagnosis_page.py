"""The HTML report of a diagnosis."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from longtail.repair import Diagnosis
from longtail.reports.class_values import ByRankDisplay
from longtail.reports.formatting import percent
from longtail.reports.gains import GainsDisplay
from longtail.reports.head_and_tail import head_and_tail
from longtail.reports.next_steps import next_steps
from longtail.reports.outcomes import AS_IT_IS, as_rows, candidate_columns, class_columns, shows_classes, unit_of_scores
from longtail.reports.page import Figure, Page, Table
from longtail.reports.per_class_recall import MOST_NAMED_CLASSES, PerClassRecallDisplay
from longtail.reports.reliability import ReliabilityDisplay
from longtail.reports.trade_off import TradeOffDisplay

MANY_CLASSES = "Lines are means over neighbouring ranks, points are classes; the table has 95 % Wilson intervals."
CLASSES = "Recall of each class in %, cross-fitted"


def fix_page(
    found: Diagnosis, source: str = "predictions", *, file: Path | None = None, warnings: Sequence[str] = ()
) -> Page:
    """The HTML report of a diagnosis.

    Args:
        found: a diagnosis.
        source: name of the predictions.
        file: path of the fix; if given, the report ends with the next steps.
        warnings: warnings above the verdict.

    Example:
        >>> from longtail.repair import diagnose
        >>> target = np.arange(300) % 3
        >>> logits = np.random.default_rng(0).normal(size=(300, 3)) + 2 * np.eye(3)[target]
        >>> fix_page(diagnose(logits, target)).title
        'Keep the model: predictions'
    """
    heading = {"use": "A fix helps", "keep": "Keep the model", "too few": "Too few samples to tell"}[found.verdict]
    drawn = (_trade_off, _gains, _recall, _predicted, _reliability)
    figures = [figure for draw in drawn if (figure := draw(found)) is not None]
    failures = [f"{o.name}: {o.failure}" for o in found.outcomes if o.failure]
    scored = f"Scores of each candidate, {unit_of_scores(found)}, cross-fitted"
    tables = [Table(scored, *as_rows(candidate_columns(found)))]
    if shows_classes(found):
        tables.append(Table(CLASSES, *as_rows(class_columns(found))))
    return Page(
        f"{heading}: {source}",
        [*(f"Warning: {warning}" for warning in warnings), found.summary, *failures],
        tables,
        figures,
        facts=_facts(found, source),
        steps=[] if file is None else next_steps(found, file),
    )


def _trade_off(found: Diagnosis) -> Figure | None:
    ends = head_and_tail(found)
    if ends is None:
        return None
    head, tail = ends
    curves = {
        outcome.name: {strength: (head.recall(own), tail.recall(own)) for strength, own in outcome.curve.items()}
        for outcome in found.outcomes
        if outcome.scores is not None
    }
    chosen = (found.best, next(o.strength for o in found.outcomes if o.name == found.best))
    excluded = {(o.name, strength) for o in found.outcomes for strength in o.excluded}
    display = TradeOffDisplay(curves, head.title, tail.title, chosen, excluded=excluded)
    points = ((point, name, strength) for name, curve in curves.items() for strength, point in curve.items())
    (of_head, most), name, strength = max(points, key=lambda entry: entry[0][1])
    words = (
        f"The uncorrected model has a mean recall of {percent(head.recall(found.before))} % on {head.name} and "
        f"{percent(tail.recall(found.before))} % on {tail.name}. {name.capitalize()} with τ = {strength:g} has the "
        f"largest mean recall on the latter, {percent(most)} %, and {percent(of_head)} % on the former. "
        "Each line starts at τ = 0, the uncorrected model; the ring marks the candidate and τ that are chosen."
        f"{' Hollow points break a limit on losses.' if excluded else ''}"
    )
    return Figure("Head–tail recall trade-off", words, display.plot(), display.frame())


def _gains(found: Diagnosis) -> Figure:
    level = 100 * float(found.fix.evidence["interval_level"])
    display = GainsDisplay(
        {o.name: (o.gain, *o.interval) for o in found.outcomes if o.scores is not None}, found.metric
    )
    above = [o.name for o in found.outcomes if o.scores is not None and o.interval[0] > 0]
    words = f"Intervals of {level:.2f} %. Candidates whose interval lies above 0: {', '.join(above) or 'none'}."
    return Figure("Gain of each candidate, with intervals", words, display.plot(), display.frame())


def _recall(found: Diagnosis) -> Figure:
    by_class = found.by_class
    before, after = by_class.recall
    display = PerClassRecallDisplay(
        {"": {AS_IT_IS: before, found.best: after}},
        by_class.training,
        found.fix.class_names,
        by_class.samples,
        "recall, cross-fitted",
        "training samples" if by_class.training_known else "samples here",
    )
    rose, fell = int((after > before).sum()), int((after < before).sum())
    words = (
        f"With {found.best}, recall rises for {rose} of {len(before)} classes and falls for {fell}. "
        f"{MANY_CLASSES if len(before) > MOST_NAMED_CLASSES else 'Bars are 95 % Wilson intervals.'}"
    )
    frame = display.frame().drop(columns="panel")
    return Figure("Per-class recall, head to tail", words, display.plot(), frame)


def _predicted(found: Diagnosis) -> Figure:
    by_class = found.by_class
    before, after = by_class.predicted
    display = ByRankDisplay(
        {AS_IT_IS: before, found.best: after, "labels": by_class.samples},
        by_class.training,
        "predictions",
        found.fix.class_names,
        scale="sqrt",
    )
    never = [int(((values == 0) & (by_class.samples > 0)).sum()) for values in (before, after)]
    words = (
        f"Classes with samples that are never predicted: {never[0]} by the uncorrected model, {never[1]} with "
        f"{found.best}. The line “labels” is the number of samples of each class."
    )
    return Figure("Number of predictions per class", words, display.plot(), display.frame())


def _reliability(found: Diagnosis) -> Figure:
    before, after = found.calibration.reliability
    called = "calibrated" if found.calibration.lowers_top_label else "with a temperature"
    display = ReliabilityDisplay({AS_IT_IS: before, called: after})
    top = found.calibration.top_label
    sure = float((before[:, 2] * (before[:, 0] - before[:, 1])).sum())
    words = (
        f"Under the class prior of the metric, confidence is on average {100 * abs(sure):.1f} points "
        f"{'above' if sure > 0 else 'below'} accuracy. Top-label calibration error: {percent(top[0])} % as it is, "
        f"{percent(top[1])} % with a temperature, cross-fitted."
        + ("" if found.calibration.helps else " The temperature does not help and is not used.")
    )
    return Figure("Reliability diagram", words, display.plot(), display.frame())


def _facts(found: Diagnosis, source: str) -> dict[str, str]:
    evidence = found.fix.evidence
    uniform = np.allclose(found.fix.prior, found.fix.prior[0])
    return {
        "predictions": source,
        "samples": f"{found.samples:,} in {len(found.fix.class_names):,} classes",
        "metric": found.metric,
        "prior of the metric": "uniform" if uniform else "not uniform; see the file of the fix",
        "folds": f"{evidence['folds']}; offsets and τ for a fold are fitted on the other folds",
        "intervals": f"{100 * evidence['interval_level']:.2f} %, normal, from the variances of the class means",
        **({} if shows_classes(found) else {"class groups": _sizes(found.groups)}),
        "transductive": "no: each prediction uses a single sample",
        "temperature": f"{found.fix.temperature:.2f}, fitted on {found.calibration.samples:,} samples"
        if found.calibration.helps
        else "not used",
    }


def _sizes(groups: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in groups.items())
