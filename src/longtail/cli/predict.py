"""`longtail predict RUN FILES`."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from longtail.cli.console import say
from longtail.cli.image_files import image_files
from longtail.cli.output_file import check_room, check_writable
from longtail.whole_file import write_whole

if TYPE_CHECKING:
    import numpy as np

    from longtail.data.check import Progress
    from longtail.repair import Fix

PRIORS = {"uniform": "equally often", "training": "as often as in the training data"}


def predict(
    run: tyro.conf.Positional[Path],
    files: tyro.conf.Positional[tuple[Path, ...]],
    *,
    top: int = 1,
    prior: Literal["uniform", "training"] | None = None,
    on_bad_file: Literal["fail", "skip"] = "fail",
    out: Path | None = None,
) -> None:
    """Predict the classes of new images, with probabilities.

    Args:
        run: Folder of the run, such as runs/LATEST.
        files: Images, folders of images, lists of paths (.txt), or patterns of any of these.
        top: How many classes to name for each image, the most probable first.
        prior: How often classes come, for the probabilities: uniform (by default), or as in the training data, which
            favours frequent classes.
        on_bad_file: fail, or skip to leave out files that are missing or can not be decoded.
        out: A CSV file to write; by default the predictions are printed, control characters in
            class names as escapes.
    """
    from longtail.arguments import check_integer
    from longtail.auto import load
    from longtail.cli.passes import Passes
    from longtail.data.counted import counted
    from longtail.data.decoding import BadImageError

    check_integer("top", top, minimum=1)
    if out is not None:
        check_writable("--out", out)
    predictor = load(run)
    if len(predictor.info.input_shape) == 1:
        raise ValueError(
            f"`run` must be a run on images. {run} was trained on {predictor.info.input_shape[0]} features: use "
            "longtail.load(run).batch(X) in Python, or longtail evaluate RUN --data TABLE."
        )
    paths = image_files(files, missing_allowed=on_bad_file == "skip")
    with Passes(counted=False) as passes:
        if on_bad_file == "skip":
            paths = _without_bad_files(paths, passes)
        if out is not None:
            check_room("--out", out, _least_size(paths, predictor.class_names, top))
        try:
            probability = predictor.probabilities(paths, prior=prior, progress=passes)
        except BadImageError as error:
            raise ValueError(_bad_files_among(paths) or str(error)) from None
    text = _csv(paths, predictor.class_names, probability, top)
    fixed = _how_calibrated(predictor.fix, prior)
    if out is None:
        say(text.rstrip("\n"))
        if predictor.fix is None or not predictor.fix.is_calibrated:
            say(f"the probabilities are {fixed}", error=True)
        return
    with write_whole(out) as file:
        file.write(text.encode(errors="surrogateescape"))
    say(f"{counted(len(paths), 'prediction', 'predictions')}, probabilities {fixed}: {out}")


def _csv(paths: Sequence[Path], class_names: Sequence[str], probability: "np.ndarray", top: int) -> str:
    """A row per image: its path, and names and probabilities of the most probable classes."""
    order = (-probability).argsort(axis=1, kind="stable")[:, :top]
    heading = ["path"]
    for rank in range(1, order.shape[1] + 1):
        heading += [f"class_{rank}", f"probability_{rank}"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heading)
    for path, own, row in zip(paths, order, probability, strict=True):
        writer.writerow([str(path), *(cell for index in own for cell in (class_names[index], f"{row[index]:.6f}"))])
    return text.getvalue()


def _least_size(paths: Sequence[Path], class_names: Sequence[str], top: int) -> int:
    """Bytes that the CSV file has at least: paths, and names and probabilities of the classes."""
    cells = min(top, len(class_names)) * (min(map(len, class_names)) + len(",,0.000000"))
    return sum(len(str(path)) for path in paths) + len(paths) * (cells + 1)


def _how_calibrated(fix: "Fix | None", prior: str | None) -> str:
    if fix is None:
        return "not calibrated: the run has no fix.json"
    if not fix.is_calibrated:
        return "not calibrated: a temperature did not improve those of the held-out samples"
    return f"calibrated on held-out samples for classes that come {PRIORS[prior or 'uniform']}"


def _bad_files_among(paths: Sequence[Path]) -> str:
    """A message that names the files that can't be decoded, so that all are replaced before the next try."""
    from longtail.data.check import SKIPPING, find_bad_files
    from longtail.data.first_of_many import first

    bad = find_bad_files(paths)
    if not bad:
        return ""
    return (
        f"`files` must be images. {len(bad):,} of {len(paths):,} can't be decoded: {first(list(bad.values()))} "
        f"Replace them, or {SKIPPING}."
    )


def _without_bad_files(paths: Sequence[Path], progress: "Progress") -> list[Path]:
    """The images that can be decoded; says which of the others are left out."""
    from longtail.data.check import find_bad_files
    from longtail.data.first_of_many import first

    bad = find_bad_files(paths, progress=progress)
    if len(bad) == len(paths):
        raise ValueError(f"`files` must hold an image that can be decoded. None of {len(paths):,} can: {bad[0]}")
    if bad:
        left_out = first([str(paths[index]) for index in bad])
        say(f"{len(bad):,} of {len(paths):,} files are bad and left out: {left_out}.", error=True)
    return [path for index, path in enumerate(paths) if index not in bad]
