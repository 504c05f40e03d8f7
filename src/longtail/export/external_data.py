"""Tensors that an ONNX file keeps in other files."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from longtail.export.graph_outputs import every_graph
from longtail.whole_file import write_whole

if TYPE_CHECKING:
    from onnx import ModelProto


@contextmanager
def copied_data(content: "ModelProto", model: Path, path: Path) -> Iterator[None]:
    """Copy the data files of a model into the folder of `path`; remove the copies if the block fails.

    In the same folder nothing is copied: both models share the files.

    Raises:
        FileNotFoundError: a data file is missing.
        FileExistsError: a file with its name is there already.
        ValueError: a data file outside the folder of the model.
    """
    copies: list[Path] = []
    try:
        if path.resolve().parent != model.resolve().parent:
            for location in _locations(content):
                copy = _copy(location, model.resolve().parent, path.resolve().parent)
                copies.append(copy)  # one by one, so that these are removed if the next fails
        yield
    except BaseException:
        for copy in copies:
            copy.unlink(missing_ok=True)
        raise


def _locations(content: "ModelProto") -> list[str]:
    from onnx import TensorProto

    found = {
        entry.value
        for part in every_graph(content.graph)
        for tensor in part.initializer
        if tensor.data_location == TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return sorted(found)


def _copy(location: str, origin: Path, folder: Path) -> Path:
    if PurePosixPath(location).is_absolute() or ".." in PurePosixPath(location).parts:
        raise ValueError(f"The model must keep its data in its own folder. It names {location!r}.")
    source, target = origin / location, folder / location
    if target.exists():
        raise FileExistsError(
            f"The data of the model are copied to {target}, which must not exist yet. Remove it, or write the model to "
            "another folder."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as data, write_whole(target) as file:
        shutil.copyfileobj(data, file, 1 << 20)
    return target
