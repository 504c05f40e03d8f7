"""Figures that compare runs, each with a caption that gives its main numbers."""

from collections.abc import Sequence

import numpy as np

from longtail.analysis import RecordedGradients, accuracy_trade_off, calibration_by_group, confusion_flow, trade_off
from longtail.data.counted import counted
from longtail.reports.between_groups import BetweenGroupsDisplay
from longtail.reports.class_values import ByRankDisplay
from longtail.reports.formatting import percent
from longtail.reports.learning_curves import LearningCurvesDisplay
from longtail.reports.page import Figure
from longtail.reports.per_class_recall import PerClassRecallDisplay
from longtail.reports.reliability import ReliabilityDisplay
from longtail.reports.run_view import RunView
from longtail.reports.trade_off import TradeOffDisplay

Runs = Sequence[RunView]
ENDS = ("many", "few")


def figures_of(runs: Runs) -> list[Figure]:
    """All that the runs have numbers for."""
    complete = [run for run in runs if run.complete]
    drawn = [_learning_curves(runs)]
    if complete:
        draw = (_training_counts, _recall, _predictions, _trade_off, _accuracy_trade_off)
        drawn += [function(complete) for function in draw]
        drawn += [function(complete) for function in (_gradient_ratios, _gradient_causes, _weight_norms)]
        drawn += [function(complete) for function in (_similarities, _confusions, _reliability)]
    elif any(run.gradients is not None for run in runs):
        drawn.append(_gradients_so_far(runs))
    return [figure for figure in drawn if figure is not None]


def _learning_curves(runs: Runs) -> Figure | None:
    evaluated = {
        run.name: run.folder.metrics for run in runs if any("test_balanced_accuracy" in m for m in run.folder.metrics)
    }
    if not evaluated or max(sum("test_balanced_accuracy" in m for m in lines) for lines in evaluated.values()) < 2:
        return None
    group = "few" if all(any(m.get("test_few") is not None for m in lines) for lines in evaluated.values()) else "all"
    display = LearningCurvesDisplay(evaluated, group)
    last = [f"{name} {percent(_last(lines, f'test_{group}'))} %" for name, lines in evaluated.items() if group == "few"]
    words = f"Mean test recall of the {group} classes at the epochs that were evaluated." + (
        f" At the end: {', '.join(last)}." if last else ""
    )
    return Figure("Test recall during training", words, display.plot(), display.frame())


def _last(lines: Sequence[dict[str, float]], key: str) -> float | None:
    return next((line[key] for line in reversed(lines) if line.get(key) is not None), None)


def _training_counts(runs: Runs) -> Figure:
    counts = runs[0].class_counts
    display = ByRankDisplay({"training samples": counts}, counts, "training samples", runs[0].class_names, "log")
    sizes = ", ".join(f"{name} {int(own.sum())}" for name, own in runs[0].groups.items())
    words = (
        f"{counts.sum():,} training samples in {len(counts)} classes, from {counts.max():,} in the largest to "
        f"{counts.min():,} in the smallest. Classes: {sizes}."
    )
    return Figure("Training samples per class", words, display.plot(), display.frame())


def _recall(runs: Runs) -> Figure:
    tested = np.bincount(runs[0].test[1], minlength=len(runs[0].class_counts))
    display = PerClassRecallDisplay(
        {"": {run.name: run.recall for run in runs}}, runs[0].class_counts, runs[0].class_names, test_counts=tested
    )
    said = [
        f"{run.name} {', '.join(f'{percent(_mean(run.recall, own))} % on {name}' for name, own in run.groups.items())}"
        for run in runs
    ]
    words = f"Without re-balancing: {'; '.join(said)}. The numbers hold 95 % intervals."
    return Figure("Per-class recall", words, display.plot(), display.frame().drop(columns="panel"))


def _predictions(runs: Runs) -> Figure:
    counts, truth = runs[0].class_counts, np.bincount(runs[0].test[1], minlength=len(runs[0].class_counts))
    predicted = {run.name: np.bincount(run.test[0], minlength=len(counts)) for run in runs}
    display = ByRankDisplay({**predicted, "labels": truth}, counts, "predictions, test", runs[0].class_names, "sqrt")
    few = runs[0].groups.get("few")
    said = []
    for name, values in predicted.items():
        never = int(((values == 0) & (truth > 0)).sum())
        own = f"{name} never predicts {never} of {len(counts)} classes"
        if few is not None:
            ratio = values[few].sum() / max(truth[few].sum(), 1)
            own += f" and predicts few classes {ratio:.2f} times as often as they occur"
        said.append(own)
    return Figure(
        "Number of predictions per class (figure 2 of the GALA paper)",
        f"{'; '.join(said)}.",
        display.plot(),
        display.frame(),
    )


def _trade_off(runs: Runs) -> Figure | None:
    if not all(end in run.groups for run in runs for end in ENDS):
        return None
    curves = {
        run.name: {tau: (groups["many"], groups["few"]) for tau, groups in trade_off(run.folder).items()}
        for run in runs
    }
    display = TradeOffDisplay(curves)
    said = [
        f"{name} from {percent(curve[0.0][1])} % on few and {percent(curve[0.0][0])} % on many at τ = 0 to "
        f"{percent(curve[1.0][1])} % and {percent(curve[1.0][0])} % at τ = 1"
        for name, curve in curves.items()
    ]
    fitted = ", ".join(sorted({str(run.result["fit_on"]) for run in runs}))
    words = (
        f"Re-balancing of strength τ, fitted on the run's own {fitted} samples, not on the test set: {'; '.join(said)}."
    )
    return Figure("Head–tail recall trade-off", words, display.plot(), display.frame())


def _accuracy_trade_off(runs: Runs) -> Figure | None:
    curves = {run.name: accuracy_trade_off(run.folder) for run in runs}
    if all(abs(accuracy - balanced) < 1e-6 for curve in curves.values() for accuracy, balanced in curve.values()):
        return None  # a balanced test set: the two are one number
    display = TradeOffDisplay(curves, "accuracy", "balanced accuracy", score="")
    said = [
        f"{name} from {percent(curve[0.0][1])} % balanced accuracy and {percent(curve[0.0][0])} % accuracy at τ = 0 to "
        f"{percent(curve[1.0][1])} % and {percent(curve[1.0][0])} % at τ = 1"
        for name, curve in curves.items()
    ]
    words = f"Logit adjustment after training by the training counts, of strength τ: {'; '.join(said)}."
    return Figure("Accuracy and balanced accuracy", words, display.plot(), display.frame())


def _gradient_ratios(runs: Runs) -> Figure | None:
    recorded = _recorded(runs)
    if not recorded:
        return None
    few = runs[0].groups.get("few", np.ones(len(runs[0].class_counts), dtype=bool))
    said = [
        f"{kept.negative[:, few].sum() / max(kept.positive[:, few].sum(), 1e-12):.2f} times as much under {run.name}"
        for run, kept in recorded
    ]
    words = (
        f"Over the whole training the {int(few.sum())} rarest classes receive negative gradient beside positive: "
        f"{', '.join(said)}. Below the dashed line negative gradient outweighs positive."
    )
    return _ratio_figure(
        {run.name: kept.ratio for run, kept in recorded}, runs[0].class_counts, runs[0].class_names, words
    )


def _gradients_so_far(runs: Runs) -> Figure:
    """Of runs none of which is complete: what is recorded of their whole epochs."""
    recorded = _recorded(runs)
    counts = recorded[0][1].class_counts
    ratios = {run.name: kept.ratio for run, kept in recorded if len(kept.class_counts) == len(counts)}
    said = [f"{run.name} {counted(kept.epochs, 'epoch', 'epochs')}" for run, kept in recorded]
    words = f"So far: {', '.join(said)}."
    return _ratio_figure(ratios, counts, list(map(str, range(len(counts)))), words)


def _ratio_figure(
    ratios: dict[str, np.ndarray], class_counts: np.ndarray, class_names: Sequence[str], words: str
) -> Figure:
    display = ByRankDisplay(ratios, class_counts, "positive ÷ negative gradient", class_names, "log", 1.0)
    return Figure(
        "Ratio of positive to negative gradient per class (figure 1b of the GALA paper)",
        words,
        display.plot(),
        display.frame(),
    )


def _gradient_causes(runs: Runs) -> Figure | None:
    groups = runs[0].groups
    recorded = _recorded(runs)
    if not recorded or len(groups) < 2:
        return None
    squares = {run.name: _causes(kept, tuple(groups.items())) for run, kept in recorded}
    display = BetweenGroupsDisplay(
        squares, list(groups), "negative gradient per class", "on classes of", "from samples of"
    )
    said = [f"{percent(square[-1, 0] / square[-1].sum())} % under {name}" for name, square in squares.items()]
    names = list(groups)
    words = f"Of the negative gradient on classes of {names[-1]}, samples of {names[0]} cause {', '.join(said)}."
    return Figure(
        "Sources of negative gradient on tail classes (figure 1c of the GALA paper)",
        words,
        display.plot(),
        display.frame(),
    )


def _causes(kept: RecordedGradients, groups: tuple[tuple[str, np.ndarray], ...]) -> np.ndarray:
    """Of a recording by groups of neighbouring frequency each counts for the share of its classes."""
    total = kept.negative_by_cause.sum(0, dtype=np.float64)
    members = np.bincount(kept.group, minlength=len(total))
    shares = np.array([np.bincount(kept.group, own, len(total)) / members for _, own in groups])
    return np.asarray(shares @ total @ shares.T / np.array([[own.sum()] for _, own in groups]))


def _weight_norms(runs: Runs) -> Figure | None:
    norms = {run.name: run.weight_norms for run in runs if run.weight_norms is not None}
    if not norms:
        return None
    display = ByRankDisplay(norms, runs[0].class_counts, "norm of the classifier weights", runs[0].class_names)
    words = f"Mean norm, {_over_groups(norms, runs[0])}."
    return Figure(
        "Norms of the classifier weights (figure 1a of the GALA paper)", words, display.plot(), display.frame()
    )


def _similarities(runs: Runs) -> Figure | None:
    known = {run.name: run.geometry for run in runs if run.geometry is not None}
    if not known:
        return None
    similarity = {f"{name}, {part}": g.similarity[part] for name, g in known.items() for part in ("train", "test")}
    display = ByRankDisplay(
        similarity, runs[0].class_counts, "mean cosine of classifier weights and features", runs[0].class_names
    )
    words = f"Mean similarity, {_over_groups(similarity, runs[0])}."
    return Figure(
        "Cosine similarity of classifier weights and features (figure 1d of the GALA paper)",
        words,
        display.plot(),
        display.frame(),
    )


def _confusions(runs: Runs) -> Figure | None:
    groups = runs[0].groups
    if len(groups) < 2:
        return None
    flows = {run.name: confusion_flow(run.test[1], run.test[0], groups) for run in runs}
    display = BetweenGroupsDisplay(
        flows, list(groups), "share of the samples that is misclassified", "true group", "predicted group"
    )
    first, *_, last = groups
    said = [f"{percent(flow[-1, 0])} % under {name}" for name, flow in flows.items()]
    words = f"Test samples of {last} that are predicted as a class of {first}: {', '.join(said)}."
    return Figure("Confusions between groups of classes", words, display.plot(), display.frame())


def _reliability(runs: Runs) -> Figure:
    errors = {run.name: calibration_by_group(run.folder) for run in runs}
    shown = {
        f"{name}, {group}": own.reliability
        for name, by_group in errors.items()
        for group, own in by_group.items()
        if len(runs) == 1 or group in ("few", list(by_group)[-1])
    }
    said = [
        f"{name} {', '.join(f'{percent(own.top_label)} % on {group}' for group, own in by_group.items())}"
        for name, by_group in errors.items()
    ]
    display = ReliabilityDisplay(shown)
    words = f"Calibration error without re-balancing, on test samples of each group: {'; '.join(said)}."
    return Figure("Reliability diagram", words, display.plot(), display.frame())


def _recorded(runs: Runs) -> list[tuple[RunView, RecordedGradients]]:
    return [(run, run.gradients) for run in runs if run.gradients is not None]


def _over_groups(values: dict[str, np.ndarray], run: RunView) -> str:
    return "; ".join(
        f"{name}: {', '.join(f'{_mean(own, members):.2f} on {group}' for group, members in run.groups.items())}"
        for name, own in values.items()
    )


def _mean(values: np.ndarray, members: np.ndarray) -> float:
    known = values[members]
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) else float("nan")
