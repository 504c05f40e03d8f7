"""Examines a data set of any kind, or a run."""

import os
from pathlib import Path
from typing import Any

from longtail.data import read_data
from longtail.data.check import Progress
from longtail.doctor.findings import SEVERITIES, Finding
from longtail.doctor.runs import run_findings
from longtail.runs import RunFolder

Folder = str | os.PathLike[str]


def examine(
    path: Any,
    *,
    val: Any = None,
    test: Any = None,
    root: Folder | None = None,
    groups: Folder | None = None,
    path_column: str | None = None,
    label: str | None = None,
    split: str | None = None,
    group: str | None = None,
    progress: Progress | None = None,
) -> list[Finding]:
    r"""Find problems of a data set or a run.

    Args:
        path: what `longtail.data.read_data` takes (a folder, a list, a table, arrays, an archive, objects in memory),
            or a run folder.
        val: validation samples, where `path` holds none.
        test: test samples, likewise.
        root: what the paths of lists and tables are relative to.
        groups: table of paths and groups.
        path_column: column of the paths of a table.
        label: column, or array, of the labels.
        split: column of a table that names the part of each row.
        group: column of a table that names the group of each row.
        progress: called with the name of a step and its finished share, in [0, 1].

    Returns:
        The findings, serious ones first.

    Raises:
        FileNotFoundError, ValueError, TypeError: `path` is of none of these kinds, or damaged.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "labels.csv"
        >>> _ = path.write_text("label\n" + "cat\n" * 200 + "lynx\n" * 3)
        >>> [finding.severity for finding in examine(path, label="label")]
        ['warning', 'fact', 'fact']
    """
    options: dict[str, Any] = {
        "val": val,
        "test": test,
        "root": root,
        "groups": groups,
        "path_column": path_column,
        "label": label,
        "split": split,
        "group": group,
    }
    for name, given in (("path", path), ("val", val), ("test", test)):
        if isinstance(given, (str, os.PathLike)) and not Path(given).exists():
            raise FileNotFoundError(f"`{name}` must exist. Got {given}.")
    if isinstance(path, (str, os.PathLike)) and (Path(path) / "run.json").is_file():
        for name, given in options.items():
            if given is not None:
                raise ValueError(f"`{name}` must be left out for a run, which {path} is. Got {given}.")
        found = run_findings(RunFolder.open(path))
    else:
        from longtail.doctor.parts import part_findings  # needs Pillow, which runs do not

        parts = read_data(path, **options)
        listed = isinstance(path, (str, os.PathLike)) and Path(path).is_file()
        found = part_findings(parts, listed=listed, progress=progress)
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
