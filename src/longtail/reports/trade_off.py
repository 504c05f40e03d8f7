"""Trade-offs as a strength grows: mean recalls of head and tail, or accuracy and balanced accuracy."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from longtail.reports.theme import PERCENT, of_series, shape_of_series, wide

Point = tuple[float, float]


@dataclass
class TradeOffDisplay:
    """A table and a figure: a score of the head against a score of the tail, a line per method, a point per strength.

    Args:
        curves: method, then strength (τ of a correction, λ of a loss), to (head, tail): scores in [0, 1].
        head: name of the head, or lines of it.
        tail: name of the tail, or lines of it.
        score: what is measured on head and tail; "" where `head` and `tail` name scores themselves, such as accuracy
            and balanced accuracy.
        chosen: the method and strength that are recommended, to be marked.
        excluded: methods and strengths that break a limit, drawn hollow.

    Raises:
        ValueError: nothing to show (from `frame` and `plot`).

    Example:
        >>> display = TradeOffDisplay({"re-balancing": {0.0: (0.9, 0.1), 1.0: (0.8, 0.5)}})
        >>> display.frame()[["method", "strength", "tail"]].to_dict("records")[1]
        {'method': 're-balancing', 'strength': 1.0, 'tail': 0.5}
    """

    curves: Mapping[str, Mapping[float, Point]]
    head: str | Sequence[str] = "many"
    tail: str | Sequence[str] = "few"
    chosen: tuple[str, float] | None = None
    score: str = "mean recall"
    excluded: Collection[tuple[str, float]] = ()

    def frame(self) -> pd.DataFrame:
        """One row per method and τ; columns: method, strength (τ), head, tail."""
        rows = [
            {"method": method, "strength": strength, "head": head, "tail": tail}
            for method, curve in self.curves.items()
            for strength, (head, tail) in sorted(curve.items())
        ]
        if not rows:
            raise ValueError("`curves` must hold at least one method. Got none.")
        return pd.DataFrame(rows)

    def plot(self) -> Any:
        """An Altair chart; each line starts at the uncorrected model."""
        frame = self.frame()
        order = list(self.curves)
        base = alt.Chart(frame).encode(
            x=alt.X("head:Q", title=self._title(self.head), scale=alt.Scale(zero=False, padding=12), axis=PERCENT),
            y=alt.Y("tail:Q", title=self._title(self.tail), scale=alt.Scale(zero=False, padding=12), axis=PERCENT),
            order="strength:Q",
            tooltip=[
                "method:N",
                "strength:Q",
                alt.Tooltip("head:Q", format=".3f"),
                alt.Tooltip("tail:Q", format=".3f"),
            ],
            **of_series("method", order),
        )
        kept = [pair not in self.excluded for pair in zip(frame["method"], frame["strength"], strict=True)]
        points = [
            base.properties(data=part)
            .mark_point(filled=filled, size=60, opacity=1)
            .encode(shape=shape_of_series("method", order))
            for part, filled in ((frame[kept], True), (frame[[not own for own in kept]], False))
            if len(part)
        ]
        method, strength = self.chosen or (order[0], None)
        own = alt.Chart(frame[frame["method"] == method]).encode(x="head:Q", y="tail:Q")
        names = own.mark_text(dy=-12, fontSize=10).encode(text=alt.Text("strength:Q", format=".2~f"))
        layers = [base.mark_line(), *points, names]
        if strength is not None:
            marked = own.transform_filter(alt.datum.strength == strength)
            layers.append(marked.mark_point(size=320, strokeWidth=2, color="black"))
        return wide(alt.layer(*layers))

    def _title(self, name: str | Sequence[str]) -> list[str]:
        first, *rest = [name] if isinstance(name, str) else name
        return [f"{self.score}, {first}" if self.score else first, *rest]
