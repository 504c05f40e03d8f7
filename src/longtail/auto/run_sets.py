"""Prediction sets of a run, fitted on its held-out samples, also if its loss has adjusted the logits."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from longtail.posthoc import PredictionSets
from longtail.repair import fit_calibration


@dataclass(frozen=True)
class RunSets:
    """Sets of the probabilities softmax(z / temperature + offset) under the class frequencies of training.

    The prevalence-adjusted score divides probabilities by these frequencies. The softmax of a network whose loss
    adjusts logits (GALA, Balanced Softmax) follows them less, or not at all. The offset, a multiple of their logarithm,
    adds what is missing. Temperature and multiple are fitted by maximum likelihood on the held-out samples.

    Attributes:
        temperature: the logits are divided by it.
        offset: (C,) added to the divided logits.
        sets: fitted on logits after both.
    """

    temperature: float
    offset: np.ndarray
    sets: PredictionSets

    @classmethod
    def fitted(
        cls, logits: np.ndarray, target: np.ndarray, *, class_counts: np.ndarray, miscoverage: float, prior: str
    ) -> Self:
        """The sets of held-out samples.

        Args:
            logits: (N, C) of the network.
            target: (N,) class indices.
            class_counts: (C,) training samples of each class.
            miscoverage: between 0 and 1.
            prior: "uniform" for the prevalence-adjusted score, "training" for softmax, which gives smaller sets.
        """
        counts = np.maximum(np.asarray(class_counts, dtype=np.float64), 0.5)
        share = counts / counts.sum()
        temperature, offset = fit_calibration(logits, target, share, line=np.log(share))
        score = "softmax" if prior == "training" else "prevalence-adjusted"
        sets = PredictionSets(miscoverage, score, class_counts=counts, never_empty=False)
        own = cls(temperature, offset, sets)
        sets.fit(own._under_training_frequencies(logits), target)
        return own

    def holds(self, logits: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(N, C) whether each class is in the set of each sample (N, C); the predicted class (N,) always is."""
        inside = self.sets.predict_sets(self._under_training_frequencies(logits))
        inside[np.arange(len(inside)), predicted] = True
        return inside

    def _under_training_frequencies(self, logits: np.ndarray) -> np.ndarray:
        return np.asarray(logits / self.temperature + self.offset, dtype=np.float64)
