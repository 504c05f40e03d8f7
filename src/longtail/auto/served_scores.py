"""The scores of the decisions that predictions of a run make: those of its fix, where that moves any."""

import numpy as np

from longtail.metrics.groups import GroupBounds
from longtail.repair import Fix
from longtail.runs import RunFolder
from longtail.training.evaluation import Scorer

WITH_FIX = "with fix.json"
"""The name of their row."""


def served_scores(folder: RunFolder) -> dict[str, dict[str, float]]:
    """One row, the scores of the run's fix on its saved logits of the test samples; none where decisions are the same.

    Args:
        folder: of a complete run.

    Example:
        >>> import tempfile
        >>> from longtail.auto import fit
        >>> y = np.repeat(["otter", "seal"], [60, 30])
        >>> X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
        >>> served_scores(fit((X, y), out=tempfile.mkdtemp() + "/run", epochs=1, validation=0.0))  # without a fix
        {}
    """
    if folder.result is None or not folder.fix_path.is_file():
        return {}
    fix = Fix.load(folder.fix_path)
    if not fix.moves_decisions:
        return {}
    logits, target = folder.load_predictions("test")
    scorer = Scorer(np.asarray(folder.result["class_counts"]), GroupBounds.of(folder.header["config"]))
    return {WITH_FIX: scorer(np.asarray(fix.predict(logits)), target)}
