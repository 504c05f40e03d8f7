"""`longtail evaluate RUN`, and `longtail evaluate FILE --fix fix.json`."""

from pathlib import Path
from typing import Annotated

import tyro

from longtail.cli.fix import Kind
from longtail.runs import RunFolder


def evaluate(
    source: tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="RUN|FILE")]],
    *,
    fix: Path | None = None,
    labels: str | None = None,
    kind: Kind | None = None,
    part: str | None = None,
    classes: Annotated[str | None, tyro.conf.arg(metavar="PATTERN")] = None,
    ignore: Annotated[str | None, tyro.conf.arg(metavar="A,B,C")] = None,
    label: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None,
    weight: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None,
    group: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None,
    id: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None,
    counts: Path | None = None,
    json: bool = False,
    rebalance: Annotated[str, tyro.conf.arg(metavar="TAU|off")] = "1",
    converge: bool = False,
    transductive: bool = False,
    fit_on: str | None = None,
    data: Path | None = None,
    root: Path | None = None,
) -> None:
    """Score a finished run, or a deployed fix on new labelled predictions.

    Without --fix a finished run is scored from saved logits, as they are and re-balanced, or on other labelled data.
    With --fix it compares a model with and without the fix: longtail evaluate new.csv --fix fix.json

    Args:
        source: Folder of a run; with --fix also labelled predictions, in any form that longtail fix takes. Columns are
            matched with the classes of the fix by name.
        fix: The fix.json to evaluate.
        labels: With --fix, the file of the labels, where the predictions hold none.
        kind: With --fix, what the scores are; by default what the fix takes.
        part: With --fix, the set of a run to score; by default test.
        classes: With --fix, the columns of the classes as a pattern with one *, which stands for the name: 'prob_*'.
        ignore: With --fix, columns to leave out, with commas between them; patterns are allowed.
        label: The column of the labels; with --fix or --data.
        weight: With --fix, the column of the sample weights.
        group: With --fix, the column of the groups.
        id: With --fix, the column of identifiers, which is left out.
        counts: With --fix, training samples of each class, as longtail fix takes them.
        json: With --fix, print the evaluation as JSON.
        rebalance: Strength of the re-balancing, at least 0; "off" scores the predictions as they are.
        converge: Re-balance to the fixed point.
        transductive: Fit on the unlabelled test set itself instead of labelled data; the result says so.
        fit_on: Labelled set of the run that the re-balancing is fitted on; by default the one of its result.
        data: Other labelled data of the same classes, in any form that longtail train takes; scored by the network as
            it is, and with the fix of the run.
        root: Folder that the paths of such a list or table are relative to.
    """
    of_run = (rebalance, converge, transductive, fit_on) != ("1", False, False, None)
    reading = {
        "labels": labels,
        "kind": kind,
        "part": part,
        "classes": classes,
        "ignore": ignore,
        "weight": weight,
        "group": group,
        "id": id,
        "counts": counts,
    }
    given = {name: value for name, value in reading.items() if value is not None}
    if fix is not None:
        from longtail.cli.evaluate_fix import evaluate_with_fix

        if of_run or (data, root) != (None, None):
            raise ValueError(
                "--rebalance, --converge, --transductive, --fit-on, --data and --root must be left out with --fix."
            )
        evaluate_with_fix(source, fix, given if label is None else given | {"label": label}, as_json=json)
        return
    if given or json:
        raise ValueError(f"{_options([*given, *(['json'] if json else [])])} must come with --fix, which is missing.")
    if len(source) != 1 or Path(source[0]).is_file():
        raise ValueError(f"--fix must name the fix to evaluate on predictions. Got {', '.join(source)} without it.")
    run = Path(source[0])
    _evaluate_run(run, _strength(rebalance), converge, transductive, fit_on, (data, root, label), of_run=of_run)


def _options(names: list[str]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)


def _evaluate_run(
    run: Path,
    rebalance: float | None,
    converge: bool,
    transductive: bool,
    fit_on: str | None,
    other: tuple[Path | None, Path | None, str | None],
    *,
    of_run: bool,
) -> None:
    from longtail.cli.table import print_rows
    from longtail.training.evaluation import score

    folder = RunFolder.open(run)
    data, root, label = other
    if data is not None:
        from longtail.auto import evaluate_on, load
        from longtail.cli.passes import Passes

        if of_run:
            raise ValueError("--rebalance, --converge, --transductive and --fit-on must be left out with --data.")
        with Passes(counted=False) as passes:
            scores = evaluate_on(load(run), data, root=root, label=label, progress=passes)
        print_rows(folder, scores)
        return
    rows = score(folder, rebalance=rebalance, converge=converge, transductive=transductive, fit_on=fit_on)
    print_rows(folder, rows)


def _strength(text: str) -> float | None:
    if text == "off":
        return None
    try:
        return float(text)
    except ValueError:
        raise ValueError(f'--rebalance must be a number of at least 0, or "off". Got {text!r}.') from None
