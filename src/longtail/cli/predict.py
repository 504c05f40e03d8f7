"""`longtail predict RUN FILES`."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import tyro

from longtail.cli.console import say
from longtail.cli.output_file import check_writable
from longtail.regular_file import check_regular
from longtail.whole_file import write_whole

PRIORS = {"uniform": "equally often", "training": "as often as in the training data"}


def predict(
    run: tyro.conf.Positional[Path],
    files: tyro.conf.Positional[tuple[Path, ...]],
    *,
    top: int = 1,
    prior: Literal["uniform", "training"] | None = None,
    out: Path | None = None,
) -> None:
    """Predict the classes of new images, with probabilities.

    Args:
        run: Folder of the run, such as runs/LATEST.
        files: Images, folders of images, or lists of paths (.txt).
        top: How many classes to name for each image, the most probable first.
        prior: How often classes come, for the probabilities: uniform (by default), or as in the training data, which
            favours frequent classes.
        out: A CSV file to write; by default the predictions are printed, control characters in
            class names as escapes.
    """
    from longtail.arguments import check_integer
    from longtail.auto import load
    from longtail.cli.passes import Passes
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
    paths = listed(files)
    try:
        with Passes(counted=False) as passes:
            probability = predictor.probabilities(paths, prior=prior, progress=passes)
    except BadImageError as error:
        raise ValueError(_bad_files_among(paths) or str(error)) from None
    order = (-probability).argsort(axis=1, kind="stable")[:, :top]
    rows = [
        [str(path), *(cell for index in own for cell in (predictor.class_names[index], f"{row[index]:.6f}"))]
        for path, row, own in zip(paths, probability, order, strict=True)
    ]
    heading = ["path"]
    for rank in range(1, order.shape[1] + 1):
        heading += [f"class_{rank}", f"probability_{rank}"]
    calibrated = predictor.fix is not None and predictor.fix.is_calibrated
    fixed = f"calibrated on held-out samples for classes that come {PRIORS[prior or 'uniform']}"
    if predictor.fix is None:
        fixed = "not calibrated: the run has no fix.json"
    elif not calibrated:
        fixed = "not calibrated: a temperature did not improve those of the held-out samples"
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([heading, *rows])
    if out is None:
        say(text.getvalue().rstrip("\n"))
        if not calibrated:
            say(f"the probabilities are {fixed}", error=True)
        return
    with write_whole(out) as file:
        file.write(text.getvalue().encode(errors="surrogateescape"))
    say(f"{len(paths):,} predictions, probabilities {fixed}: {out}")


def _bad_files_among(paths: Sequence[Path]) -> str:
    """A message that names the files that can't be decoded, so that all are replaced before the next try."""
    from longtail.data.check import find_bad_files
    from longtail.data.first_of_many import first

    bad = find_bad_files(paths)
    if not bad:
        return ""
    return (
        f"`files` must be images. {len(bad):,} of {len(paths):,} can't be decoded: {first(list(bad.values()))} "
        "Replace them, or leave them out."
    )


def listed(files: Sequence[Path]) -> list[Path]:
    """Images that are named, that lie in folders that are named, or that lists name.

    Raises:
        FileNotFoundError: a name that is neither file nor folder.
        ValueError: no image among them, a table, a pipe or a device, or a folder in a list.
    """
    from longtail.data.image_folder import Walk
    from longtail.data.table_file import TABLES
    from longtail.data.text_file import kind_of

    found: list[Path] = []
    for path in files:
        if path.is_dir():
            whole = path.resolve()
            files_below = Walk().images(whole.parent, [whole.name])[whole.name]
            found += [path / Path(file).relative_to(whole.name) for file in files_below]
        elif path.suffix.lower() == ".txt" and path.is_file():
            found += [path.parent / line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        elif path.is_file() and kind_of(path) in TABLES:
            raise ValueError(
                f"`files` must be images, folders or lists of paths (.txt). Got the table {path}. Write its paths to a "
                "text file, one per line."
            )
        elif path.is_file():
            found.append(path)
        else:
            check_regular(path)
            raise FileNotFoundError(
                f"`files` must be images, folders or lists of paths (.txt). Got {path}, which is missing."
            )
    missing = [path for path in found if not path.is_file()]
    for path in missing:
        check_regular(path)
    if missing:
        raise FileNotFoundError(f"`files` must exist. {len(missing):,} listed files are missing, such as {missing[0]}.")
    if not found:
        raise ValueError("`files` must name at least one image. Got none.")
    return found
