"""The end of a run: predictions of every split, weights, and the result, which is written last."""

from typing import Any

import numpy as np

from longtail.runs import RunFolder
from longtail.training.assembly import RunParts
from longtail.training.evaluation import best_on_test, predict_logits, prior_slope, score_all
from longtail.training.network import described
from longtail.training.seeds import generator_for


def finish(folder: RunFolder, run: RunParts) -> None:
    """Keep predictions and weights, then the result, whose presence says that the run is complete."""
    run.state.use_average()
    network = run.stage.finished()
    predictions = _keep_predictions(folder, run)
    for name in ("train", "validation", "test"):
        run.state.note_left_out(name, getattr(run.splits, name))
    folder.save_weights({"model": network.state_dict(), "criterion": run.state.criterion.state_dict()})
    metrics, counts, splits = folder.metrics, run.splits.class_counts, run.splits
    fit_on = "validation" if splits.holds_out_every_class else "augmented"
    scores, notes = score_all(run.scorer, predictions["test"], predictions[fit_on])
    if len(splits.validation) and fit_on != "validation":
        notes.append("re-balancing is fitted on training samples: not every class has a validation sample")
    provenance = run.stage.provenance()
    result: dict[str, Any] = {
        "epoch": run.config.epochs,
        "test": scores,
        "fit_on": fit_on,
        "best_on_test": best_on_test(metrics),
        **({"validation": run.scorer(*predictions["validation"])} if len(splits.validation) else {}),
        "class_counts": counts,
        "network": described(network, splits.info),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "training_minutes": round(sum(line["seconds"] for line in metrics) / 60, 2),
        "notes": [*run.state.notes, *provenance.pop("notes", ()), *notes],
        **prior_slope(run.state.criterion, counts),
        **provenance,
    }
    folder.finish(result)
    folder.drop_checkpoint()


def _keep_predictions(folder: RunFolder, run: RunParts) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Logits and labels of every split, in the run folder and in memory."""
    generator = generator_for(run.fabric.device, run.config.seed, run.config.epochs + 1)
    splits, network = run.stage.splits, run.stage.scored()
    kept = {
        "train": splits.train,
        "augmented": splits.train.augmented(run.augment, generator),
        "test": splits.test,
        **({"validation": splits.validation} if len(splits.validation) else {}),
    }
    predictions = {}
    for name, split in kept.items():
        logits = predict_logits(network, split, run.fabric.autocast)
        folder.save_predictions(name, logits, split.target)
        predictions[name] = logits.numpy(), split.target.cpu().numpy()
    return predictions
