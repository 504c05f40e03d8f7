"""The table of a comparison: a row for each method and treatment, mean ± standard deviation over the seeds."""

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from longtail.data.counted import counted
from longtail.reports.fixed_scores import fixed_scores
from longtail.reports.formatting import columns_of, spread
from longtail.reports.settings_of_method import settings_of_method
from longtail.runs import RunFolder
from longtail.runs.check_run import check_run

TREATMENTS = ("raw", "inductive", "transductive", "fixed")
LEFT = ("method", "settings", "predictions", "seeds")
RIGHT = ("parameters", "minutes")
Scores = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class ComparisonTable:
    """Rows of text below their headings, with notes; and the numbers of each run.

    Attributes:
        columns: the headings.
        rows: a cell for each column.
        notes: what holds for the rows, and what went wrong.
        runs: the columns of `frame` by name, for each run and treatment.

    Example:
        >>> table = ComparisonTable(("method", "all"), (("ce", "38.0"),), ())
        >>> print(table.markdown())
        | method | all |
        |---|---:|
        | ce | 38.0 |
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    runs: tuple[Mapping[str, Any], ...] = ()

    def frame(self) -> pd.DataFrame:
        """The numbers that the rows are computed from, one row per run and treatment.

        Columns: method, settings, predictions, seed, then the scores in [0, 1] by the headings of the table (missing
        where a group has no class), parameters, and minutes.
        """
        return pd.DataFrame(self.runs, columns=["seed" if name == "seeds" else name for name in self.columns])

    def markdown(self) -> str:
        """A table of Markdown, the notes below it."""
        rule = "|" + "".join("---|" if column in LEFT else "---:|" for column in self.columns)
        lines = [_joined(self.columns), rule, *map(_joined, self.rows)]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)])

    def csv(self) -> str:
        """Comma-separated values with a header; percentages as they are shown."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue().rstrip("\n")

    def latex(self) -> str:
        """A tabular with rules of booktabs."""
        align = "".join("l" if column in LEFT else "r" for column in self.columns)
        body = [" & ".join(map(_escaped, row)) + r" \\" for row in self.rows]
        head = " & ".join(self.columns) + r" \\"
        notes = [f"% {note}" for note in self.notes]
        lines = [rf"\begin{{tabular}}{{{align}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule"]
        return "\n".join([*lines, r"\end{tabular}", *notes])

    def text(self) -> str:
        """Columns padded with blanks."""
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if column in LEFT else cell.rjust(width)
                for cell, width, column in zip(row, widths, self.columns, strict=True)
            ).rstrip()
            for row in (self.columns, *self.rows)
        ]
        return "\n".join([*lines, *self.notes])


def comparison_table(
    groups: Mapping[str, Sequence[RunFolder]],
    failures: Mapping[str, Sequence[str]],
    recipe: Mapping[str, Any] | None = None,
) -> ComparisonTable:
    """Put complete runs into a table.

    Args:
        groups: for each method its complete runs, which differ in the seed.
        failures: for each method why runs of it have no result; a method may be in both.
        recipe: the settings that all methods begin with; what a method changes stands in its row.

    Example:
        >>> import tempfile
        >>> folder = RunFolder.create(tempfile.mkdtemp() + "/run", config={"loss_arguments": []}, seed=0)
        >>> scores = {"top1": 0.38, "balanced_accuracy": 0.38, "many": 0.66, "medium": 0.38, "few": 0.06}
        >>> folder.finish({"test": {"raw": scores}, "parameters": 464154, "training_minutes": 31.0})
        >>> table = comparison_table({"ce": [folder]}, {"gala": ["seed 0: memory ran out"]})
        >>> print(table.csv())
        method,settings,predictions,seeds,all,many,medium,few,parameters,minutes
        ce,,raw,0,38.0,66.0,38.0,6.0,"464,154",31
        gala,,failed,,,,,,,
        >>> table.frame()[["method", "seed", "many", "few"]].to_dict("records")
        [{'method': 'ce', 'seed': 0, 'many': 0.66, 'few': 0.06}]
    """
    runs = [folder for folders in groups.values() for folder in folders]
    for run in runs:
        check_run("groups", run)
    scores = columns_of((run.result or {})["test"]["raw"] for run in runs)
    columns = (*LEFT, *scores, *RIGHT)
    rows: list[tuple[str, ...]] = []
    numbers: list[dict[str, Any]] = []
    notes: list[str] = []
    for method in dict.fromkeys([*groups, *failures]):
        folders = groups.get(method, ())
        tested = [_tested(folder) for folder in folders]
        known = {treatment for scored in tested for treatment in scored}
        treatments = [name for name in TREATMENTS if name in known]
        settings = settings_of_method(folders[0], recipe or {}) if folders else ""
        rows += [_row((method, settings, name), folders, tested, scores) for name in treatments]
        numbers += [
            _numbers((method, settings, name), folder, scored[name], scores)
            for name in treatments
            for folder, scored in zip(folders, tested, strict=True)
            if name in scored
        ]
        for failure in failures.get(method, ()):
            rows.append((method, "", "failed", *[""] * (len(columns) - 3)))
            notes.append(f"{method}: {failure}")
    if rows and recipe:
        notes.insert(0, _protocol(recipe, of_features=bool(runs) and all(folder.of_features for folder in runs)))
    notes += _notes_of_runs(groups)
    notes += _same_samples(runs)
    notes += _explanations(rows, scores)
    return ComparisonTable(columns, tuple(rows), tuple(notes), tuple(numbers))


def _explanations(rows: Sequence[Sequence[str]], scores: Mapping[str, str]) -> list[str]:
    """What the predictions and scores of the rows are."""
    notes = []
    if any(row[2] == "inductive" for row in rows):
        notes.append(
            "inductive: fitted on held-out samples where every class has one, else on augmented training samples"
        )
    if any(row[2] == "transductive" for row in rows):
        notes.append("transductive: fitted on the unlabelled test set as a whole, taken to be balanced")
    if any(row[2] == "fixed" for row in rows):
        notes.append("fixed: with the offsets of fix.json, fitted on the held-out samples, as predictions are served")
    if "accuracy" in scores:
        notes.append("all: mean of the recalls of all classes")
    if rows:
        spread_over = (
            ", mean ± standard deviation over the seeds" if any("±" in cell for row in rows for cell in row) else ""
        )
        notes.append(f"test accuracy in %, last epoch{spread_over}; minutes of steps alone")
    return notes


def _row(
    about: tuple[str, str, str], folders: Sequence[RunFolder], tested: Sequence[Scores], columns: Mapping[str, str]
) -> tuple[str, ...]:
    """Of a method, its settings and a treatment."""
    *_, treatment = about
    results: list[dict[str, Any]] = [folder.result or {} for folder in folders]
    scores = [scored.get(treatment, {}) for scored in tested]
    minutes = statistics.mean(map(_minutes, results))
    return (
        *about,
        " ".join(str(folder.header["seed"]) for folder in folders),
        *(spread([score.get(name) for score in scores]) for name in columns.values()),
        f"{results[0]['parameters']:,}",
        f"{minutes:.1f}" if minutes < 10 else f"{minutes:.0f}",
    )


def _numbers(
    about: tuple[str, str, str], folder: RunFolder, scores: Mapping[str, float], columns: Mapping[str, str]
) -> dict[str, Any]:
    """The row of `ComparisonTable.frame` of one run."""
    result = folder.result or {}
    found = {heading: scores.get(name) for heading, name in columns.items()}
    cells = (*about, folder.header["seed"], *found.values(), result["parameters"], _minutes(result))
    return dict(zip((*LEFT[:3], "seed", *found, *RIGHT), cells, strict=True))


def _tested(folder: RunFolder) -> Scores:
    """The scores on the test set by treatment."""
    fixed = fixed_scores(folder)
    return {**(folder.result or {})["test"], **({} if fixed is None else {"fixed": fixed})}


def _same_samples(folders: Sequence[RunFolder]) -> list[str]:
    """That all runs share one division of the data, by their fingerprints."""
    known = [folder.data or {} for folder in folders]
    if not known or len({data.get("fingerprint") for data in known}) > 1 or not known[0].get("fingerprint"):
        return []
    train = sum(known[0]["class_counts"])
    return [f"all methods and seeds have the same training ({train:,}), validation and test samples"]


def _notes_of_runs(groups: Mapping[str, Sequence[RunFolder]]) -> list[str]:
    """What the results note, each once, after the methods that it is about; a note on all methods stands alone."""
    about: dict[str, dict[str, None]] = {}
    for method, folders in groups.items():
        for folder in folders:
            for note in (folder.result or {}).get("notes", ()):
                about.setdefault(note, {})[method] = None
    return [
        note if len(methods) == len(groups) > 1 else f"{', '.join(methods)}: {note}" for note, methods in about.items()
    ]


def _minutes(result: dict[str, Any]) -> float:
    """Of both stages, where there are two."""
    return float(result["training_minutes"]) + float(result.get("first_stage", {}).get("training_minutes") or 0.0)


def _protocol(recipe: Mapping[str, Any], *, of_features: bool) -> str:
    """What all rows share."""
    tail = "" if recipe["imbalance"] is None else f", imbalance {recipe['imbalance']:g}"
    network = "features as they are in the data" if of_features else recipe["model"]
    epochs = counted(recipe["epochs"], "epoch", "epochs")
    augment = recipe.get("augment", "none")  # of files, as they are decoded
    augmentations = [*recipe["augmentations"], *([] if augment == "none" else [augment])]
    batches = f"batches of {recipe['batch_size']}" if recipe["batch_size"] else "batches by the number of samples"
    return (
        f"{recipe['dataset']}{tail}, {network}, {epochs} (before any second stage), "
        f"{batches}, augmented by {', '.join(augmentations) or 'nothing'}; "
        f"many: more than {recipe['many_above']} training samples, few: fewer than {recipe['few_below']}"
    )


def _joined(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(cell: str) -> str:
    for sign in "_%&#$":
        cell = cell.replace(sign, f"\\{sign}")
    return cell.replace("±", r"$\pm$")
