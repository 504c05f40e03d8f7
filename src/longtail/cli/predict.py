"""`longtail predict RUN FILES`."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from longtail.cli.console import say
from longtail.cli.image_files import image_files
from longtail.cli.output_file import check_room, check_writable
from longtail.whole_file import write_whole

if TYPE_CHECKING:
    from longtail.auto import Predictor
    from longtail.cli.passes import Passes
    from longtail.data import Samples
    from longtail.repair import Fix

PRIORS = {"uniform": "equally often", "training": "as often as in the training data"}


def predict(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    files: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILES")],
    *,
    top: int = 1,
    sets: float | None = None,
    prior: Literal["uniform", "training"] | None = None,
    path_column: str | None = None,
    on_bad_file: Literal["fail", "skip"] = "fail",
    out: Path | None = None,
) -> None:
    """Predict the classes of new images, with probabilities.

    Args:
        run: Folder of the run, such as runs/LATEST.
        files: Images, Parquet or tar files of images, folders of any of these, lists of paths (.txt), or patterns.
        top: How many classes to name for each image, the most probable first.
        sets: Give a prediction set for each image instead of the --top classes. Sets miss the true class of at most
            about this share of images, such as 0.1. They are fitted on the held-out images of the run.
        prior: How often classes come, for the probabilities: uniform (by default), or as in the training data, which
            favours frequent classes.
        path_column: Column of the images in Parquet files, by default found by its content; suffix in tar files.
        on_bad_file: fail, or skip to leave out files that are missing or can not be decoded.
        out: A CSV file to write; by default the predictions are printed, control characters in
            class names as escapes.
    """
    from longtail.arguments import check_integer
    from longtail.auto import load
    from longtail.cli.images_to_predict import ImagesToPredict
    from longtail.cli.passes import Passes
    from longtail.data.counted import counted
    from longtail.data.decoding import BadImageError
    from longtail.posthoc.conformal import check_miscoverage

    check_integer("top", top, minimum=1)
    if sets is not None:
        check_miscoverage("sets", sets)
        if top != 1:
            raise ValueError(f"--top must be left out with --sets, which name as many classes as needed. Got {top}.")
    if out is not None:
        check_writable("--out", out)
    predictor = load(run)
    if len(predictor.info.input_shape) == 1:
        raise ValueError(
            f"`run` must be a run on images. {run} was trained on {predictor.info.input_shape[0]} features: use "
            "longtail.load(run).batch(X) in Python, or longtail evaluate RUN --data TABLE."
        )
    if sets is not None:
        predictor.sets([], sets, prior=prior)  # which finds what sets need, before all images are looked at
    images = ImagesToPredict(image_files(files, missing_allowed=on_bad_file == "skip"), path_column)
    with Passes(counted=False) as passes:
        if on_bad_file == "skip":
            images.leave_out_bad(passes)
        names = images.names
        if out is not None:
            check_room("--out", out, _least_size(names, predictor.class_names, top))
        try:
            found = [_classes_of(predictor, group, top, sets, prior, passes) for group in images.groups]
        except BadImageError as error:
            raise ValueError(images.bad() or str(error)) from None
    text = _csv(names, [own for classes in found for own in classes])
    fixed = _how_calibrated(predictor.fix, prior)
    if out is None:
        say(text.rstrip("\n"))
        if predictor.fix is None or not predictor.fix.is_calibrated:
            say(f"the probabilities are {fixed}", error=True)
        if sets is not None:
            say(f"the sets {_how_covered(sets)}", error=True)
        return
    with write_whole(out) as file:
        file.write(text.encode(errors="surrogateescape"))
    what = "" if sets is None else f", sets that {_how_covered(sets)}"
    say(f"{counted(len(names), 'prediction', 'predictions')}{what}, probabilities {fixed}: {out}")


def _classes_of(
    predictor: "Predictor",
    images: "Samples",
    top: int,
    sets: float | None,
    prior: str | None,
    progress: "Passes",
) -> list[list[tuple[str, float]]]:
    """Names and probabilities of the classes to name for each image."""
    if sets is not None:
        return predictor.sets(images, sets, prior=prior, progress=progress)
    return predictor.batch(images, top=top, prior=prior, progress=progress)


def _csv(names: Sequence[str], classes: Sequence[Sequence[tuple[str, float]]]) -> str:
    """A row per image: its path or row, and names and probabilities of its classes; empty cells where it has fewer."""
    most = max(map(len, classes))
    heading = ["path"]
    for rank in range(1, most + 1):
        heading += [f"class_{rank}", f"probability_{rank}"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heading)
    for name, own in zip(names, classes, strict=True):
        cells = [cell for label, probability in own for cell in (label, f"{probability:.6f}")]
        writer.writerow([name, *cells, *[""] * (2 * (most - len(own)))])
    return text.getvalue()


def _least_size(names: Sequence[str], class_names: Sequence[str], top: int) -> int:
    """Bytes that the CSV file has at least: paths, and names and probabilities of the classes."""
    cells = min(top, len(class_names)) * (min(map(len, class_names)) + len(",,0.000000"))
    return sum(map(len, names)) + len(names) * (cells + 1)


def _how_covered(sets: float) -> str:
    return f"hold the true class of at least about {100 * (1 - sets):g} % of images like the held-out ones"


def _how_calibrated(fix: "Fix | None", prior: str | None) -> str:
    if fix is None:
        return "not calibrated: the run has no fix.json"
    if not fix.is_calibrated:
        return "not calibrated: a temperature did not improve those of the held-out samples"
    return f"calibrated on held-out samples for classes that come {PRIORS[prior or 'uniform']}"
