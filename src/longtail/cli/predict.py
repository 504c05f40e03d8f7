"""`longtail predict RUN FILES`."""

import contextlib
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from longtail.cli.console import say
from longtail.cli.image_files import image_files, matches
from longtail.cli.output_file import check_new, check_no_input, check_room
from longtail.whole_file import write_whole

if TYPE_CHECKING:
    import numpy as np

    from longtail.auto import Predictor
    from longtail.cli.images_to_predict import ImagesToPredict
    from longtail.cli.passes import Passes
    from longtail.cli.rows_to_predict import RowsToPredict
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
    id_column: str | None = None,
    path_column: str | None = None,
    on_bad_file: Literal["fail", "skip"] = "fail",
    out: Path | None = None,
    force: bool = False,
) -> None:
    """Predict the classes of new images, or of rows of features, with probabilities.

    Args:
        run: Folder of the run, such as runs/LATEST.
        files: Images, Parquet or tar files of images, folders of any of these, lists of paths (.txt), or patterns. For
            a run on features: tables (.csv, .parquet, …) or arrays (.npy, .npz) of features.
        top: How many classes to name for each sample, the most probable first.
        sets: Give a prediction set for each sample instead of the --top classes. Sets miss the true class of at most
            about this share of samples, such as 0.1. They are fitted on the held-out samples of the run.
        prior: How often classes come, for the probabilities: uniform (by default), or as in the training data, which
            favours frequent classes.
        id_column: Column of a table of features that names its rows; by default they are called FILE:ROW.
        path_column: Column of the images in Parquet files, by default that of training, or found by its content; suffix
            in tar files.
        on_bad_file: fail, or skip to leave out files that are missing or can not be decoded.
        out: A CSV file to write; by default the predictions are printed, control characters in
            class names as escapes.
        force: Replace a file that exists.
    """
    from longtail.arguments import check_integer
    from longtail.auto import load
    from longtail.cli.passes import Passes
    from longtail.data.counted import counted
    from longtail.posthoc.conformal import check_miscoverage

    if not files:
        raise ValueError(
            f"FILES must be given. Got none. Try longtail predict {run} new/*.jpg, or a table of features."
        )
    check_integer("top", top, minimum=1)
    if sets is not None:
        check_miscoverage("sets", sets)
        if top != 1:
            raise ValueError(f"--top must be left out with --sets, which name as many classes as needed. Got {top}.")
    if out is not None:
        inputs = (match for file in files for match in matches(file))
        check_new("--out", out, force=force, inputs=(run, run / "fix.json", *inputs))
    predictor = load(run)
    _check_options(run, predictor, id_column, path_column, on_bad_file)
    if sets is not None:
        predictor.sets([], sets, prior=prior)  # fails for lack of held-out samples before any file is read
    with Passes(counted=False) as passes:
        samples = _samples(predictor, files, id_column, path_column, passes if on_bad_file == "skip" else None, out)
        if out is not None:
            check_room("--out", out, _least_size(samples.names, predictor.class_names, top))
        found = samples.predicted(lambda some: _classes_of(predictor, some, top, sets, prior, passes))
    text = _csv(samples.heading, samples.names, found)
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
    say(f"{counted(len(samples.names), 'prediction', 'predictions')}{what}, probabilities {fixed}: {out}")


def _check_options(
    run: Path, predictor: "Predictor", id_column: str | None, path_column: str | None, on_bad_file: str
) -> None:
    """Refuse options of images for a run on features, and the other way round."""
    kind, others = "images", {"--id-column": id_column}
    if len(predictor.info.input_shape) == 1:
        skip = None if on_bad_file == "fail" else on_bad_file
        kind, others = "features", {"--path-column": path_column, "--on-bad-file": skip}
    for option, value in others.items():
        if value is not None:
            raise ValueError(f"{option} must be left out for {run}, which was trained on {kind}. Got {value!r}.")


def _samples(
    predictor: "Predictor",
    files: Sequence[Path],
    id_column: str | None,
    path_column: str | None,
    skipping: "Passes | None",
    out: Path | None,
) -> "ImagesToPredict | RowsToPredict":
    """The samples in the files; with `skipping`, which shows the progress, bad images are left out."""
    if len(predictor.info.input_shape) == 1:
        from longtail.cli.rows_to_predict import RowsToPredict

        return RowsToPredict(files, predictor.info, id_column)
    found = image_files(files, missing_allowed=skipping is not None)
    if out is not None:
        check_no_input("--out", out, found)
    images = _images(predictor, found, path_column)
    if skipping is not None:
        images.leave_out_bad(skipping)
    return images


def _images(predictor: "Predictor", files: Sequence[Path], path_column: str | None) -> "ImagesToPredict":
    """The images, in packed files by the column that the run was trained by if none is named and they have it."""
    from longtail.auto.columns_of_run import columns_of, note_on_column
    from longtail.cli.images_to_predict import ImagesToPredict
    from longtail.data.packed_images import is_packed

    known = columns_of(predictor.config, {"path_column": path_column}).get("path_column")
    if known is not None and all(map(is_packed, files)):
        with contextlib.suppress(ValueError):
            images = ImagesToPredict(files, known)
            say(note_on_column("path_column", known), error=True)
            return images
    return ImagesToPredict(files, path_column)


def _classes_of(
    predictor: "Predictor",
    samples: "Samples | np.ndarray",
    top: int,
    sets: float | None,
    prior: str | None,
    progress: "Passes",
) -> list[list[tuple[str, float]]]:
    """Names and probabilities of the classes to name for each sample."""
    if sets is not None:
        return predictor.sets(samples, sets, prior=prior, progress=progress)
    return predictor.batch(samples, top=top, prior=prior, progress=progress)


def _csv(heading: str, names: Sequence[str], classes: Sequence[Sequence[tuple[str, float]]]) -> str:
    """A row per sample: its name, and names and probabilities of its classes; empty cells where it has fewer."""
    most = max(map(len, classes))
    columns = [heading]
    for rank in range(1, most + 1):
        columns += [f"class_{rank}", f"probability_{rank}"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for name, own in zip(names, classes, strict=True):
        cells = [cell for label, probability in own for cell in (label, f"{probability:.6f}")]
        writer.writerow([name, *cells, *[""] * (2 * (most - len(own)))])
    return text.getvalue()


def _least_size(names: Sequence[str], class_names: Sequence[str], top: int) -> int:
    """Bytes that the CSV file has at least: paths, and names and probabilities of the classes."""
    cells = min(top, len(class_names)) * (min(map(len, class_names)) + len(",,0.000000"))
    return sum(map(len, names)) + len(names) * (cells + 1)


def _how_covered(sets: float) -> str:
    return f"hold the true class of at least about {100 * (1 - sets):g} % of samples like the held-out ones"


def _how_calibrated(fix: "Fix | None", prior: str | None) -> str:
    if fix is None:
        return "not calibrated: the run has no fix.json"
    if not fix.is_calibrated:
        return "not calibrated: a temperature did not improve those of the held-out samples"
    return f"calibrated on held-out samples for classes that come {PRIORS[prior or 'uniform']}"
