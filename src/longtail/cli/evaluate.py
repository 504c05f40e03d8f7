"""`longtail evaluate RUN`, and `longtail evaluate FILE --fix fix.json`."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from longtail.cli.console import say
from longtail.cli.reading_options import Kind, ReadingOptions


def evaluate(
    source: tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="RUN|FILE")]],
    *,
    fix: Path | None = None,
    reading: Annotated[ReadingOptions, tyro.conf.arg(name="")],
    kind: Kind | None = None,
    part: str | None = None,
    json: bool = False,
    rebalance: Annotated[str, tyro.conf.arg(metavar="TAU|off")] = "1",
    converge: bool = False,
    transductive: bool = False,
    fit_on: str | None = None,
    data: Path | None = None,
    root: Path | None = None,
    path_column: str | None = None,
    on_bad_file: Literal["fail", "skip"] = "fail",
) -> None:
    """Score a finished run, or a deployed fix on new labelled predictions.

    Without --fix, a run is scored on its saved logits, with and without re-balancing, or on other labelled data
    (--data). With --fix, a model is compared with and without the fix: longtail evaluate new.csv --fix fix.json.
    The option --labels and those below it say how these predictions are read; --label can be used with --data, too.

    Args:
        source: Run folder; with --fix also labelled predictions in any form that longtail fix reads. Columns are
            matched to the classes of the fix by name.
        fix: The fix.json to evaluate.
        reading: With --fix, how predictions are read.
        kind: With --fix, whether the scores are logits or probabilities; by default what the fix takes.
        part: The part to score: with --data test, validation or train, by default the first that the data have; with
            --fix a set of the run, by default test.
        json: With --fix, print the results as JSON.
        rebalance: The scaling factor tau of re-balancing, at least 0; "off" for no re-balancing.
        converge: Re-balance to the fixed point.
        transductive: Fit re-balancing on the unlabelled test set instead of on labelled data.
        fit_on: Labelled set of the run to fit re-balancing on; by default the one of its result.
        data: Other labelled data of the same classes, in any form that longtail train reads. They are scored by the
            network with and without the fix of the run. Columns that are not named are those of training.
        root: Folder that the paths in a list or table are relative to.
        path_column: With --data, the column of the paths, or of images as bytes, of a table; suffix in tar shards.
        on_bad_file: With --data: fail, or skip to leave out files that can not be decoded.
    """
    of_run = _changed(
        rebalance=(rebalance, "1"),
        converge=(converge, False),
        transductive=(transductive, False),
        fit_on=(fit_on, None),
    )
    of_data = _changed(
        data=(data, None), root=(root, None), path_column=(path_column, None), on_bad_file=(on_bad_file, "fail")
    )
    given = reading.given() | {name: value for name, value in (("kind", kind), ("part", part)) if value is not None}
    if fix is not None:
        from longtail.cli.evaluate_fix import evaluate_with_fix

        if of_run or of_data:
            raise ValueError(f"{_options([*of_run, *of_data])} cannot be used with --fix. Leave out one or the other.")
        evaluate_with_fix(source, fix, given, as_json=json)
        return
    foreign = [name for name in (*given, *(["json"] if json else [])) if name not in ("label", "part")]
    if foreign:
        raise ValueError(f"{_options(foreign)} can only be used with --fix. Got no --fix.")
    run = _one_run(source)
    if data is not None:
        if of_run:
            raise ValueError(f"{_options(of_run)} cannot be used with --data. Leave out one or the other.")
        columns = {"label": reading.label, "path_column": path_column}
        _evaluate_on(run, data, part=part, root=root, on_bad_file=on_bad_file, **columns)
        return
    if of_data:
        raise ValueError(f"{_options(of_data)} can only be used with --data. Add --data PATH.")
    if given:
        raise ValueError(f"{_options(given)} can only be used with --data or --fix. Add --data PATH.")
    _evaluate_run(run, _tau(rebalance), converge=converge, transductive=transductive, fit_on=fit_on)


def _one_run(source: tuple[str, ...]) -> Path:
    """The run, where no fix is given."""
    if not source:
        raise ValueError("RUN or FILE must be given. Got none. Try longtail evaluate runs/LATEST.")
    if len(source) > 1 and all(Path(path).is_dir() for path in source):
        raise ValueError(
            f"RUN must be one run. Got {', '.join(source)}. To compare them: longtail report {' '.join(source)}"
        )
    if len(source) != 1 or Path(source[0]).is_file():
        raise ValueError(
            f"--fix must be given to evaluate predictions. Got only {', '.join(source)}. Add --fix fix.json."
        )
    return Path(source[0])


def _changed(**options: tuple[object, object]) -> list[str]:
    """The names of the options whose value is not their default."""
    return [name for name, (value, default) in options.items() if value != default]


def _options(names: Iterable[str]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)


def _evaluate_on(run: Path, data: Path, **options: Any) -> None:
    """Other data; `options` are those of `longtail.auto.evaluate_on`."""
    from longtail.auto import evaluate_on, load
    from longtail.cli.passes import Passes
    from longtail.cli.table import print_rows
    from longtail.runs import RunFolder

    folder = RunFolder.open(run)
    with Passes(counted=False) as passes:
        scores = evaluate_on(load(run), data, on_note=partial(say, error=True), progress=passes, **options)
    print_rows(folder, scores, f"accuracy on {data}")


def _evaluate_run(run: Path, rebalance: float | None, **options: Any) -> None:
    """Its saved logits; `options` are those of `longtail.training.evaluation.score`."""
    from longtail.auto.served_scores import served_scores
    from longtail.cli.table import print_rows
    from longtail.runs import RunFolder
    from longtail.training.evaluation import score

    folder = RunFolder.open(run)
    print_rows(folder, {**score(folder, rebalance=rebalance, **options), **served_scores(folder)})


def _tau(text: str) -> float | None:
    if text == "off":
        return None
    try:
        return float(text)
    except ValueError:
        raise ValueError(f'--rebalance must be a number of at least 0, or "off". Got {text!r}.') from None
