"""A fix as one SQL query, for SQLite (3.35 or newer, with its mathematical functions), DuckDB and PostgreSQL."""

import unicodedata
from collections.abc import Sequence

from longtail.export.fix_constants import tolerances_of_decimals
from longtail.export.source_text import heading, number, visible
from longtail.posthoc.probability_rows import EXACT, HALF_PRECISION, NEAR, SLACK
from longtail.repair import Fix

PART = 400  # SQLite takes at most 500 SELECTs in one UNION
REFUSED = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, format (bidirectional too), half characters, separators of lines
LINE_BREAKS = "\n\r\t"
ONE = "PARTITION BY sample_id"
DOUBLE = "CAST(score AS DOUBLE PRECISION)"

# PostgreSQL refuses exp(-1000), which underflows.
PROBABILITIES = f"""centred AS (
  SELECT *, (logit - MAX(logit) OVER ({ONE})) / {{temperature}} + probability_offset AS scaled FROM logits
),
shifted AS (
  SELECT *, scaled - MAX(scaled) OVER ({ONE}) AS below FROM centred
),
weights AS (
  SELECT *, CASE WHEN below < -600 THEN 0 ELSE EXP(below) END AS weight FROM shifted
),
probabilities AS (
  SELECT *, weight / SUM(weight) OVER ({ONE}) AS probability, COUNT({{given}}) OVER ({ONE}) AS scores_given FROM weights
)"""
# Probabilities that were rounded are divided by their sum; rows that do not sum to 1 otherwise give NULL.
ROUNDED = f"""sums AS (
  SELECT *, SUM(score) OVER ({ONE}) AS total, MIN(score) OVER ({ONE}) AS lowest,
    CASE
{{cases}}
      ELSE {{half_precision}}
    END AS tolerance
  FROM doubles
),
checked AS (
  SELECT *, CASE WHEN lowest >= 0 AND (ABS(total - 1) < {{exact}} OR ABS(total - 1) <= tolerance) THEN 1 END AS accepted
  FROM sums
),
divided AS (
  SELECT *, CASE WHEN accepted = 1 AND ABS(total - 1) >= {{exact}} THEN score / total ELSE score END AS share
  FROM checked
)"""
BY_OFFSET = f"""decided AS (
  SELECT *, ROW_NUMBER() OVER ({ONE} ORDER BY logit + decision_offset DESC, place) AS position FROM probabilities
)"""
BY_COST = f"""expected AS (
  SELECT sample_id, decision AS place, SUM(probability * CAST(cost AS DOUBLE PRECISION)) AS cost,
    MAX(CASE WHEN place = decision THEN class_name END) AS class_name,
    MAX(CASE WHEN place = decision THEN probability END) AS probability,
    MAX(scores_given) AS scores_given
  FROM probabilities JOIN costs ON truth = place GROUP BY sample_id, decision
),
decided AS (
  SELECT *, ROW_NUMBER() OVER ({ONE} ORDER BY cost, place) AS position FROM expected
)"""
RESULT = """
SELECT
  sample_id AS {id},
  CASE WHEN scores_given = {classes} THEN class_name END AS class,
  CASE WHEN scores_given = {classes} THEN probability END AS probability
FROM decided
WHERE position = 1 -- without this line: the probabilities of all classes
ORDER BY sample_id, place;
"""


def sql_code(fix: Fix, source: str, table: str = "predictions", id_column: str = "id") -> str:
    """A query that gives one row per sample: its id, the class, and the probability of that class.

    Args:
        fix: what is served.
        source: the name of its file.
        table: with the scores, one column for each class; may name its schema, "schema.table".
        id_column: the column that identifies a sample.

    Raises:
        ValueError: a name that SQL can't write, names that differ in case alone, or an id column with the name of a
            class or of another column of the result.
    """
    for name in (*fix.class_names, table, id_column):
        _check_name(name)
    if id_column.lower() in {name.lower() for name in (*fix.class_names, "class", "probability")}:
        raise ValueError(f"`id_column` must differ from the classes, class and probability. Got {id_column!r}.")
    _refuse_same_columns(fix.class_names)
    about = (
        f"For the table {table} with the column {id_column}, unique, and one column of {fix.takes} for each class.",
        "Columns bear the names of the classes: where they have a prefix, use a view that renames them.",
        "Gives id, class and its probability; NULL where a score is NULL or the id is not unique"
        + ("." if fix.takes == "logits" else ", or the scores are no probabilities."),
        *_of_one_score(fix, table),
    )
    steps = [
        *_scores(fix, table, id_column),
        *_logits(fix),
        PROBABILITIES.format(temperature=_number(fix.temperature), given=_given(fix)),
        *([BY_OFFSET] if fix.cost is None else [_costs(fix), BY_COST]),
    ]
    result = RESULT.format(id=_identifier(id_column), classes=len(fix.class_names))
    return heading(fix, source, "--", *about) + "WITH " + ",\n".join(steps) + result


def _of_one_score(fix: Fix, table: str) -> list[str]:
    """How to call it with a single column, the score of the second of two classes."""
    if len(fix.class_names) != 2:
        return []
    first, second = map(_identifier, fix.class_names)
    other = "0" if fix.takes == "logits" else "1 - score"
    return [
        f"With one column score, that of the second class, use a view instead of {table}:",
        f"SELECT *, {other} AS {first}, score AS {second} FROM {table}.",
    ]


def _refuse_same_columns(names: Sequence[str]) -> None:
    """Raise if two class names differ in case alone: SQLite and DuckDB would read one column for both."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise ValueError(
                f"Class names must differ in more than case in SQL, whose columns do. Got {other!r} and {name!r}. "
                "Rename one, or serve the fix in another language."
            )


def _scores(fix: Fix, table: str, id_column: str) -> list[str]:
    """One SELECT for each class, so that text and work grow with the number of classes, not with its square."""
    origin = ".".join(map(_identifier, table.split(".")))
    selects = [
        # "t." is needed: without a table SQLite takes an unknown column in double quotes for a string
        f"  SELECT t.{_identifier(id_column)}, {place}, {_text(name)}, t.{_identifier(name)}, "
        f"{_number(offset)}, {_number(probability_offset)} FROM {origin} AS t"
        for place, (name, offset, probability_offset) in enumerate(
            zip(fix.class_names, fix.offset, fix.probability_offset, strict=True)
        )
    ]
    parts = [selects[start : start + PART] for start in range(0, len(selects), PART)]
    columns = "(sample_id, place, class_name, score, decision_offset, probability_offset)"
    names = ["scores"] if len(parts) == 1 else [f"scores_{index}" for index in range(len(parts))]
    steps = [
        f"{name}{columns} AS (\n" + " UNION ALL\n".join(part) + "\n)" for name, part in zip(names, parts, strict=True)
    ]
    if len(parts) > 1:
        steps.append("scores AS (\n" + " UNION ALL\n".join(f"  SELECT * FROM {name}" for name in names) + "\n)")
    return steps


def _logits(fix: Fix) -> list[str]:
    if fix.takes == "logits":
        return [f"logits AS (\n  SELECT *, {DOUBLE} AS logit FROM scores\n)"]
    columns = "sample_id, place, class_name, decision_offset, probability_offset"
    floor = _number(fix.floor)
    return [
        f"doubles AS (\n  SELECT {columns}, {DOUBLE} AS score FROM scores\n)",
        ROUNDED.format(
            cases="\n".join(
                _case(decimals, tolerance)
                for decimals, tolerance in enumerate(tolerances_of_decimals(len(fix.offset)), start=1)
            ),
            half_precision=_number(HALF_PRECISION + SLACK),
            exact=_number(EXACT),
        ),
        f"logits AS (\n  SELECT *, LN(CASE WHEN share < {floor} THEN {floor} ELSE share END) AS logit FROM divided\n)",
    ]


def _case(decimals: int, tolerance: float) -> str:
    """The branch with the tolerance of rows whose numbers have that many decimals."""
    scaled = f"score * {10**decimals}"
    return (
        f"      WHEN MAX(ABS({scaled} - ROUND({scaled}))) OVER ({ONE}) < {_number(NEAR * 10**decimals)} "
        f"THEN {_number(tolerance + SLACK)} -- {decimals} decimal{'s' * (decimals > 1)}"
    )


def _given(fix: Fix) -> str:
    """The expression that must not be NULL for a decision."""
    return "score" if fix.takes == "logits" else "CASE WHEN accepted = 1 THEN score END"


def _costs(fix: Fix) -> str:
    assert fix.cost is not None
    rows = [
        "  " + ", ".join(f"({truth}, {decision}, {_number(cost)})" for decision, cost in enumerate(row))
        for truth, row in enumerate(fix.cost)
    ]
    return "costs(truth, decision, cost) AS (VALUES\n" + ",\n".join(rows) + "\n)"


def _number(value: float) -> str:
    """A number with an exponent; without one DuckDB would read it as a decimal, not as float64."""
    text = number(value)
    return text if "e" in text else f"{text}e0"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _check_name(name: str) -> None:
    bad = next((c for c in name if unicodedata.category(c) in REFUSED and c not in LINE_BREAKS), None)
    if bad is not None:
        raise ValueError(
            f"A name in SQL must have no invisible characters, for it has no way to escape them. Got U+{ord(bad):04X} "
            f'in "{visible(name)}". Rename it, or serve the fix in another language.'
        )
