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
) -> None:
    """Score a complete run from its saved logits, as they are and re-balanced.

    Args:
        run: Folder of the run.
        rebalance: Strength of the re-balancing, at least 0; "off" scores the predictions as they are.
        converge: Re-balance to the fixed point.
        transductive: Fit on the unlabelled test set itself instead of labelled data; the result says so.
        fit_on: Labelled set of the run that the re-balancing is fitted on; by default the one of its result.
    """
    from longtail.cli.table import print_rows
    from longtail.training.evaluation import score

    folder = RunFolder.open(run)
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
