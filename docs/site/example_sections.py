"""An extension of Griffe, which reads the docstrings for the site."""

import re
from typing import Any

import griffe


class ExampleSections(griffe.Extension):
    """Docstrings call the section "Example"; Griffe shows the code of one that is called "Examples"."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename it."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^(\s*)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)
