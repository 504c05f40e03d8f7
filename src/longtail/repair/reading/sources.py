"""Sources of predictions: paths and patterns of paths, standard input, objects in memory."""

import glob
import itertools
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from longtail.array_headers import shape_of
from longtail.data.tables.file import TABLES, read_table, table_of_stream
from longtail.data.tables.row_order import refuse_another_order
from longtail.data.tables.source import is_frame
from longtail.data.text_file import kind_of
from longtail.metrics.groups import GroupBounds
from longtail.regular_file import check_regular
from longtail.repair.by_name import listed
from longtail.repair.processes import ONE, Processes
from longtail.repair.reading.array_files import READERS, read_arrays
from longtail.repair.reading.from_arrays import in_order, of_content
from longtail.repair.reading.from_table import kept_as_text, of_tables
from longtail.repair.reading.joined import joined, joined_over
from longtail.repair.reading.memory import check_fits
from longtail.repair.reading.options import Reading
from longtail.repair.reading.raw import RawPredictions
from longtail.runs import RunFolder
from longtail.runs.runs_inside import runs_inside

TRAINED_ON = ("train", "augmented")
STANDARD_INPUT = "-"


def is_paths(source: Any) -> bool:
    """Whether a source is one or several paths."""
    if isinstance(source, (str, os.PathLike)):
        return True
    return isinstance(source, (list, tuple)) and bool(source) and isinstance(source[0], (str, os.PathLike))


def paths_of(source: Any, what: str = "path") -> list[Path]:
    """The files that one or several paths or patterns name: in the given order, the files of one pattern sorted.

    The order matters for labels in another file: the labels of the first file come first.

    Raises:
        FileNotFoundError: a path does not exist, or a pattern matches no file.
        ValueError: a file is named twice, or is a pipe.
    """
    given = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    found: list[Path] = []
    for text in map(str, given):
        there = text == STANDARD_INPUT or os.path.exists(text)  # noqa: PTH110, a text may be too long for Path.exists
        matches = [text] if there else sorted(glob.glob(text, recursive=True))  # noqa: PTH207, it may be absolute
        if not matches:
            rule = "match files" if glob.has_magic(text) else "exist"
            raise FileNotFoundError(f"`{what}` must {rule}. Got {text}.")
        found += map(Path, matches)
    real = [os.path.realpath(path) for path in found]
    twice = next((path for place, path in enumerate(found) if real[place] in real[:place]), None)
    if twice is not None:
        raise ValueError(f"`{what}` must name each file once. Got {twice} twice.")
    for path in found:
        if not (path.is_dir() or str(path) == STANDARD_INPUT):  # a folder may be a run
            check_regular(path)
    if len(found) > 1 and Path(STANDARD_INPUT) in found:
        raise ValueError(f"`{what}` must be either - (standard input) or files. Got both.")
    return found


def of_paths(
    paths: Sequence[Path], reading: Reading, part: str, notes: list[str], processes: Processes = ONE
) -> RawPredictions:
    """Read one or several files, concatenated, or a run folder.

    Each of several processes reads its share of the files.

    Raises:
        ValueError: tables and arrays are mixed, a file is invalid, or there are fewer files than processes.
    """
    _check_enough(paths, processes)
    if paths[0].is_dir():
        if len(paths) > 1:
            raise ValueError(f"`path` must be one run folder, or files. Got {', '.join(map(str, paths[:3]))}.")
        return _of_folder(paths[0], reading, part, notes)
    tables = [path for path in paths if str(path) == STANDARD_INPUT or kind_of(path) in TABLES]
    if tables and len(tables) < len(paths):
        other = next(path for path in paths if path not in tables)
        raise ValueError(f"`path` must be tables, or files of arrays. Got {tables[0]} and {other}.")
    if reading.labels is not None and len(paths) > 1:
        notes.append(f"labels are taken in the order of the files: {listed(paths)}.")
    own = [paths[place] for place in np.array_split(np.arange(len(paths)), processes.number)[processes.rank]]
    own_notes: list[str] = []
    frames = [_table(path, reading, own_notes) for path in own] if tables else []
    arrays = [] if tables else _of_array_files(own, reading, own_notes, processes)
    notes += itertools.chain.from_iterable(processes.gathered("notes", own_notes))
    if tables:
        return of_tables(frames, reading, notes, processes)
    return joined_over(processes, joined(arrays))


def _check_enough(paths: Sequence[Path], processes: Processes) -> None:
    if len(paths) < processes.number:
        raise ValueError(
            f"`path` must name at least one file for each process. Got {len(paths)} for {processes.number} processes: "
            f"start {len(paths)} (--nproc-per-node {len(paths)}), or run the command without torchrun."
        )


def of_object(source: Any, reading: Reading, notes: list[str]) -> RawPredictions:
    """Read a mapping of arrays, a pandas table, the output of a trainer, (scores, labels), or scores.

    Raises:
        TypeError: another type.
        ValueError: its content is invalid.
    """
    if isinstance(source, Mapping):
        return of_content(source, "`source`", reading, notes)
    if hasattr(source, "predictions") and hasattr(source, "label_ids"):
        return of_content(_of_trainer(source, reading), "the output of the trainer", reading, notes)
    if not is_frame(source) and hasattr(source, "to_pandas"):
        source = source.to_pandas()
    if is_frame(source):
        return of_tables([("the table", source)], reading, notes)
    if isinstance(source, tuple) and len(source) == 2 and reading.labels is None:
        refuse_another_order(*source, "labels")
        return of_content({**_scores(source[0]), "target": source[1]}, "`source`", reading, notes)
    if isinstance(source, (np.ndarray, Tensor, list)):
        if reading.labels is None:
            raise ValueError("`labels` must be given with scores. Pass `labels=`, or a pair (scores, labels).")
        return of_content(_scores(source), "`source`", reading, notes)
    raise TypeError(
        "`source` must be a path, arrays by name, a pandas table, the output of `trainer.predict`, (scores, labels), "
        f"or scores with `labels`. Got {type(source).__name__}."
    )


def _scores(scores: Any) -> dict[str, Any]:
    if is_frame(scores):
        names = list(scores.columns)
        return {"scores": scores.to_numpy(), **({} if names == list(range(len(names))) else {"class_names": names})}
    return {"scores": scores}


def _of_trainer(output: Any, reading: Reading) -> dict[str, Any]:
    """Logits and labels from the output of Hugging Face's `Trainer.predict`; hidden states are ignored."""
    scores, target = output.predictions, output.label_ids
    if isinstance(scores, (tuple, list)):
        known = None if reading.class_names is None else len(reading.class_names)
        fitting = [
            array for array in scores if getattr(array, "ndim", 0) == 2 and (known is None or array.shape[1] == known)
        ]
        if len(fitting) != 1:
            shapes = ", ".join(str(tuple(getattr(array, "shape", ()))) for array in scores)
            raise ValueError(
                f"`predictions` must hold one array of the shape (N, C). Got the shapes {shapes}. Pass the logits: "
                "(output.predictions[0], output.label_ids), or `class_names`, so that C is known."
            )
        scores = fitting[0]
    if isinstance(target, (tuple, list)):
        raise ValueError(f"`label_ids` must be one array of labels. Got {len(target)}. Pass (logits, labels).")
    if target is None and reading.labels is None:
        raise ValueError("`label_ids` must hold labels. Got None: predict a data set with labels, or pass `labels`.")
    return {"predictions": scores} if target is None else {"predictions": scores, "label_ids": target}


def _table(path: Path, reading: Reading, notes: list[str]) -> tuple[str, Any]:
    """The name of a table in messages, and the table."""
    text_columns = kept_as_text(reading)
    if str(path) == STANDARD_INPUT:
        where = "standard input"
        return where, table_of_stream(sys.stdin.buffer, where, text_columns, notes)
    check_fits(path)
    return str(path), read_table(path, text_columns, notes)


def _of_array_files(
    paths: Sequence[Path], reading: Reading, notes: list[str], processes: Processes
) -> list[RawPredictions]:
    """Read each file; separate labels are those of all files, concatenated."""
    if reading.labels is None or (len(paths) == 1 and processes.number == 1):
        found = [of_content(read_arrays(path), str(path), reading, notes) for path in paths]
    else:
        found = _with_labels(paths, reading, notes, processes)
    names = processes.gathered("class names", found[0].class_names)[0]
    return [in_order(raw, names) if names and raw.class_names else raw for raw in found]


def _with_labels(
    paths: Sequence[Path], reading: Reading, notes: list[str], processes: Processes
) -> list[RawPredictions]:
    contents = [read_arrays(path) for path in paths]
    numbers = [_number_of_rows(content) for content in contents]
    each = processes.gathered("numbers of rows", sum(numbers))
    if sum(each) != len(reading.labels):
        raise ValueError(
            f"`labels` must hold one label per row, {sum(each):,} in all files. Got {len(reading.labels):,}."
        )
    found, begin = [], sum(each[: processes.rank])
    for path, content, number in zip(paths, contents, numbers, strict=True):
        own = replace(reading, labels=reading.labels[begin : begin + number])
        found.append(of_content(content, str(path), own, notes))
        begin += number
    return found


def _number_of_rows(content: Mapping[str, Any]) -> int:
    shape = shape_of(content, next(iter(content)))
    return shape[0] if shape else 0


def _of_folder(path: Path, reading: Reading, part: str, notes: list[str]) -> RawPredictions:
    if not (path / "run.json").is_file():
        kinds = {kind_of(file) for file in path.iterdir() if kind_of(file) in (*READERS, *TABLES)}
        kind = sorted(kinds)[0] if kinds else ""
        several = f"It holds {kind} files: for all of them pass '{path}/*{kind}'." if kinds else ""
        message = f"`path` must be a file or a run folder. {path} has no run.json. {runs_inside(path) or several}"
        raise FileNotFoundError(message.rstrip())
    folder = RunFolder.open(path)
    if part in TRAINED_ON:
        raise ValueError(f"`part` must be a set that the model was not trained on. Got {part!r}.")
    if reading.labels is not None:
        raise ValueError(f"`labels` must not be given for a run folder, which has its own. Got {path}.")
    try:
        logits, target = folder.load_predictions(part)
    except FileNotFoundError as error:
        raise ValueError(
            f"{error} A fix needs samples that the model was not trained on: train with --validation 0.1, or "
            "pass --part test, which is then no longer held out."
        ) from None
    content = {"logits": logits, "target": target, "class_counts": (folder.result or {}).get("class_counts")}
    if folder.data is not None:
        content["class_names"] = folder.data["class_names"]
    raw = of_content(content, str(path), reading, notes, indices=True)
    return replace(raw, bounds=GroupBounds.of(folder.header["config"]))
