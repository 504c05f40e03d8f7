"""The numbers of README.md, whose section "Results" is written from a template."""

import re
from pathlib import Path
from typing import Any

from pages import cifar100_lt, digits, fish, methods_plankton
from pages import plankton as plankton_features
from pages.comparison import Comparison
from pages.environment import processor_of
from pages.formatting import table
from pages.names import name_of

DIGITS = (
    ("cross-entropy", "raw"),
    ("cross-entropy", "inductive"),
    ("Balanced Softmax", "raw"),
    ("GALA", "raw"),
    ("GALA", "inductive"),
)
FISH = (
    ("cross-entropy", "ce", ()),
    ("the same, logit adjustment after training, τ 0.8", "post-hoc logit adjustment", ("tau=0.8",)),
    ("logit adjustment in training, τ 0.8", "logit-adjustment", ("tau=0.8",)),
    ("Balanced Softmax (τ 1)", "balanced-softmax", ()),
    ("GALA, λ 1.2 (the paper's)", "gala", ()),
)
PLANKTON = (("ce", "raw"), ("ce", "inductive"), ("balanced-softmax", "raw"), ("gala", "raw"), ("bcl", "raw"))


def plankton_table(comparison: Comparison) -> str:
    groups = ("all", "many", "medium", "few", "accuracy")
    rows = [
        (name_of(method), predictions, *(comparison.score(method, predictions, group) for group in groups))
        for method, predictions in PLANKTON
    ]
    columns = (
        "all",
        f"many (> {comparison.config['many_above']})",
        "medium",
        f"few (< {comparison.config['few_below']})",
    )
    return table(("loss", "re-balancing", *columns, "accuracy"), rows, left=2)


def values(results: Path) -> dict[str, Any]:
    runs: digits.Runs = digits.values(results)["shifted"]
    comparison: Comparison = methods_plankton.values(results)["c"]
    sections = cifar100_lt.values(results)["sections"]
    photographs = fish.values(results)
    return {
        "fish": photographs,
        "fish_table": photographs["tail"].front_table(FISH),
        "fish_processor": processor_of(photographs["tail"].versions),
        "digits": runs,
        "digits_table": runs.table(DIGITS),
        "digits_processor": processor_of(runs.versions),
        "plankton": comparison,
        "plankton_features": plankton_features.values(results),
        "plankton_table": plankton_table(comparison),
        "plankton_processor": processor_of(comparison.versions),
        "sections": [section for section in sections if section.plain("gala") and section.plain("ce")],
    }


def with_results_section(readme: str, section: str) -> str:
    """README.md with its section "Results" replaced."""
    before, heading, rest = readme.partition("\n## Results\n")
    after = re.search(r"\n## ", rest)
    if not heading or after is None:
        raise ValueError("README.md must have a section “## Results” that is followed by another section.")
    return f"{before}\n{section}{rest[after.start() :]}"
