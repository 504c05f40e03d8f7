"""The end of a run: its predictions and weights are written, then its result, which marks it as complete."""

from dataclasses import dataclass
from typing import Any

import torch

from longtail.data import Augment
from longtail.runs import RunFolder
from longtail.training.evaluation import Evaluation, best_on_test, prior_slope, score_all
from longtail.training.network import described
from longtail.training.stages import Stage
from longtail.training.state import TrainingState
from longtail.training.training_predictions import kept_for_predictions


@dataclass(frozen=True, eq=False)
class LastAugmentation:
    """How the training samples are augmented for what is fitted on them after training."""

    augment: Augment | None
    generator: torch.Generator


def finish(
    folder: RunFolder, state: TrainingState, stage: Stage, evaluation: Evaluation, last: LastAugmentation
) -> None:
    """Write predictions and weights, then the result; delete the checkpoint. Other ranks compute predictions only."""
    state.use_average()
    kept = _keep_predictions(folder, stage, evaluation, last)
    for name in ("train", "validation", "test"):
        state.note_left_out(name, getattr(evaluation.splits, name), evaluation.ranks)
    if not evaluation.ranks.first:
        return
    splits, scorer = evaluation.splits, evaluation.scorer
    fit_on = "validation" if splits.holds_out_every_class else "augmented"
    network, metrics = stage.finished(), folder.metrics
    folder.save_weights({"model": network.state_dict(), "criterion": state.criterion.state_dict()})
    scores, notes = score_all(scorer, folder.load_predictions, fit_on)
    if len(splits.validation) and fit_on != "validation":
        notes.append("re-balancing is fitted on training samples: not every class has a validation sample")
    provenance = stage.provenance()
    result: dict[str, Any] = {
        "epoch": state.epoch - 1,
        "test": scores,
        "fit_on": fit_on,
        "best_on_test": best_on_test(metrics),
        **({"validation": scorer(*folder.load_predictions("validation"))} if len(splits.validation) else {}),
        "class_counts": splits.class_counts,
        "network": described(network, splits.info),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "training_minutes": round(sum(line["seconds"] for line in metrics) / 60, 2),
        "notes": [*state.notes, *provenance.pop("notes", ()), *kept, *notes],
        **prior_slope(state.criterion, splits.class_counts),
        **provenance,
    }
    folder.finish(result)
    folder.drop_checkpoint()


def _keep_predictions(folder: RunFolder, stage: Stage, evaluation: Evaluation, last: LastAugmentation) -> list[str]:
    """Write logits and labels of every split to the run folder, one after the other; notes on what is left out."""
    splits, network = evaluation.splits, stage.scored()
    evaluation.ranks.share_buffers(network)
    train, note = kept_for_predictions(splits.train, len(splits.info.class_names))
    augmented = train.augmented(last.augment, last.generator)
    kept = [("train", train), ("test", splits.test)]
    kept += [("validation", splits.validation)] if len(splits.validation) else []
    kept += [] if augmented is train else [("augmented", augmented)]
    for name, split in kept:
        logits = evaluation.logits(network, split)
        if evaluation.ranks.first:
            folder.save_predictions(name, logits, split.target)
            if split is augmented:
                folder.save_predictions("augmented", logits, split.target)
        del logits  # before those of the next split
    return [] if note is None else [note]
