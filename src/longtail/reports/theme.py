"""Theme of all charts: series are told apart by colour, dash and shape, so that they read in black and white too."""

from collections.abc import Sequence
from typing import Any

import altair as alt

HEIGHT = 280
PERCENT = alt.Axis(format="~%")
RANK = alt.X(
    "rank:Q",
    title="class by frequency rank, head to tail",
    scale=alt.Scale(nice=False),
    axis=alt.Axis(tickMinStep=1, format=".0f"),
)
GREYS = ["#222222", "#8a8a8a", "#d9d9d9"]  # groups of classes, the head dark
# The container's width is fixed during layout; images rendered without a browser have none.
WIDTH = "(containerSize()[0] || width)"
NARROW = 500  # pixels, as on a telephone
LEAST_STEP = 32  # pixels from one slanted class name to the next
LEGEND = alt.Legend(
    orient="top",
    columns=alt.ExprRef(f"{WIDTH} < {NARROW} ? 1 : 4"),
    labelLimit=260,
    symbolStrokeWidth=2,
    symbolOpacity=1,
)


def class_axis(number: int) -> alt.Axis:
    """An axis of `number` class names: slanted, or vertical and small if they are close; long names are cut."""
    return alt.Axis(
        labelAngle=alt.ExprRef(f"{WIDTH} < max({NARROW}, {LEAST_STEP * number}) ? -90 : -40"),
        labelFontSize=alt.ExprRef(f"clamp(0.75 * {WIDTH} / {number} - 1, 7, 10)"),
        labelLimit=130,
        labelOverlap=False,
    )


def of_series(name: str, order: Sequence[str]) -> dict[str, Any]:
    """Encodings of a line for the series in a column, in this order."""
    scale = alt.Scale(domain=list(order))
    return {
        "color": alt.Color(f"{name}:N", title=None, legend=LEGEND, scale=alt.Scale(domain=list(order), scheme="dark2")),
        "strokeDash": alt.StrokeDash(f"{name}:N", title=None, legend=LEGEND, scale=scale),
    }


def shape_of_series(name: str, order: Sequence[str]) -> alt.Shape:
    """The shape encoding of its points."""
    return alt.Shape(f"{name}:N", title=None, legend=LEGEND, scale=alt.Scale(domain=list(order)))


def wide(chart: Any) -> Any:
    """Set the width to that of the container."""
    return chart.properties(width="container", height=HEIGHT)
