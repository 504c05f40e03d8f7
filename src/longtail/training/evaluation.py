"""Evaluation: the logits of a model on a split, and the scores of its predictions, raw and re-balanced."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from longtail.arguments import check_strength
from longtail.data import Split, Splits
from longtail.losses import DeferredReweighting
from longtail.losses.contract import LongTailedLoss
from longtail.metrics import long_tail_scores
from longtail.metrics.groups import USUAL, GroupBounds
from longtail.posthoc import PredictionRebalancer
from longtail.posthoc.blocks import row_blocks
from longtail.posthoc.fixed_point import NoFixedPointError
from longtail.runs import RunFolder
from longtail.runs.check_run import complete_result
from longtail.training.outputs import Autocast, joined
from longtail.training.ranks import ALONE, Ranks

MOST_FOR_FIXED_POINT = 1 << 27
"""Largest number of logits for which a finished run has rows of the fixed point, which take dozens of passes."""
Scores = dict[str, dict[str, float]]
Predictions = tuple[np.ndarray, np.ndarray]
FIT_SETS = {
    "train": "the training samples as they are",
    "augmented": "the training samples, augmented once more",
    "validation": "the held-out validation samples",
}


@dataclass(frozen=True)
class Scorer:
    """Scores predictions.

    Attributes:
        class_counts: (C,) training samples, by which classes are many, medium or few.
        bounds: where these groups begin and end.
    """

    class_counts: np.ndarray | Tensor
    bounds: GroupBounds = USUAL

    def __call__(self, predictions: np.ndarray | Tensor, target: np.ndarray | Tensor) -> dict[str, float]:
        """The scalars of `long_tail_scores`."""
        return long_tail_scores(
            predictions,
            target,
            class_counts=self.class_counts,
            many_above=self.bounds.many_above,
            few_below=self.bounds.few_below,
        ).scalars()


def predict_logits(model: nn.Module, data: Split, autocast: Autocast, ranks: Ranks = ALONE) -> Tensor:
    """Logits (N, C), float32 on the CPU, of all images as they are; the model is left in `eval()`.

    Args:
        model: maps inputs to logits.
        data: the samples; of several ranks each computes a block.
        autocast: the precision.
        ranks: that share the samples; the first gets the logits, the others none. By default this process has all.

    Raises:
        ValueError: logits that are not finite.
    """
    model.eval()

    def compute(part: Split) -> Tensor:
        with torch.inference_mode(), autocast():
            return joined((model(images).float().cpu() for images in part.in_order()), len(part))

    logits = ranks.rows_of(data, compute).cpu()
    finite = sum(int(logits[block].isfinite().all(dim=1).sum()) for block in row_blocks(*logits.shape))
    if finite < len(logits):
        raise ValueError(
            f"logits must be finite. Those of {len(logits) - finite:,} of {len(logits):,} samples are not: the weights "
            'have grown too large. Train again with a smaller `learning_rate`, or with precision="float32".'
        )
    return logits


def score(
    folder: RunFolder,
    *,
    rebalance: float | None = 1.0,
    converge: bool = False,
    transductive: bool = False,
    fit_on: str | None = None,
) -> Scores:
    """Score a complete run from its saved logits.

    Args:
        folder: the run.
        rebalance: τ ≥ 0; `None` scores the predictions as they are.
        converge: re-balance to the fixed point.
        transductive: fit on the test set's own logits instead of labelled data.
        fit_on: the labelled set that is fitted on; by default that of the run's result.

    Returns:
        The scalars of `long_tail_scores` for each treatment: "raw", and one named after how it was re-balanced.

    Raises:
        ValueError: the run is not complete, or the settings contradict each other.
        FileNotFoundError: the run has no such set.
        NoFixedPointError: with `converge`, where there is no fixed point.

    Example:
        >>> import tempfile
        >>> from longtail.recipes import digits_lt
        >>> from longtail.training import run_experiment
        >>> folder = run_experiment(digits_lt(epochs=1), data=None, out=tempfile.mkdtemp() + "/run")
        >>> list(score(folder))
        ['raw', 'inductive']
    """
    result = complete_result("folder", folder)
    if "class_counts" not in result or (fit_on is None and "fit_on" not in result and not transductive):
        raise ValueError(f"`folder` must be a training run. Got {folder.path}, whose result names no set to fit on.")
    if rebalance is None and (converge or transductive or fit_on):
        raise ValueError("`rebalance` must be on for `converge`, `transductive` and `fit_on`. Got off.")
    if fit_on == "test":
        raise ValueError('`fit_on` must be another set than "test", whose labels nothing may be fitted on.')
    if rebalance is not None:
        check_strength("rebalance", rebalance)
    if transductive and fit_on:
        raise ValueError(f"`fit_on` must be left out with `transductive`, which fits on the test set. Got {fit_on!r}.")
    if fit_on is not None and fit_on not in folder.predicted_sets:
        known = ", ".join(name for name in folder.predicted_sets if name != "test")
        advice = " Hold some out in training, with --validation 0.1." if fit_on == "validation" else ""
        raise FileNotFoundError(
            f"`fit_on` must be a labelled set of the run {folder.path} ({known or 'none'}). Got {fit_on!r}.{advice}"
        )
    scorer = Scorer(np.asarray(result["class_counts"]), GroupBounds.of(folder.header["config"]))
    logits, target = folder.load_predictions("test")
    scores = {"raw": scorer(logits, target)}
    if transductive and not is_balanced(target, logits.shape[1]):
        raise ValueError("`transductive` must be off where the classes of the test set are not of one size.")
    if rebalance is not None:
        rebalancer = PredictionRebalancer(tau=rebalance, converge=converge)
        name = treatment_name(transductive, converge) + (f", τ = {rebalance:g}" if rebalance != 1 else "")
        name += f", fitted on {fit_on}" if fit_on else ""
        if transductive:
            rebalancer.fit_transductive(logits)
        else:
            rebalancer.fit(*folder.load_predictions(fit_on or result["fit_on"]))
        scores[name] = scorer(rebalancer.predict(logits), target)
    return scores


def score_all(scorer: Scorer, load: Callable[[str], Predictions], fit_on: str) -> tuple[Scores, list[str]]:
    """The scores at τ = 1 for every treatment: inductive and transductive, one step and fixed point.

    Args:
        scorer: of the run.
        load: logits and labels of a set of the run; one set at a time is held in memory.
        fit_on: the labelled set that the inductive treatments are fitted on.

    Returns:
        The scores, and a note for each treatment without a result, which must not fail a finished run.
    """
    inductive, missing = _fitted(lambda rebalancer, own: rebalancer.fit(*own), load(fit_on), transductive=False)
    logits, target = load("test")
    fitted, notes = inductive, []
    if is_balanced(target, logits.shape[1]):
        transductive, others = _fitted(PredictionRebalancer.fit_transductive, logits, transductive=True)
        fitted, missing = inductive | transductive, missing + others
    else:
        notes.append("no transductive rows: the classes of the test set are not of one size")
    rows = {name: scorer(rebalancer.predict(logits), target) for name, rebalancer in fitted.items()}
    return {"raw": scorer(logits, target), **rows}, notes + missing


def _fitted(
    fit: Callable[[PredictionRebalancer, Any], PredictionRebalancer], data: Any, *, transductive: bool
) -> tuple[dict[str, PredictionRebalancer], list[str]]:
    """Rebalancers by the names of their rows, one step and fixed point, and a note on each that has none."""
    fitted, notes = {}, []
    numbers = (data if transductive else data[0]).size
    for converge in (False, True):
        name = treatment_name(transductive, converge)
        if converge and numbers > MOST_FOR_FIXED_POINT:
            notes.append(
                f"no row {name!r}: dozens of passes over {numbers / 1e6:,.0f} million logits; "
                "longtail evaluate --converge computes it"
            )
            continue
        try:
            fitted[name] = fit(PredictionRebalancer(converge=converge), data)
        except NoFixedPointError as error:
            notes.append(f"no row {name!r}: {error}")
    return fitted, notes


def is_balanced(target: np.ndarray | Tensor, num_classes: int) -> bool:
    """Whether the largest class is at most twice the smallest: a transductive fit assumes a balanced test set."""
    support = np.bincount(np.asarray(target), minlength=num_classes)
    return bool(support.max() <= 2 * support.min())


def treatment_name(transductive: bool, converge: bool) -> str:
    """The name of a re-balanced row."""
    return ("transductive" if transductive else "inductive") + (", fixed point" if converge else "")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores the model of a run, on the samples as its stage takes them.

    Of several ranks each computes the logits of a block of the samples, and the first has the scores.
    """

    scorer: Scorer
    splits: Splits
    autocast: Autocast
    ranks: Ranks = ALONE

    def during_training(self, model: nn.Module) -> dict[str, float]:
        """Scores for the log of an epoch: on the test set and, where there is one, on the validation set."""
        self.ranks.share_buffers(model)
        splits = [self.splits.test, *([self.splits.validation] if len(self.splits.validation) else [])]
        logits = [self.logits(model, split) for split in splits]
        if not self.ranks.first:
            return {}
        metrics = scores_during_training(logits[0], splits[0].target.cpu(), self.scorer)
        if len(splits) > 1:
            scores = self.scorer(logits[1], splits[1].target.cpu())
            metrics["validation_balanced_accuracy"] = scores["balanced_accuracy"]
        return metrics

    def logits(self, model: nn.Module, split: Split) -> Tensor:
        """Logits (N, C) of a split, on the CPU of the first rank."""
        return predict_logits(model, split, self.autocast, self.ranks)


def scores_during_training(logits: Tensor, target: Tensor, scorer: Scorer) -> dict[str, float]:
    """Test scores for the log of an epoch: raw, and re-balanced with the test set's own predictions."""
    scores = scorer(logits, target)
    metrics = {f"test_{name}": scores[name] for name in ("top1", "balanced_accuracy", "many", "medium", "few")}
    if is_balanced(target, logits.shape[1]):
        rebalanced = PredictionRebalancer().fit_transductive(logits).predict(logits)
        metrics["test_top1_transductive"] = (rebalanced == target).double().mean().item()
    return metrics


def best_on_test(metrics: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """The best evaluated epoch, raw and re-balanced transductively. It is chosen on the test set."""
    best = {}
    for name in ("test_top1", "test_top1_transductive"):
        evaluated = [line for line in metrics if name in line]
        if evaluated:
            line = max(evaluated, key=lambda line: line[name])
            best[name] = {"epoch": line["epoch"], "top1": line[name]}
    return best


def prior_slope(criterion: nn.Module, class_counts: Tensor) -> dict[str, float]:
    """Slope and correlation of log θ over log class counts, for a loss that learns θ; empty for any other."""
    known = criterion.summary() if isinstance(criterion, (LongTailedLoss, DeferredReweighting)) else {}
    if "theta" not in known:
        return {}
    theta = known["theta"].double()
    seen = (class_counts > 0) & (theta > 0)
    if len(torch.unique(class_counts[seen])) < 2:
        return {}
    x, y = class_counts[seen].double().log().numpy(), theta[seen].log().numpy()
    return {"theta_slope": float(np.polyfit(x, y, 1)[0]), "theta_correlation": float(np.corrcoef(x, y)[0, 1])}
