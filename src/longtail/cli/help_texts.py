"""Help texts that are wrapped to the terminal alone.

tyro 1.0 also ends a line of the help where the docstring of a parameter or a field does, or before "(" and "--".
"""

from collections.abc import Callable

import docstring_parser
from docstring_parser import parser


def join_lines_of_docstrings() -> None:
    """Let tyro read docstrings with each paragraph, and the text of each parameter, on one line."""
    docstring_parser.parse = _joining_lines(parser.parse)
    docstring_parser.parse_from_object = _joining_lines(parser.parse_from_object)


def _joining_lines(parse: Callable[..., docstring_parser.Docstring]) -> Callable[..., docstring_parser.Docstring]:
    def parsed(*documented: object) -> docstring_parser.Docstring:
        found = parse(*documented)
        if found.long_description:
            found.long_description = "\n\n".join(map(_on_one_line, found.long_description.split("\n\n")))
        for parameter in found.params:
            if parameter.description:
                parameter.description = _on_one_line(parameter.description)
        return found

    return parsed


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
