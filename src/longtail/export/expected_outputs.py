"""The outputs that an exported file must have, by `Fix` itself."""

import numpy as np

from longtail.repair import Fix


def expected_outputs(fix: Fix, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The probabilities of a fix (N, C), and what the decision maximises (N, C).

    That is logits + offset, or minus the expected cost.

    Args:
        fix: to be exported.
        scores: (N, C) float64, what the fix takes.
    """
    probabilities = fix.predict_proba(scores)
    return probabilities, fix(scores) if fix.cost is None else -(probabilities @ fix.cost)


def shortfall(preferred: np.ndarray, decisions: np.ndarray) -> np.ndarray:
    """(N,) how far each decision is below the largest of its row: 0, or a rounding error if two are equal."""
    return np.asarray(preferred.max(1) - preferred[np.arange(len(preferred)), decisions])
