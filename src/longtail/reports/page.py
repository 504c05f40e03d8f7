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
MOST_MARKS = 3000  # beyond, a figure is drawn on a canvas: an SVG of so many marks is slow


@dataclass(frozen=True)
class Figure:
    """A chart, what it shows here, and its numbers.

    Attributes:
        title: what is drawn.
        words: what it shows for these very data; also what a screen reader says.
        chart: an Altair chart.
        frame: its numbers, as a table below it.
    """

    title: str
    words: str
    chart: Any
    frame: pd.DataFrame


@dataclass(frozen=True)
class Table:
    """Rows of text below their headings."""

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
    """What a page holds, in this order.

    Attributes:
        title: of the page.
        lead: the paragraphs that say it all.
        tables: numbers to compare.
        figures: pictures.
        galleries: images.
        facts: how it was made: settings, seeds, versions.
        steps: what to do next: sentences, each with the code below it or an empty string.

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
        """The page."""
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
        """Write it, whole or not at all.

        Raises:
            OSError: it can't be written.
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
    # A "<" might end the script element that it stands in, or begin one that never ends.
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
    """What the template writes: control and bidirectional characters as escapes, scripts as they are."""
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
