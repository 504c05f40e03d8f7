"""The numbers of a fix as constants of generated code, with names that Python and JavaScript share."""

from collections.abc import Callable
from typing import NamedTuple

from longtail.export.source_text import number, numbers
from longtail.posthoc.probability_rows import EXACT, HALF_PRECISION, MOST_DECIMALS, NEAR, SLACK, tolerance_of_decimals
from longtail.repair import Fix


class Constant(NamedTuple):
    """A constant.

    Attributes:
        name: of the constant.
        value: its text, or the texts of the items of an array.
        comment: behind it; may be empty.
    """

    name: str
    value: str | list[str]
    comment: str = ""


def fix_constants(fix: Fix, quote: Callable[[str], str]) -> list[Constant]:
    """All constants of a fix.

    Args:
        fix: to be served.
        quote: writes a class name as a string of the language.
    """
    constants = [Constant("CLASSES", [quote(name) for name in fix.class_names])]
    if fix.cost is None:
        constants.append(Constant("OFFSET", numbers(fix.offset), "of the decision"))
    else:
        rows = [f"[{', '.join(numbers(row))}]" for row in fix.cost]
        constants.append(Constant("COST", rows, "a row for each true class, a column for each decision"))
    constants.append(Constant("TEMPERATURE", number(fix.temperature)))
    constants.append(Constant("PROBABILITY_OFFSET", numbers(fix.probability_offset)))
    if fix.takes == "probabilities":
        constants.append(Constant("FLOOR", number(fix.floor), "in place of smaller probabilities"))
        constants += _rounding_constants(len(fix.offset))
    return constants


def _rounding_constants(num_classes: int) -> list[Constant]:
    """The tolerances for rounded probabilities: those of `longtail.posthoc.probability_rows`."""
    rounded = ", ".join(number(tolerance + SLACK) for tolerance in tolerances_of_decimals(num_classes))
    return [
        Constant("EXACT", number(EXACT), "a sum that is closer to 1 is left as it is; another one divides its row"),
        Constant("ROUNDED", f"[{rounded}]", "how far off it may be for numbers of 1, 2, … decimals"),
        Constant("HALF_PRECISION", number(HALF_PRECISION + SLACK), "and for others, such as bfloat16"),
        Constant("NEAR", number(NEAR), "how close to that many decimals numbers must be"),
    ]


def tolerances_of_decimals(num_classes: int) -> list[float]:
    """How far the sum of a row may be from 1, for numbers of 1, 2, … decimals."""
    return [tolerance_of_decimals(num_classes, decimals) for decimals in range(1, MOST_DECIMALS + 1)]


def decision_kind(fix: Fix) -> str:
    """How the fix decides: by "offset" or by "cost"."""
    return "offset" if fix.cost is None else "cost"
