"""One self-contained HTML report of figures: it fetches nothing and opens from disk."""

import base64
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import vl_convert
from PIL import Image

from longtail import __version__
from longtail.printable import printable
from longtail.whole_file import write_whole

MOST_ROWS = 300  # of the table below a figure
MOST_MARKS = 3000  # figures with more are drawn on a canvas, because a large SVG is slow


@dataclass(frozen=True)
class Figure:
    """A chart with a caption and its data.

    Attributes:
        title: heading of the figure.
        words: caption, also for screen readers.
        chart: an Altair chart.
        frame: its data, shown as a table below it.

    Example:
        >>> from longtail.reports import GainsDisplay
        >>> display = GainsDisplay({"re-balancing": (0.02, 0.01, 0.03)})
        >>> figure = Figure("Gains", "Re-balancing gains 2 points.", display.plot(), display.frame())
        >>> page = Page("Report", ["Use the fix."], figures=[figure])  # page.save("report.html") writes it
        >>> page.figures[0].frame.to_dict("records")
        [{'candidate': 're-balancing', 'gain': 0.02, 'low': 0.01, 'high': 0.03}]
    """

    title: str
    words: str
    chart: Any
    frame: pd.DataFrame


@dataclass(frozen=True)
class Table:
    """A table of text."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, eq=False)
class Gallery:
    """Images in rows: a caption, and images (H, W, channels) uint8, of any size."""

    title: str
    rows: Sequence[tuple[str, Sequence[np.ndarray]]]


@dataclass(frozen=True)
class Page:
    """The parts of an HTML report, in this order.

    Attributes:
        title: title.
        lead: paragraphs with the main results.
        tables: tables.
        figures: figures.
        galleries: images.
        facts: settings, seeds, versions.
        steps: next steps: sentences, each with code, which may be empty.

    Example:
        >>> import altair as alt
        >>> frame = pd.DataFrame({"x": [0, 1], "y": [0, 1]})
        >>> chart = alt.Chart(frame).mark_line().encode(x="x", y="y")
        >>> html = Page("A page", ["One line rises."], figures=[Figure("A line", "It rises.", chart, frame)]).html()
        >>> html.startswith("<!DOCTYPE html>") and "It rises." in html
        True
    """

    title: str
    lead: Sequence[str]
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    galleries: Sequence[Gallery] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    steps: Sequence[tuple[str, str]] = ()

    def html(self) -> str:
        """The report as HTML."""
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=_shown,
        )
        return environment.get_template("page.html").render(
            page=self,
            galleries=[
                (g.title, [(caption, list(map(_as_uri, images))) for caption, images in g.rows]) for g in self.galleries
            ],
            figures=[_drawn(number, figure) for number, figure in enumerate(self.figures)],
            script=_script() if self.figures else "",
            version=__version__,
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report, atomically.

        Raises:
            OSError: the file cannot be written.
        """
        with write_whole(path) as file:
            file.write(self.html().encode("utf-8", "replace"))
        return Path(path)


def _script() -> str:
    """Vega, Vega-Lite and vega-embed, to stand in the page."""
    return str(vl_convert.javascript_bundle())  # type: ignore[call-arg]


def _drawn(number: int, figure: Figure) -> dict[str, Any]:
    specification = _printable(figure.chart.to_dict())
    marks = sum(len(rows) for rows in specification.get("datasets", {}).values())
    # A "<" could end the enclosing script element or start another one.
    encoded = json.dumps({**specification, "description": printable(figure.words)}).replace("<", "\\u003c")
    return {
        "id": f"figure-{number}",
        "title": figure.title,
        "words": figure.words,
        "specification": encoded,
        "renderer": "canvas" if marks > MOST_MARKS else "svg",
        "headings": list(figure.frame.columns),
        "rows": [[_cell(value) for value in row] for row in figure.frame.head(MOST_ROWS).itertuples(index=False)],
        "more": max(0, len(figure.frame) - MOST_ROWS),
    }


def _shown(value: Any) -> Any:
    """Escape control and bidirectional characters in text; leave scripts unchanged."""
    return printable(value) if type(value) is str else value


def _printable(value: Any) -> Any:
    """A chart's specification without such characters."""
    if isinstance(value, dict):
        return {_shown(key): _printable(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_printable(entry) for entry in value]
    return _shown(value)


def _as_uri(image: np.ndarray) -> str:
    """A PNG in the page itself."""
    content = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(content, "png")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return str(value)
