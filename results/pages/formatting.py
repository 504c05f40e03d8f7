"""Numbers as pages print them: shares in %, differences in points, mean ± standard deviation over seeds."""

import statistics
from collections.abc import Iterable, Sequence


def decimal(value: float, places: int = 1) -> str:
    """A number with a fixed number of decimals, and a minus sign that is one."""
    rounded = round(value, places) + 0.0  # + 0.0 turns −0.0 into 0.0
    return f"{rounded:.{places}f}".replace("-", "−")


def percent(share: float, places: int = 1) -> str:
    """A share, or a difference of shares, in % or points."""
    return decimal(in_percent(share), places)


def in_percent(share: float) -> float:
    """Rounded, since the last bits of a mean of recalls must not decide how a half is rounded."""
    return round(100 * share, 6)


def signed(share: float) -> str:
    """A difference of shares in points, with its sign."""
    text = percent(share)
    return text if text.startswith("−") or text == "0.0" else f"+{text}"


def spread(shares: Sequence[float | None]) -> str:
    """Mean ± standard deviation (n − 1) of shares in %; "none" if there is no share, or one is missing."""
    known = [share for share in shares if share is not None]
    if not known or len(known) < len(shares):
        return "none"
    return percent(statistics.mean(known)) + (f" ± {percent(statistics.stdev(known))}" if len(known) > 1 else "")


def listed(words: Iterable[object]) -> str:
    """Words with commas between them, and "and" before the last."""
    *head, last = map(str, words)
    return f"{', '.join(head)} and {last}" if head else last


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], left: int) -> str:
    """A table of Markdown whose first `left` columns are text, the others numbers."""
    rule = "|" + "---|" * left + "---:|" * (len(columns) - left)
    return "\n".join([line(columns), rule, *map(line, rows)])


def line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
