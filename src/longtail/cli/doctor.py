"""`longtail doctor PATH`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from longtail.cli.console import PlainConsole, say
from longtail.cli.passes import Passes
from longtail.printable import printable_json

if TYPE_CHECKING:
    from longtail.doctor.findings import Finding

MARKS = {"serious": "!!", "warning": " !", "fact": "  "}


def doctor(
    path: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DATA|RUN")],
    *,
    data: Path | None = None,
    val: Path | None = None,
    test: Path | None = None,
    root: Path | None = None,
    groups: Path | None = None,
    path_column: str | None = None,
    label: str | None = None,
    split: str | None = None,
    group: str | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Say what will go wrong with a data set or a run, before it costs hours. Exit code 1 for something serious.

    Args:
        path: A folder of class folders (or of train, val and test that hold them), a list file of paths and labels, a
            table of paths or features (CSV, TSV, JSON lines, Parquet), Parquet files or tar shards of images, a tar
            file of class folders, arrays (.npz, .npy), the folder of CIFAR's binary archive, or a run folder. Or
            imagenet-lt, places-lt or inaturalist18, with --data: are these the official lists, and is every image
            present and intact.
        data: Folder of the lists of such a data set, and of its images where --root names no other.
        val: Validation samples in the same format.
        test: Test samples in the same format.
        root: Folder that the paths of lists and tables are relative to, or that holds the images of such a data set.
        groups: Table of paths and groups: samples of one group belong together.
        path_column: Column of the paths of a table; suffix of the images in tar shards.
        label: Column of the labels of a table, name of the array, or suffix or JSON field in tar shards.
        split: Column of a table that names the part of each row.
        group: Column of a table that names the group of each row.
        as_json: Findings for machines.
    """
    from longtail.data.counted import counted

    options: dict[str, Any] = {
        "val": val,
        "test": test,
        "groups": groups,
        "path_column": path_column,
        "label": label,
        "split": split,
        "group": group,
    }
    named = _large_set(path, data, options)
    with Passes() as passes:
        try:
            found = _findings(path, named, root=root, progress=passes, **options)
        except ModuleNotFoundError as error:
            if error.name is None:
                raise
            raise ModuleNotFoundError(
                f"longtail doctor needs {error.name} for data sets: pip install 'longtail[doctor]'"
            ) from error
    if as_json:
        say(printable_json(json.dumps([f.as_dict() for f in found], ensure_ascii=False, indent=1)))
    else:
        console = PlainConsole()
        for finding in found:
            console.print(f"{MARKS[finding.severity]} {finding.what} ({finding.where})", soft_wrap=True)
            if finding.advice:
                console.print(f"     {finding.advice}", soft_wrap=True)
        serious = sum(finding.severity == "serious" for finding in found)
        warnings = sum(finding.severity == "warning" for finding in found)
        console.print(f"{serious} serious, {counted(warnings, 'warning', 'warnings')}")
    return int(any(finding.severity == "serious" for finding in found))


def _findings(path: Path, named: tuple[str, Path] | None, *, root: Path | None, **options: Any) -> list["Finding"]:
    if named is None:
        from longtail.doctor.examine import examine

        return examine(path, root=root, **options)
    from longtail.doctor import examine_large_set

    return examine_large_set(*named, root=root, progress=options["progress"])


def _large_set(path: Path, data: Path | None, options: Mapping[str, Any]) -> tuple[str, Path] | None:
    """The data set that is meant and the folder of its lists; `None` for a path of the user's own data or of a run."""
    from longtail.data.large_sets import LARGE_SETS

    name = str(path)
    if data is None:
        if name in LARGE_SETS and not path.exists():
            raise ValueError(f"--data must name the folder of {name}: longtail doctor {name} --data DIR. Got none.")
        return None
    if name not in LARGE_SETS:
        raise ValueError(f"--data must be left out except for {', '.join(LARGE_SETS)}. Got {data} with {path}.")
    for option, value in options.items():
        if value is not None:
            raise ValueError(f"--{option.replace('_', '-')} must be left out for {name}. Got {value}.")
    return name, data
