"""Whether the gains that `longtail fix` promises are covered: diagnoses of simulated models, beside the truth.

    python results/fix_coverage.py --json results/fix-coverage.json [--repetitions 200] [--metrics balanced-accuracy …]
    python results/fix_coverage.py --json results/fix-coverage.json --add OTHER.json …

Each repetition draws samples of a model in one of six worlds and diagnoses them. The truth is the gain of the candidate
that is chosen, as it would be served, on 500 fresh samples of each class. Rows are written as they are found, and the
same command goes on where it stopped. Several processes may compute at once, each with a file of its own; `--add` takes
over the rows of their files and computes none.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from checkout import current_commit
from json_file import write_json
from longtail.repair import METRICS, diagnose
from longtail.repair.findings import Diagnosis, Outcome
from longtail.repair.metrics import Metric, make_metric
from longtail.runs import current_versions

SIZES = ((10, 500), (50, 1000), (100, 2000))
FRESH = 500
SIGNAL, IMBALANCE, BIAS = 2.0, 50.0, 0.7
COPIES, NOISE = 4, 0.3


class Draw(NamedTuple):
    """Samples of a simulated model.

    Attributes:
        logits: (N, C).
        target: (N,) labels.
        groups: (N,) where samples are not independent.
        weight: (N,) where samples do not count alike.
    """

    logits: np.ndarray
    target: np.ndarray
    groups: np.ndarray | None = None
    weight: np.ndarray | None = None


class World(NamedTuple):
    """How samples are drawn.

    Attributes:
        bias: of the logits, as a share of the log prior of the training set.
        scale: of the logits.
        rare: whether a third of the classes have one to three samples.
        noise: share of the labels of the rarest half that are those of another class.
        copies: samples of one group, which are equal but for a little noise.
    """

    bias: float = BIAS
    scale: float = 1.0
    rare: bool = False
    noise: float = 0.0
    copies: int = 1

    def logits(self, target: np.ndarray, prior: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(N, C)."""
        logits = rng.normal(size=(len(target), len(prior)))
        logits[np.arange(len(target)), target] += SIGNAL
        return self.scale * (logits + self.bias * np.log(prior))

    def sample(self, num_classes: int, number: int, rng: np.random.Generator) -> Draw:
        """About `number` samples of a long tail, at least one of each class."""
        prior = long_tail(num_classes)
        counts = np.maximum(1, rng.multinomial(number // self.copies, prior))
        if self.rare:
            counts[-(num_classes // 3) :] = rng.integers(1, 4, num_classes // 3)
        target = np.repeat(np.arange(num_classes), counts)
        logits = self.logits(target, prior, rng)
        if self.copies == 1:
            return Draw(logits, self.noisy(target, num_classes, rng))
        groups = np.repeat(np.arange(len(target)), self.copies)
        return Draw(logits[groups] + 0.1 * rng.normal(size=(len(groups), num_classes)), target[groups], groups)

    def fresh(self, num_classes: int, rng: np.random.Generator) -> Draw:
        """Independent samples, as many of each class, with the weights of a long tail: wrong labels are as frequent."""
        target, prior = np.repeat(np.arange(num_classes), FRESH), long_tail(num_classes)
        noisy = self.noisy(target, num_classes, rng)
        return Draw(self.logits(target, prior, rng), noisy, weight=prior[target])

    def noisy(self, target: np.ndarray, num_classes: int, rng: np.random.Generator) -> np.ndarray:
        """Labels of which some in the tail are wrong."""
        wrong = (target >= num_classes // 2) & (rng.random(len(target)) < self.noise)
        return np.where(wrong, rng.integers(0, num_classes, len(target)), target)


WORLDS = {
    "a tail with a gain": World(),
    "a balanced model": World(bias=0.0),
    "scores × 3": World(scale=3.0),
    "classes of one to three samples": World(rare=True),
    "label noise in the tail": World(noise=NOISE),
    "groups of copies": World(copies=COPIES),
}


def long_tail(num_classes: int) -> np.ndarray:
    """(C,) prior that falls exponentially."""
    prior = IMBALANCE ** (-np.arange(num_classes) / (num_classes - 1))
    return np.asarray(prior / prior.sum())


def arguments_of(metric: str, num_classes: int) -> dict[str, Any]:
    """The arguments of `diagnose` for a metric: accuracy under the long tail, and rare classes that cost more."""
    prior = long_tail(num_classes)
    if metric == "accuracy":
        return {"metric": metric, "prior": prior}
    if metric == "cost":
        cost = np.outer(1 + 4 * np.arange(num_classes) / num_classes, np.ones(num_classes)) * (1 - np.eye(num_classes))
        return {"metric": metric, "cost": cost}
    return {"metric": metric}


def true_gain(fresh: Draw, decide: Callable[[np.ndarray], np.ndarray], metric: Metric, counts: np.ndarray) -> float:
    """The gain on fresh samples, whose classes are weighted so that they are as frequent as in the samples."""
    number = len(counts)
    weight = fresh.weight * (counts / np.bincount(fresh.target, fresh.weight, number))[fresh.target]
    after, before = (
        metric.score(fresh.target, decided, weight, number)
        for decided in (decide(fresh.logits), fresh.logits.argmax(1))
    )
    return float(after - before)


def row_of(world: str, size: tuple[int, int], metric: str, repetition: int, **options: Any) -> dict[str, Any]:
    """One diagnosis, with other `options` of `diagnose`, and its truth."""
    num_classes, number = size
    seed = (list(WORLDS).index(world), num_classes, repetition)
    rng = np.random.default_rng(seed)
    drawn, fresh = WORLDS[world].sample(num_classes, number, rng), WORLDS[world].fresh(num_classes, rng)
    arguments = arguments_of(metric, num_classes)
    found = diagnose(drawn.logits, drawn.target, groups=drawn.groups, seed=repetition, **arguments, **options)
    best = next(outcome for outcome in found.outcomes if outcome.name == found.best)
    decide, counts = decisions_of(found, best), np.bincount(drawn.target, minlength=num_classes)
    judged = make_metric(metric, num_classes, arguments.get("prior", "uniform"), arguments.get("cost"))
    return {
        "world": world,
        "classes": num_classes,
        "metric": metric,
        "repetition": repetition,
        "verdict": found.verdict,
        "candidate": best.name,
        "strength": best.strength,
        "gain": best.gain,
        "optimism": best.optimism,
        "interval": best.interval,
        "level": found.fix.evidence["interval_level"],
        "truth": None if decide is None else true_gain(fresh, decide, judged, counts),
    }


def decisions_of(found: Diagnosis, best: Outcome) -> Callable[[np.ndarray], np.ndarray] | None:
    """What the candidate that is chosen decides, whatever the verdict; None for costs that are not used."""
    if found.verdict == "use":
        return found.fix.predict
    offset = best.offset
    return None if offset is None else lambda logits: np.asarray((logits + offset).argmax(1))


Content = dict[str, Any]
"""Of a file: `computed` (commits and versions of all that computed its rows), `sizes` and `rows`."""


def key_of(row: dict[str, Any]) -> tuple[int, int, int, int]:
    """What a row is about, in the order of computation."""
    return row["repetition"], row["classes"], METRICS.index(row["metric"]), list(WORLDS).index(row["world"])


def joined(contents: Sequence[Content]) -> Content:
    """The rows of all, in the order of computation; of two about the same, the last."""
    rows = {key_of(row): row for content in contents for row in content["rows"]}
    computed = [one for content in contents for one in content["computed"]]
    return {
        "computed": [one for place, one in enumerate(computed) if one not in computed[:place]],
        "sizes": SIZES,
        "rows": [rows[key] for key in sorted(rows)],
    }


def save(content: Content, path: Path) -> None:
    write_json(path, content)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--metrics", nargs="+", choices=METRICS, default=METRICS)
    parser.add_argument("--add", type=Path, nargs="+", default=[], help="files of other processes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    files = [*([options.json] if options.json.exists() else []), *options.add]
    content = joined([json.loads(file.read_text()) for file in files])
    if options.add:
        save(content, options.json)
        return
    here = {"commit": current_commit(), "versions": current_versions()}
    done = {key_of(row) for row in content["rows"]}
    asked = itertools.product(range(options.repetitions), SIZES, options.metrics, WORLDS)
    for repetition, size, metric, world in asked:
        about = {"world": world, "classes": size[0], "metric": metric, "repetition": repetition}
        if key_of(about) in done:
            continue
        row = row_of(world, size, metric, repetition)
        content = joined([content, {"computed": [here], "rows": [row]}])
        print(f"{repetition}, {size}, {metric}, {world}: {row['verdict']}", file=sys.stderr, flush=True)
        save(content, options.json)


if __name__ == "__main__":
    main()
