"""Predictions in many files, on Dask: how often each class comes now, and offsets that re-balance the predictions.

    pip install dask pyarrow
    python examples/parts_on_dask.py

Every pass over the data is a task for each file, and the statistics that come back are merged; no task holds more
than one file (here tasks are threads, as many at a time as there are cores; on a cluster they are processes).
`over_parts` is all that Dask has to do with it: with Ray it would be `ray.get` of remote calls, with
`concurrent.futures` an executor's `map`. The example makes its own files.
"""

import tempfile
from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from longtail.posthoc import PredictionRebalancer
from longtail.repair import PriorEstimate, estimate_prior_of_parts

CLASSES = ("fox", "lynx", "owl")


def make_files(folder: Path) -> None:
    """Logits of a classifier that is calibrated if all classes come equally often; few labelled ones of owls."""
    rng = np.random.default_rng(0)
    for kind, shares in (("labelled", [0.8, 0.15, 0.05]), ("unlabelled", [0.3, 0.3, 0.4])):
        for number in range(4):
            target = rng.choice(3, size=1000 + 500 * number, p=shares)
            logits = 2 * (rng.normal(size=(len(target), 3)) + 2 * np.eye(3)[target])
            frame = pd.DataFrame(logits, columns=list(CLASSES))
            if kind == "labelled":
                frame = frame.assign(label=np.array(CLASSES)[target])
            frame.to_parquet(folder / f"{kind}-{number}.parquet")


def merged(results: Sequence[Any]) -> Any:
    return reduce(lambda first, second: first.merge(second), results)


def over(load: Callable[..., tuple[Any, ...]], parts: Sequence[tuple[Any, ...]]) -> Callable[[Callable[..., Any]], Any]:
    """A function that computes a statistic of all parts: each is loaded, and its statistic computed, by one task."""

    def statistic_of_part(statistic: Callable[..., Any], *part: Any) -> Any:
        return statistic(*load(*part))

    def over_parts(statistic: Callable[..., Any]) -> Any:
        found = [dask.delayed(statistic_of_part)(statistic, *part) for part in parts]
        return dask.delayed(merged)(found).compute()

    return over_parts


def labelled(path: Path) -> tuple[np.ndarray, np.ndarray]:
    frame = pd.read_parquet(path)
    return frame[list(CLASSES)].to_numpy(), np.array([CLASSES.index(name) for name in frame["label"]])


def probabilities(path: Path, first: int) -> tuple[np.ndarray, int]:
    logits = pd.read_parquet(path, columns=list(CLASSES)).to_numpy()
    exponential = np.exp(logits - logits.max(1, keepdims=True))
    return exponential / exponential.sum(1, keepdims=True), first


def size_of(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows)


def numbered(paths: Sequence[Path]) -> list[tuple[Path, int]]:
    """Each file with the number of samples in the files before it."""
    sizes = dask.compute(*[dask.delayed(size_of)(path) for path in paths])
    return list(zip(paths, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))


def estimated(folder: Path) -> PriorEstimate:
    """How often each class comes in the unlabelled files."""
    over_parts = over(probabilities, numbered(sorted(folder.glob("unlabelled-*.parquet"))))
    return estimate_prior_of_parts(over_parts, np.full(len(CLASSES), 1 / len(CLASSES)))


def rebalanced(folder: Path, prior: np.ndarray) -> PredictionRebalancer:
    """Offsets for that prior, from the labelled files."""
    over_parts = over(labelled, [(path,) for path in sorted(folder.glob("labelled-*.parquet"))])
    return PredictionRebalancer(target_prior=prior, converge=True).fit_parts(over_parts)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        make_files(Path(folder))
        estimate = estimated(Path(folder))
        offset = rebalanced(Path(folder), estimate.prior).offset_
    print("how often each class comes in the unlabelled files, with 95 % intervals, and its offset for that prior")
    for place, name in enumerate(CLASSES):
        share, low, high = estimate.prior[place], estimate.low[place], estimate.high[place]
        print(f"{name:5} {share:.3f} ({low:.3f} to {high:.3f})  {offset[place]:+.3f}")


if __name__ == "__main__":
    main()
