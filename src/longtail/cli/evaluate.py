"""`longtail evaluate RUN`."""

from pathlib import Path
from typing import Annotated

import tyro

from longtail.runs import RunFolder


def evaluate(
    run: tyro.conf.Positional[Path],
    *,
    rebalance: Annotated[str, tyro.conf.arg(metavar="TAU|off")] = "1",
    converge: bool = False,
    transductive: bool = False,
    fit_on: str | None = None,
    data: Path | None = None,
    root: Path | None = None,
    label: str | None = None,
) -> None:
    """Score a complete run from its saved logits, as they are and re-balanced, or on other labelled data.

    Args:
        run: Folder of the run.
        rebalance: Strength of the re-balancing, at least 0; "off" scores the predictions as they are.
        converge: Re-balance to the fixed point.
        transductive: Fit on the unlabelled test set itself instead of labelled data; the result says so.
        fit_on: Labelled set of the run that the re-balancing is fitted on; by default the one of its result.
        data: Other labelled data of the same classes, in any form that longtail train takes; scored by the network as
            it is, and with the fix of the run.
        root: Folder that the paths of such a list or table are relative to.
        label: Column of its labels.
    """
    from longtail.cli.table import print_rows
    from longtail.training.evaluation import score

    folder = RunFolder.open(run)
    if data is not None:
        from longtail.auto import evaluate_on, load
        from longtail.cli.passes import Passes

        if (rebalance, converge, transductive, fit_on) != ("1", False, False, None):
            raise ValueError("--rebalance, --converge, --transductive and --fit-on must be left out with --data.")
        with Passes(counted=False) as passes:
            scores = evaluate_on(load(run), data, root=root, label=label, progress=passes)
        print_rows(folder, scores)
        return
    print_rows(
        folder,
        score(folder, rebalance=_strength(rebalance), converge=converge, transductive=transductive, fit_on=fit_on),
    )


def _strength(text: str) -> float | None:
    if text == "off":
        return None
    try:
        return float(text)
    except ValueError:
        raise ValueError(f'--rebalance must be a number of at least 0, or "off". Got {text!r}.') from None
