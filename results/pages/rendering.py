"""Fills the template of a page. A sentence that the numbers do not support stops it."""

import re
import statistics
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pages.configs import network_name
from pages.formatting import decimal, listed, percent, signed, spread

TEMPLATES = Path(__file__).parent


class FalseClaimError(ValueError):
    """A sentence of a template is not true of the numbers."""


def claim(condition: bool, text: str) -> str:
    """The text, if the condition holds.

    Raises:
        FalseClaimError: it does not hold.
    """
    if not condition:
        raise FalseClaimError(f"The numbers do not support “{text}”. Rewrite that sentence in its template.")
    return text


def render(template: str, values: Mapping[str, Any]) -> str:
    """The text of a page."""
    environment = Environment(  # Markdown, not HTML: nothing is escaped
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "average": statistics.mean,
        "decimal": decimal,
        "listed": listed,
        "network": network_name,
        "percent": percent,
        "signed": signed,
        "spread": spread,
    }
    environment.globals["claim"] = claim
    return wrapped(environment.get_template(template).render(values).lstrip("\n"))


def wrapped(text: str) -> str:
    """Paragraphs and list items with lines of at most 120 characters; headings, tables, code and images as they are."""
    return "\n\n".join(map(_wrapped_block, re.split(r"\n{2,}", text.rstrip("\n")))) + "\n"


def _wrapped_block(block: str) -> str:
    if block.startswith(("#", "|", "    ", "![")):
        return block
    return "\n".join(map(_filled, re.split(r"\n(?=- )", block)))


def _filled(part: str) -> str:
    words = " ".join(part.split()).replace(" %", "\0%")  # no line begins with the sign of a percentage
    indent = "  " * part.startswith("- ")
    return textwrap.fill(words, 120, subsequent_indent=indent, break_on_hyphens=False).replace("\0%", " %")
