"""Scores of a run as its predictions are served: with the offsets of its `fix.json`."""

import numpy as np

from longtail.metrics.groups import GroupBounds
from longtail.repair import Fix
from longtail.runs import RunFolder
from longtail.training.evaluation import Scorer


def fixed_scores(folder: RunFolder) -> dict[str, float] | None:
    """The scalars of `long_tail_scores` on the test set, in [0, 1]; None where the run has no fix.

    Raises:
        ValueError: the fix is of other classes than the run.
    """
    if not folder.fix_path.is_file():
        return None
    fix = Fix.load(folder.fix_path, class_names=(folder.data or {})["class_names"])
    counts = np.asarray((folder.result or {})["class_counts"])
    logits, target = folder.load_predictions("test")
    scorer = Scorer(counts, GroupBounds.of(folder.header["config"]))
    return scorer(np.asarray(fix.predict(logits)), target)
