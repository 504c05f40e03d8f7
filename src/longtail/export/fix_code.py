"""A fix as code that serves it without longtail."""

from collections.abc import Callable

from longtail.arguments import check_choice, check_keywords, keywords_of
from longtail.export.javascript_code import javascript_code
from longtail.export.python_code import numpy_code, python_code, sklearn_code
from longtail.export.source_text import check_finite
from longtail.export.sql_code import sql_code
from longtail.repair import Fix
from longtail.signatures import naming_misspelt

LANGUAGES: dict[str, Callable[..., str]] = {
    "python": python_code,
    "numpy": numpy_code,
    "sql": sql_code,
    "javascript": javascript_code,
    "sklearn": sklearn_code,
}


@naming_misspelt
def fix_code(fix: Fix, to: str, *, source: str = "fix.json", **options: str) -> str:
    """Code that decides and gives probabilities as a fix does, without longtail.

    It computes in float64, with the exact numbers of the fix. The comment at its head says how to call it.

    Args:
        fix: what `longtail fix` found.
        to: "python" (one sample, standard library alone), "numpy" (arrays), "sql" (one query for SQLite, DuckDB and
            PostgreSQL), "javascript" (an ES module) or "sklearn" (a class around a fitted classifier).
        source: the name of the fix in the comment at the head.
        options: for SQL, `table` (default "predictions") and `id_column` (default "id").

    Returns:
        The code.

    Raises:
        TypeError: an option that the language does not have.
        ValueError: another language, numbers that are not finite, or class names that the language can't write.

    Example:
        >>> import numpy as np
        >>> even = np.array([0.5, 0.5])
        >>> fix = Fix(np.array([-1.0, 1.0]), 2.0, np.zeros(2), even, ("cat", "lynx"), "accuracy", "by hand")
        >>> served = {}
        >>> exec(fix_code(fix, "python"), served)
        >>> served["predict"]([1.0, 0.0])
        'lynx'
    """
    check_choice("to", to, list(LANGUAGES))
    check_keywords(f"fix_code(fix, {to!r})", options, keywords_of(LANGUAGES[to]))
    check_finite(fix)
    return LANGUAGES[to](fix, source, **options)
