"""JSON files of labels, class names, counts, priors and costs."""

import json
from pathlib import Path
from typing import Any

from longtail.data.text_file import read_text


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        ValueError: the file is not valid JSON.
    """
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        raise ValueError(f"{path} could not be read: {error}") from None
