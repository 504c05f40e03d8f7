"""The figure of a natural tail: accuracy against balanced accuracy as a strength grows, means over splits.

python results/trade_off.py fish      # results/figures/fish/trade-off.svg, from results/fish.json
"""

import argparse
import json
import statistics
from pathlib import Path

from longtail.reports import TradeOffDisplay
from pages.natural_tails import CURVES, Point, Tail

RESULTS = Path(__file__).resolve().parent
DRAWN = 0.15  # points of accuracy below cross-entropy that are drawn


def mean_curve(tail: Tail, method: str) -> dict[float, Point]:
    """The mean of each strength's points over all splits; strength 0 is cross-entropy."""
    curves = [tail.curve(method, split) for split in tail.splits]
    means = [tuple(map(statistics.mean, zip(*points, strict=True))) for points in zip(*curves, strict=True)]
    return dict(zip([0.0, *tail.strengths(method)], means, strict=True))


def drawn(curve: dict[float, Point]) -> dict[float, Point]:
    return {strength: point for strength, point in curve.items() if point[0] >= curve[0.0][0] - DRAWN}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="fish or plankton")
    name = parser.parse_args().name
    tail = Tail(json.loads((RESULTS / f"{name}.json").read_text()))
    curves = {label: drawn(mean_curve(tail, method)) for method, label in CURVES.items()}
    figure = RESULTS / "figures" / name / "trade-off.svg"
    figure.parent.mkdir(parents=True, exist_ok=True)
    TradeOffDisplay(curves, "accuracy", "balanced accuracy", score="").plot().properties(width=560).save(figure)
    print(figure.relative_to(RESULTS.parent))


if __name__ == "__main__":
    main()
