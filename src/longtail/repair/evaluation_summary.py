"""A summary of the evaluation of a fix."""

from longtail.repair.findings import Scores
from longtail.repair.fix import Fix
from longtail.repair.metrics import ExpectedCost

LEAST_SHOWN = 0.05  # points


def promised_by(fix: Fix) -> tuple[float, float] | None:
    """The interval of the gain when the fix was fitted, if it is known."""
    interval = fix.evidence.get("gain_interval")
    if not isinstance(interval, (list, tuple)) or len(interval) != 2 or None in interval:
        return None
    return float(interval[0]), float(interval[1])


def summary_of_gain(
    metric: str,
    scores: tuple[Scores, Scores],
    gain: float,
    interval: tuple[float, float],
    level: float,
    promised: tuple[float, float] | None,
    *,
    changed: int,
) -> str:
    """One or two sentences on the gain and its interval."""
    if not changed:
        return "The fix changes no decision on these samples."
    low, high = interval
    measured = f"{_measured(metric, scores, gain)} ({100 * level:g} % interval {_span(metric, interval)})"
    if low > 0:
        sentence = f"The fix {'still ' if promised else ''}helps: {measured}."
    elif high < 0:
        sentence = f"The fix {'now ' if promised else ''}hurts: {measured}. Fit a new one, or use the model without it."
    else:
        sentence = (
            f"No gain seen: {measured}. The interval includes 0: these samples do not tell whether the fix helps."
        )
    return sentence if promised is None else f"{sentence} {_kept(metric, gain, interval, promised)}"


def _measured(metric: str, scores: tuple[Scores, Scores], gain: float) -> str:
    """Both scores and the gain: costs per decision in the unit of the cost matrix, all others in percentage points."""
    old, new = (own.score for own in scores)
    if metric == ExpectedCost.name:
        return f"expected cost per decision {-old:.3g} → {-new:.3g}, a saving of {gain:.3g}"
    apart = abs(100 * (new - old - gain)) >= LEAST_SHOWN
    estimated = " on these samples; estimated gain on new samples" if apart else ","
    return f"{metric} {100 * old:.1f} → {100 * new:.1f}{estimated} {100 * gain:+.1f} points"


def _span(metric: str, interval: tuple[float, float]) -> str:
    if metric == ExpectedCost.name:
        return " to ".join(f"{end:.3g}" for end in interval)
    return " to ".join(f"{100 * end:+.1f}" for end in interval)


def _kept(metric: str, gain: float, interval: tuple[float, float], promised: tuple[float, float]) -> str:
    low, high = promised
    was = f"When it was fitted, the interval of its gain was {_span(metric, promised)}: the gain here"
    if low <= gain <= high:
        return f"{was} lies within it."
    apart = interval[1] < low or interval[0] > high
    where = "below" if gain < low else "above"
    return f"{was} lies {where} it, {'and' if apart else 'but'} the two intervals {'do not ' if apart else ''}overlap."
