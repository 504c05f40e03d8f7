"""Text that is safe to print: control, bidirectional and zero-width characters are shown as escapes.

Class names come from folders and files. Printed unescaped, such characters can change a terminal's colours, its title
or the order of text.
"""

import json
import unicodedata
from collections.abc import Callable

UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, formats (bidirectional, zero-width), surrogates, separators


def printable(text: str, *, lines: bool = True) -> str:
    r"""Show unsafe characters as escapes.

    Args:
        text: the text.
        lines: keep line breaks and tabs; else they are escaped, too, as in a table cell.

    Example:
        >>> print(printable("a\x1b[31mb\u202e"))
        a\x1b[31mb\u202e
    """
    return _replaced(text, "\n\t" if lines else "", lambda c: c.encode("unicode_escape").decode("ascii"))


def printable_json(text: str) -> str:
    r"""The same JSON, with unsafe characters in its strings as JSON escapes.

    Example:
        >>> print(printable_json('["a\u202e"]'))
        ["a\u202e"]
    """
    return _replaced(text, "\n\t", lambda c: json.dumps(c)[1:-1])


def _replaced(text: str, kept: str, escape: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(escape(c) if unicodedata.category(c) in UNSAFE and c not in kept else c for c in text)
