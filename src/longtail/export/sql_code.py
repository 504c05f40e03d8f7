"""A fix as one SQL query, for SQLite (3.35 or newer, with its mathematical functions), DuckDB and PostgreSQL."""

import unicodedata

from longtail.export.source_text import heading, number, visible
from longtail.repair import Fix

PART = 400  # SQLite takes at most 500 SELECTs in one UNION
REFUSED = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, format (bidirectional too), half characters, separators of lines
LINE_BREAKS = "\n\r\t"
ONE = "PARTITION BY sample_id"

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
  SELECT *, weight / SUM(weight) OVER ({ONE}) AS probability, COUNT(score) OVER ({ONE}) AS scores_given FROM weights
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
    """A query that gives one row a sample: its id, the class, the calibrated probability of that class.

    Args:
        fix: what is served.
        source: the name of its file.
        table: with the scores, one column a class; with its schema as "schema.table".
        id_column: the column that tells the samples apart.

    Raises:
        ValueError: a name that SQL can't write, or an id column called as a class or another column of the result.
    """
    for name in (*fix.class_names, table, id_column):
        _check_name(name)
    if id_column.lower() in {name.lower() for name in (*fix.class_names, "class", "probability")}:
        raise ValueError(f"`id_column` must differ from the classes, class and probability. Got {id_column!r}.")
    about = (
        f"For the table {table} with the column {id_column}, unique, and one column of {fix.takes} for each class.",
        "Gives id, class and its probability; NULL where a score is NULL or the id is not unique.",
    )
    steps = [
        *_scores(fix, table, id_column),
        f"logits AS (\n  SELECT *, {_logit(fix)} AS logit FROM scores\n)",
        PROBABILITIES.format(temperature=_number(fix.temperature)),
        *([BY_OFFSET] if fix.cost is None else [_costs(fix), BY_COST]),
    ]
    result = RESULT.format(id=_identifier(id_column), classes=len(fix.class_names))
    return heading(fix, source, "--", *about) + "WITH " + ",\n".join(steps) + result


def _scores(fix: Fix, table: str, id_column: str) -> list[str]:
    """One SELECT a class, so that text and work grow with the number of classes, not with its square."""
    origin = ".".join(map(_identifier, table.split(".")))
    selects = [
        # "t." matters: SQLite takes an unknown column in double quotes for a string, unless a table stands before it
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


def _logit(fix: Fix) -> str:
    score = "CAST(score AS DOUBLE PRECISION)"
    if fix.takes == "logits":
        return score
    floor = _number(fix.floor)
    return f"LN(CASE WHEN score < {floor} THEN {floor} ELSE {score} END)"


def _costs(fix: Fix) -> str:
    assert fix.cost is not None
    rows = [
        "  " + ", ".join(f"({truth}, {decision}, {_number(cost)})" for decision, cost in enumerate(row))
        for truth, row in enumerate(fix.cost)
    ]
    return "costs(truth, decision, cost) AS (VALUES\n" + ",\n".join(rows) + "\n)"


def _number(value: float) -> str:
    """With an exponent, which DuckDB reads as float64; without one it would be a decimal."""
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
