"""Tables of rows of runs: test scores, best epochs on the test set, sweeps on held-out images, provenance."""

import statistics
from collections.abc import Sequence

from pages.environment import environment_of
from pages.formatting import decimal, spread, table
from pages.run_rows import Row

GROUPS = {"all": "balanced_accuracy", "many": "many", "medium": "medium", "few": "few"}
TREATMENTS = {
    "raw": "raw",
    "inductive": "inductive",
    "inductive, fixed point": "inductive, fixed point",
    "transductive": "transductive †",
    "transductive, fixed point": "transductive, fixed point †",
}
BEST = ("test_top1", "test_top1_transductive")


class Processors:
    """A letter for each processor that runs were computed on."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.names = list(dict.fromkeys(name for row in rows for name in row.processors))

    def of(self, row: Row) -> str:
        return ", ".join(_letter(self.names.index(name)) for name in row.processors)

    def legend(self) -> str:
        return "; ".join(f"{_letter(number)}: {name}" for number, name in enumerate(self.names))


def _letter(number: int) -> str:
    return chr(ord("A") + number)


def scores_table(rows: Sequence[Row], processors: Processors) -> str:
    """Test scores of the last epoch; a run that diverged has a line that says so."""
    lines: list[tuple[str, ...]] = []
    for row in rows:
        for treatment, title in TREATMENTS.items() if row.complete else ():
            scores = (row.score(treatment, key) for key in GROUPS.values())
            lines.append((row.name, row.seeds, processors.of(row), title, *scores))
        lines += [(row.name, *diverged, "", "", "", "") for diverged in _diverged(row, processors)]
    return table(("loss", "seeds", "processor", "predictions", *GROUPS), lines, left=4)


def _diverged(row: Row, processors: Processors) -> list[tuple[str, str, str]]:
    return [(str(run["seed"]), processors.of(row), f"diverged: {run['failure']}") for run in row.diverged]


def best_on_test_table(rows: Sequence[Row], processors: Processors) -> str:
    """The best evaluated epoch, chosen on the test set, of the methods that train."""
    lines = []
    for row in (row for row in rows if row.has_epochs):
        slopes = row.theta("theta_slope")
        cells = [cell for metric in BEST for cell in (spread(row.best(metric)), row.best_epochs(metric))]
        slope = decimal(statistics.mean(slopes), 2) if slopes else ""
        lines.append((row.name, row.seeds, processors.of(row), *cells, slope))
    columns = ("best raw ‡", "epochs", "best re-balanced † ‡", "epochs", "slope of log θ over log n")
    return table(("loss", "seeds", "processor", *columns), lines, left=3)


def sweep_table(rows: Sequence[Row], processors: Processors) -> str:
    """Scores on the held-out images, the best first. The test set has no part in this."""
    lines: list[tuple[str, ...]] = []
    for row in sorted((row for row in rows if row.complete), key=_by_validation):
        scores = (spread([result["validation"][key] for result in row.results]) for key in GROUPS.values())
        lines.append((_imbalance(row), row.name, row.seeds, processors.of(row), *scores))
    for row in rows:
        lines += [
            (_imbalance(row), row.name, seed, made_on, failure, "", "", "")
            for seed, made_on, failure in _diverged(row, processors)
        ]
    return table(("imbalance", "loss and settings", "seeds", "processor", *GROUPS), lines, left=4)


def _by_validation(row: Row) -> tuple[float, float]:
    mean = statistics.mean(result["validation"]["balanced_accuracy"] for result in row.results)
    return (-row.config["imbalance"], -mean)


def _imbalance(row: Row) -> str:
    return f"{row.config['imbalance']:g}"


def provenance_table(rows: Sequence[Row]) -> str:
    """What each row was computed with."""
    lines = [
        (
            _imbalance(row),
            row.name,
            ", ".join(str(run["seed"]) for run in row.runs),
            row.commits,
            "; ".join(dict.fromkeys(environment_of(run["versions"]) for run in row.runs)),
        )
        for row in rows
    ]
    return table(("imbalance", "loss", "seeds", "commits", "computed with"), lines, left=5)
