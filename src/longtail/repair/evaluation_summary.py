"""A summary of the evaluation of a fix."""

from longtail.repair.findings import Scores
from longtail.repair.fix import Fix

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
    low, high = (100 * value for value in interval)
    old, new = (100 * own.score for own in scores)
    estimated = "," if abs(new - old - 100 * gain) < LEAST_SHOWN else " on these samples; estimated gain on new samples"
    measured = (
        f"{metric} {old:.1f} → {new:.1f}{estimated} {100 * gain:+.1f} points "
        f"({100 * level:g} % interval {low:+.1f} to {high:+.1f})"
    )
    if low > 0:
        sentence = f"The fix {'still ' if promised else ''}helps: {measured}."
    elif high < 0:
        sentence = f"The fix {'now ' if promised else ''}hurts: {measured}. Fit a new one, or use the model without it."
    else:
        sentence = (
            f"No gain seen: {measured}. The interval includes 0: these samples do not tell whether the fix helps."
        )
    return sentence if promised is None else f"{sentence} {_kept(100 * gain, (low, high), promised)}"


def _kept(gain: float, interval: tuple[float, float], promised: tuple[float, float]) -> str:
    low, high = (100 * value for value in promised)
    was = f"When it was fitted, the interval of its gain was {low:+.1f} to {high:+.1f}: the gain here"
    if low <= gain <= high:
        return f"{was} lies within it."
    apart = interval[1] < low or interval[0] > high
    where = "below" if gain < low else "above"
    return f"{was} lies {where} it, {'and' if apart else 'but'} the two intervals {'do not ' if apart else ''}overlap."
