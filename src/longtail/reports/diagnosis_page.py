"""The page of a diagnosis: what is wrong, what would help, and what it costs."""

import numpy as np

from longtail.repair import Diagnosis
from longtail.reports.class_values import ByRankDisplay
from longtail.reports.formatting import percent
from longtail.reports.gains import GainsDisplay
from longtail.reports.outcomes import AS_IT_IS, outcome_rows
from longtail.reports.page import Figure, Page, Table
from longtail.reports.per_class_recall import MOST_NAMED_CLASSES, PerClassRecallDisplay
from longtail.reports.reliability import ReliabilityDisplay
from longtail.reports.trade_off import TradeOffDisplay

TABLE = "What would help, in %, on data that no fit has seen"


def fix_page(found: Diagnosis, source: str = "predictions") -> Page:
    """What `longtail fix` found, as a page.

    Args:
        found: a diagnosis.
        source: where the predictions come from.

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
    return Page(
        f"{heading}: {source}",
        [found.summary, *failures],
        [Table(TABLE, *outcome_rows(found))],
        figures,
        facts=_facts(found, source),
    )


def _trade_off(found: Diagnosis) -> Figure | None:
    """Between the first and the last group of classes that have samples."""
    groups = [name for name, recall in found.before.groups.items() if recall is not None]
    if len(groups) < 2:
        return None
    head, tail = groups[0], groups[-1]
    curves = {
        outcome.name: {
            strength: (float(scores.groups[head] or 0), float(scores.groups[tail] or 0))
            for strength, scores in outcome.curve.items()
        }
        for outcome in found.outcomes
        if outcome.scores is not None
    }
    chosen = (found.best, next(o.strength for o in found.outcomes if o.name == found.best))
    display = TradeOffDisplay(curves, head, tail, chosen)
    points = ((point, name, strength) for name, curve in curves.items() for strength, point in curve.items())
    (paid, most), name, strength = max(points, key=lambda entry: entry[0][1])
    words = (
        f"As it is, the model has a mean recall of {percent(found.before.groups[head])} % on {head} and "
        f"{percent(found.before.groups[tail])} % on {tail}. The most for {tail} is {percent(most)} %, by {name} at "
        f"strength {strength:g}, with {percent(paid)} % on {head}. Each line begins at strength 0, the model as "
        "it is; a ring marks the candidate of the largest gain."
    )
    return Figure("What the head pays for the tail", words, display.plot(), display.frame())


def _gains(found: Diagnosis) -> Figure:
    level = 100 * float(found.fix.evidence["interval_level"])
    display = GainsDisplay(
        {o.name: (o.gain, *o.interval) for o in found.outcomes if o.scores is not None}, found.metric
    )
    above = [o.name for o in found.outcomes if o.scores is not None and o.interval[0] > 0]
    words = (
        f"Intervals that lie above no gain: {', '.join(above) or 'none'}. They hold {level:.2f} % each, by a bootstrap."
    )
    return Figure("Gains, and how far they may be chance", words, display.plot(), display.frame())


def _recall(found: Diagnosis) -> Figure:
    by_class = found.by_class
    before, after = by_class.recall
    display = PerClassRecallDisplay(
        {"": {AS_IT_IS: before, found.best: after}},
        by_class.training,
        found.fix.class_names,
        by_class.samples,
        "recall, cross-fitted",
        "training samples" if "many" in found.groups else "samples here",
    )
    rose, fell = int((after > before).sum()), int((after < before).sum())
    words = (
        f"With {found.best}, cross-fitted, the recall of {rose} classes rises and of {fell} falls, of {len(before)}. "
        f"{'Lines are means over neighbouring ranks, points are classes. ' if len(before) > MOST_NAMED_CLASSES else ''}"
        "The numbers hold Wilson's 95 % intervals."
    )
    frame = display.frame().drop(columns="panel")
    return Figure("Recall of each class, head to tail", words, display.plot(), frame)


def _predicted(found: Diagnosis) -> Figure:
    by_class = found.by_class
    before, after = by_class.predicted
    display = ByRankDisplay(
        {AS_IT_IS: before, found.best: after, "truth": by_class.samples},
        by_class.training,
        "predictions of the class",
        found.fix.class_names,
        scale="sqrt",
    )
    never = [int(((values == 0) & (by_class.samples > 0)).sum()) for values in (before, after)]
    words = (
        f"Classes that have samples and are never predicted: {never[0]} by the model as it is, {never[1]} with "
        f"{found.best}. The truth follows the frequencies of these very data."
    )
    return Figure("How often each class is predicted", words, display.plot(), display.frame())


def _reliability(found: Diagnosis) -> Figure:
    before, after = found.calibration.reliability
    display = ReliabilityDisplay({AS_IT_IS: before, "calibrated": after})
    top = found.calibration.top_label
    sure = float((before[:, 2] * (before[:, 0] - before[:, 1])).sum())
    words = (
        f"Under the class prior of the metric, the model's confidence is {100 * abs(sure):.1f} points too "
        f"{'high' if sure > 0 else 'low'} on average; its calibration error is {percent(top[0])} %, and "
        f"{percent(top[1])} % after the fix's temperature and offsets."
    )
    return Figure("Confidence, and how often it is right", words, display.plot(), display.frame())


def _facts(found: Diagnosis, source: str) -> dict[str, str]:
    evidence = found.fix.evidence
    uniform = np.allclose(found.fix.prior, found.fix.prior[0])
    return {
        "predictions": source,
        "samples": f"{found.samples:,} in {len(found.fix.class_names):,} classes",
        "metric": found.metric,
        "prior of the metric": "uniform" if uniform else "another, in the fix's file",
        "folds": f"{evidence['folds']}; offsets and their strength are fitted without the fold that they are scored on",
        "intervals": f"{100 * evidence['interval_level']:.2f} %, paired bootstrap within the classes",
        "classes": ", ".join(f"{name} {number}" for name, number in found.groups.items()),
        "transductive": "no: every decision is made from one sample alone",
        "calibrated on": f"{found.calibration.samples:,} samples",
    }
