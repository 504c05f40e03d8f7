"""The run folder: what one training run leaves behind, and what reports, re-balancing and comparisons read.

    run.json                configuration, seed, versions, processor, checksum of a file of weights; written first
    data.json               class names and counts, the shape of an input, normalisation, a fingerprint of the data
    metrics.jsonl           one JSON object per line, appended as training goes
    checkpoint.pt           the state of training, while it is not complete; loaded without executing anything
    weights.pt              tensors by name; loaded without executing anything
    predictions-NAME.npz    logits (N, C) float32 and labels (N,) int64 of one set
    fix.json                offsets and the calibration of probabilities, of the user's own data
    result.json             the scores; written last, so its presence says that the run is complete
    .lock                   held by the process that works on the run; released by its end, however it ends

Every file but the growing one is written whole. All are ordinary files: no link in a run folder is followed. A number
that is not finite is `null` in JSON.
"""

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import Tensor

from longtail.plain_json import to_json
from longtail.runs.data_file import check_data
from longtail.runs.fields import check_fields
from longtail.runs.header_file import check_header
from longtail.runs.json_file import load_json, save_json
from longtail.runs.metrics_log import append_line, drop_lines_from, read_lines
from longtail.runs.ordinary_file import ordinary
from longtail.runs.prediction_file import load_predictions, save_predictions
from longtail.runs.result_file import FIELDS
from longtail.runs.run_lock import run_lock
from longtail.runs.runs_inside import runs_beside, runs_inside
from longtail.runs.tensor_file import load_tensors, save_tensors
from longtail.runs.versions import current_versions
from longtail.whole_file import LEFT_SECONDS, remove_parts, write_whole_folder

SCHEMA_VERSION = 1


class RunFolder:
    """One run on disk: made with `create`, found again with `open`.

    Example:
        >>> import tempfile
        >>> folder = RunFolder.create(Path(tempfile.mkdtemp()) / "ce-seed0", config={"loss": "ce"}, seed=0)
        >>> folder.log(epoch=1, loss=2.3)
        >>> folder.finish({"top1": 0.8})
        >>> RunFolder.open(folder.path).result
        {'top1': 0.8}
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.path = path
        self.header = header

    @classmethod
    def create(cls, path: str | os.PathLike[str], *, config: Any, seed: int, weights: str | None = None) -> Self:
        """Make a new folder, with its parents.

        Args:
            path: must not exist yet.
            config: a dataclass or mapping of plain values.
            seed: what the run's randomness derives from.
            weights: checksum of the file of weights that it starts from, if it starts from one.

        Raises:
            FileExistsError: `path` is already there.
            TypeError: a configuration that JSON can't hold.
        """
        header = {
            "schema": SCHEMA_VERSION,
            "config": dataclasses.asdict(config) if dataclasses.is_dataclass(config) else dict(config),  # type: ignore[arg-type]
            "seed": seed,
            "versions": current_versions(),
            **({} if weights is None else {"weights": weights}),
        }
        try:
            content = to_json(header, indent=1)
        except TypeError as error:
            raise TypeError(f"`config` must hold plain values: numbers, strings, lists, mappings. {error}.") from None
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_parts(path.parent, LEFT_SECONDS, of=path.name)
        with write_whole_folder(path) as part:
            save_json(part / "run.json", header)
        return cls(path, json.loads(content))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Find a run again, complete or not.

        Raises:
            FileNotFoundError: no such folder, or no run in it.
            ValueError: damaged, or of a newer version.
        """
        path = Path(path)
        if not os.path.lexists(path / "run.json"):
            found = (
                f"which has no run.json. {runs_inside(path)}"
                if path.exists()
                else f"which is missing. {runs_beside(path)}"
            )
            raise FileNotFoundError(f"`path` must be a run folder. Got {path}, {found}".rstrip())
        header = load_json(path / "run.json")
        assert header is not None
        schema = header["schema"]
        if schema != SCHEMA_VERSION:
            raise ValueError(
                f"`path` must be a run folder of version {SCHEMA_VERSION}. Got version {str(schema)[:20]} in {path}. "
                "Was it written by a newer longtail?"
            )
        check_header(header)
        return cls(path, header)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r}, {'complete' if self.result is not None else 'not complete'})"

    def save_data(self, info: Any) -> None:
        """Keep what evaluation, prediction and export need to know of the data: a dataclass or mapping."""
        content = dataclasses.asdict(info) if dataclasses.is_dataclass(info) and not isinstance(info, type) else info
        save_json(self.path / "data.json", content)

    def file(self, name: str) -> Path:
        """The path of one of its files, whether it exists or not.

        Raises:
            ValueError: there is a link, a folder or a pipe of that name.
        """
        return ordinary(self.path / name)

    @property
    def data(self) -> dict[str, Any] | None:
        """What `save_data` kept; `None` for a run that was kept before there was such a file.

        Raises:
            ValueError: the file is damaged, or a field of it is not what it must be.
        """
        path = self.path / "data.json"
        content = load_json(path)
        if content is not None:
            check_data(content, path)
        return content

    @property
    def of_features(self) -> bool:
        """Whether its data are features, on which no backbone is used; False where that is not known."""
        return len((self.data or {}).get("input_shape") or ()) == 1

    @property
    def origin(self) -> Path | None:
        """The path that the data were read from, if it is still there."""
        kept = (self.data or {}).get("origin")
        return Path(kept) if kept is not None and Path(kept).exists() else None

    def log(self, **metrics: float | int | str) -> None:
        """Append one line of metrics; after a line that was cut off, begin a new one."""
        append_line(self.path / "metrics.jsonl", metrics)

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """All lines of metrics; one that was cut off by the end of the process is left out."""
        return read_lines(self.path / "metrics.jsonl")

    def forget_metrics_from(self, epoch: int) -> None:
        """Drop the lines of `epoch` and later ones, which a resumed run will write again."""
        drop_lines_from(self.path / "metrics.jsonl", epoch)

    def lock(self, *, enabled: bool = True, wait: float = 0.0) -> AbstractContextManager[None]:
        """Keep other processes from working on this run within the block; clear away what a killed one was writing.

        Args:
            enabled: whether to lock at all.
            wait: seconds to wait for another process to end.

        Raises:
            RunInUseError: the run is locked by another process.
        """
        return run_lock(self.path, wait) if enabled else nullcontext()

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Keep the state of training in the place of the former; that one survives if writing fails."""
        save_tensors(self.path / "checkpoint.pt", state)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """What `save_checkpoint` kept last, on the CPU; `None` where there is none. Nothing in the file is executed.

        Raises:
            ValueError: the file is damaged.
        """
        return load_tensors(self.path / "checkpoint.pt") if self.has_checkpoint else None

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is a checkpoint to resume from."""
        return self.file("checkpoint.pt").exists()

    def drop_checkpoint(self) -> None:
        """Remove the checkpoint of a run that is complete."""
        if self.has_checkpoint:  # on a read-only disk, removing a file that is missing is an error, too
            self.file("checkpoint.pt").unlink(missing_ok=True)

    def save_predictions(self, name: str, logits: Tensor, target: Tensor) -> None:
        """Keep logits (N, C) and labels (N,) of one set, such as "test".

        Raises:
            ValueError: a name with characters other than letters, digits, "_" and "-", or shapes that do not fit.
        """
        save_predictions(self._predictions(name), logits, target)

    def load_predictions(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The logits and labels of one set.

        Raises:
            FileNotFoundError: this run has no such set.
            ValueError: the file is damaged.
        """
        path = self._predictions(name)
        if not path.exists():
            kept = ", ".join(self.predicted_sets) or "none"
            raise FileNotFoundError(f"`name` must be a set of the run {self.path} ({kept}). Got {name!r}.")
        return load_predictions(path)

    @property
    def predicted_sets(self) -> list[str]:
        """The names of the sets whose predictions it holds, sorted."""
        return sorted(file.stem.removeprefix("predictions-") for file in self.path.glob("predictions-*.npz"))

    def _predictions(self, name: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise ValueError(f'`name` must consist of letters, digits, "_" and "-". Got {name!r}.')
        return self.file(f"predictions-{name}.npz")

    @property
    def weights_path(self) -> Path:
        """The file of weights.

        Raises:
            FileNotFoundError: there is none.
        """
        path = self.file("weights.pt")
        if not path.exists():
            raise FileNotFoundError(
                f"{self.path} must hold weights.pt, as a complete run does. Restore it, or train the run again."
            )
        return path

    @property
    def fix_path(self) -> Path:
        """The offsets and probabilities that are served, where some were fitted."""
        return self.file("fix.json")

    def save_weights(self, weights: Mapping[str, Any]) -> None:
        """Keep tensors by name, nested as `state_dict` gives them."""
        save_tensors(self.path / "weights.pt", weights)

    def load_weights(self) -> dict[str, Any]:
        """What `save_weights` kept, on the CPU. Nothing in the file is executed.

        Raises:
            FileNotFoundError: there are none.
            ValueError: the file is damaged.
        """
        return load_tensors(self.weights_path)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write the result; the run is complete."""
        save_json(self.path / "result.json", result)

    @property
    def result(self) -> dict[str, Any] | None:
        """The result, or `None` while the run is not complete.

        Raises:
            ValueError: the file is damaged, or a field of it is not what it must be.
        """
        path = self.path / "result.json"
        content = load_json(path)
        if content is not None:
            check_fields(content, FIELDS, path)
        return content
