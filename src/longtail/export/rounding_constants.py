"""The tolerances for rounded probabilities in generated code: those of `longtail.posthoc.probability_rows`."""

from longtail.export.source_text import number
from longtail.posthoc.probability_rows import EXACT, HALF_PRECISION, MOST_DECIMALS, NEAR, SLACK, tolerance_of_decimals


def rounding_constants(num_classes: int) -> list[tuple[str, str, str]]:
    """Name, value and comment of each constant, in a syntax that Python and JavaScript share."""
    rounded = ", ".join(number(tolerance + SLACK) for tolerance in tolerances_of_decimals(num_classes))
    return [
        ("EXACT", number(EXACT), "a sum that is closer to 1 is left as it is; another one divides its row"),
        ("ROUNDED", f"[{rounded}]", "how far off it may be for numbers of 1, 2, … decimals"),
        ("HALF_PRECISION", number(HALF_PRECISION + SLACK), "and for others, such as bfloat16"),
        ("NEAR", number(NEAR), "how close to that many decimals numbers must be"),
    ]


def tolerances_of_decimals(num_classes: int) -> list[float]:
    """How far the sum of a row may be from 1, for numbers of 1, 2, … decimals."""
    return [tolerance_of_decimals(num_classes, decimals) for decimals in range(1, MOST_DECIMALS + 1)]
