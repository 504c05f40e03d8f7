"""The run folder: what one training run leaves behind, and what reports, re-balancing and comparisons read.

    run.json                configuration, seed, versions, processor; written first
    data.json               class names and counts, the shape of an input, normalisation, a fingerprint of the data
    metrics.jsonl           one JSON object a line, appended as training goes
    checkpoint.pt           the state of training, while it is not complete; loaded without executing anything
    weights.pt              tensors by name; loaded without executing anything
    predictions-NAME.npz    logits (N, C) float32 and labels (N,) int64 of one set
    result.json             the scores; written last, so its presence says that the run is complete
    .lock                   held by the process that works on the run; released by its end, however it ends

Every file but the growing one is written whole. A number that is not finite is `null` in JSON.
"""

import dataclasses
import errno
import io
import json
import os
import pickle
import re
import secrets
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from longtail.plain_json import to_json
from longtail.runs.versions import current_versions
from longtail.whole_file import write_whole

SCHEMA_VERSION = 1


class RunInUseError(RuntimeError):
    """Another process works on the run."""


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
    def create(cls, path: str | os.PathLike[str], *, config: Any, seed: int) -> Self:
        """Make a new folder, with its parents.

        Args:
            path: must not exist yet.
            config: a dataclass or mapping of plain values.
            seed: what the run's randomness derives from.

        Raises:
            FileExistsError: `path` is already there.
            TypeError: a configuration that JSON can't hold.
        """
        header = {
            "schema": SCHEMA_VERSION,
            "config": dataclasses.asdict(config) if dataclasses.is_dataclass(config) else dict(config),  # type: ignore[arg-type]
            "seed": seed,
            "versions": current_versions(),
        }
        try:
            content = to_json(header, indent=1)
        except TypeError as error:
            raise TypeError(f"`config` must hold plain values: numbers, strings, lists, mappings. {error}.") from None
        path = Path(path)
        if path.exists() or path.is_symlink():
            raise FileExistsError(f"`path` must not exist yet. Got {path}.")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}.part")
        part.mkdir()
        try:
            _write(part / "run.json", content)
            part.rename(path)
        except BaseException as error:
            shutil.rmtree(part, ignore_errors=True)
            if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise FileExistsError(f"`path` must not exist yet. Got {path}, made by another process.") from None
            raise
        return cls(path, json.loads(content))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Find a run again, complete or not.

        Raises:
            FileNotFoundError: no such folder, or no run in it.
            ValueError: damaged, or of a newer version.
        """
        path = Path(path)
        if not (path / "run.json").is_file():
            raise FileNotFoundError(f"`path` must be a run folder. Got {path}, which has no run.json.")
        try:
            header = json.loads((path / "run.json").read_text())
            schema, _, _ = header["schema"], header["config"], header["versions"]
        except (ValueError, TypeError, KeyError):
            raise ValueError(f"`path` must be a run folder. Got {path}, whose run.json is damaged.") from None
        if schema != SCHEMA_VERSION:
            raise ValueError(
                f"`path` must be a run folder of version {SCHEMA_VERSION}. Got version {schema} in {path}. "
                "Was it written by a newer longtail?"
            )
        return cls(path, header)

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r}, {'complete' if self.result is not None else 'not complete'})"

    def save_data(self, info: Any) -> None:
        """Keep what evaluation, prediction and export need to know of the data: a dataclass or mapping."""
        content = dataclasses.asdict(info) if dataclasses.is_dataclass(info) and not isinstance(info, type) else info
        _write(self.path / "data.json", to_json(content, indent=1))

    @property
    def data(self) -> dict[str, Any] | None:
        """What `save_data` kept; `None` for a run that was kept before there was such a file."""
        path = self.path / "data.json"
        if not path.exists():
            return None
        found = _parsed(path.read_text(errors="replace"))
        if found is None:
            raise _damaged(path)
        return found

    def log(self, **metrics: float | int | str) -> None:
        """Append one line of metrics; after a line that was cut off, begin a new one."""
        line = to_json(metrics) + "\n"
        with (self.path / "metrics.jsonl").open("ab+") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            file.write((line if file.read() in (b"", b"\n") else "\n" + line).encode())
            file.flush()
            os.fsync(file.fileno())  # no checkpoint may be ahead of its metrics

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """All lines of metrics; one that was cut off by the end of the process is left out."""
        path = self.path / "metrics.jsonl"
        lines = path.read_text(errors="replace").split("\n") if path.exists() else []
        return [metrics for metrics in map(_parsed, lines) if metrics is not None]

    def forget_metrics_from(self, epoch: int) -> None:
        """Drop the lines of `epoch` and later ones, which a resumed run will write again."""
        kept = [to_json(line) + "\n" for line in self.metrics if line.get("epoch", 0) < epoch]
        with write_whole(self.path / "metrics.jsonl") as file:
            file.write("".join(kept).encode())

    @contextmanager
    def lock(self, *, enabled: bool = True) -> Iterator[None]:
        """Keep other processes from working on this run within the block; clear away what a killed one was writing.

        Raises:
            RunInUseError: another process is at it.
        """
        if not enabled:
            yield
            return
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise RunInUseError(f"`path` must not be in use. Another process works on {self.path}.") from None
        try:
            for part in self.path.glob(".*.part"):
                part.unlink()
            yield
        finally:
            lock.release()

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Keep the state of training in the place of the former; that one survives if writing fails."""
        _save_tensors(self.path / "checkpoint.pt", state)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """What `save_checkpoint` kept last, on the CPU; `None` where there is none. Nothing in the file is executed.

        Raises:
            ValueError: the file is damaged.
        """
        path = self.path / "checkpoint.pt"
        return _load_tensors(path) if path.exists() else None

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is a state to go on from."""
        return (self.path / "checkpoint.pt").exists()

    def drop_checkpoint(self) -> None:
        """Remove the checkpoint of a run that is complete."""
        (self.path / "checkpoint.pt").unlink(missing_ok=True)

    def save_predictions(self, name: str, logits: Tensor, target: Tensor) -> None:
        """Keep logits (N, C) and labels (N,) of one set, such as "test".

        Raises:
            ValueError: a name of other signs than letters, digits, "_" and "-"; shapes that do not fit together.
        """
        path = self._predictions(name)
        if logits.dim() != 2 or target.shape != logits.shape[:1] or target.is_floating_point():
            raise ValueError(
                "`logits` and `target` must have the shapes (N, C) and (N,), labels being integers. "
                f"Got {tuple(logits.shape)} and {tuple(target.shape)} of {target.dtype}."
            )
        with write_whole(path) as file:
            np.savez(file, logits=logits.detach().cpu().float().numpy(), target=target.cpu().numpy())

    def load_predictions(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The logits and labels of one set.

        Raises:
            FileNotFoundError: this run has no such set.
            ValueError: the file is damaged.
        """
        path = self._predictions(name)
        if not path.exists():
            kept = sorted(file.stem.removeprefix("predictions-") for file in self.path.glob("predictions-*.npz"))
            raise FileNotFoundError(
                f"`name` must be a set of the run {self.path} ({', '.join(kept) or 'none'}). Got {name!r}."
            )
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return arrays["logits"], arrays["target"]
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise _damaged(path) from error

    def _predictions(self, name: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise ValueError(f'`name` must consist of letters, digits, "_" and "-". Got {name!r}.')
        return self.path / f"predictions-{name}.npz"

    def save_weights(self, weights: Mapping[str, Any]) -> None:
        """Keep tensors by name, nested as `state_dict` gives them."""
        _save_tensors(self.path / "weights.pt", weights)

    def load_weights(self) -> dict[str, Any]:
        """What `save_weights` kept, on the CPU. Nothing in the file is executed.

        Raises:
            FileNotFoundError: there are none.
            ValueError: the file is damaged.
        """
        if not (self.path / "weights.pt").is_file():
            raise FileNotFoundError(f"{self.path} must hold weights.pt, as a complete run does. It does not.")
        return _load_tensors(self.path / "weights.pt")

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write the result; the run is complete."""
        _write(self.path / "result.json", to_json(result, indent=1))

    @property
    def result(self) -> dict[str, Any] | None:
        """The result, or `None` while the run is not complete."""
        path = self.path / "result.json"
        if not path.exists():
            return None
        result = _parsed(path.read_text(errors="replace"))
        if result is None:
            raise _damaged(path)
        return result


def _save_tensors(path: Path, tensors: Mapping[str, Any]) -> None:
    content = io.BytesIO()  # written straight to a full disk, torch's archive would hide the cause
    torch.save(dict(tensors), content)
    with write_whole(path) as file:
        file.write(content.getbuffer())


def _load_tensors(path: Path) -> dict[str, Any]:
    """Nothing is executed, and checksums are compared, which torch itself does not do."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise _damaged(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path} must hold tensors and plain values only. It holds something else.") from error
    except (RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(path) from error
    if not isinstance(tensors, dict):
        raise _damaged(path)
    return tensors


def _damaged(path: Path) -> ValueError:
    return ValueError(f"{path} is damaged: it can't be read as what its name says.")


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _write(path: Path, content: str) -> None:
    with write_whole(path) as file:
        file.write((content + "\n").encode())
