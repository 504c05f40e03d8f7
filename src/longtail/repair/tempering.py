"""The scale of a model's logits: the temperature at which its probabilities fit the labels best."""

import numpy as np

from longtail.repair.calibration import calibrated, prior_weight
from longtail.repair.margins import spread_of
from longtail.repair.samples import Samples

NUMBERS = 2**22  # most logits in a fit
ENOUGH = 8  # samples per class, for an offset of each


def temperature_of(samples: Samples, prior: np.ndarray) -> float:
    """The temperature T > 0 of bias-corrected temperature scaling, so that softmax(z / T) does not depend on a scale.

    Logits a · z have the temperature a · T. T does not depend on the order of samples or classes, or on classes that
    are masked. All this holds up to rounding and the tolerance of the fit, a relative error of about 1e-6. With fewer
    than 8 samples per class, in the data or in `NUMBERS` logits (so always with more than 724 classes), the biases are
    a multiple of the log class frequencies. If no temperature maximises the likelihood (the scores separate the classes
    perfectly or are unrelated to the labels), T is the median distance between a sample's class and the best other one.

    Args:
        samples: of more than `NUMBERS` logits a subsample is used, class-balanced or drawn by the prior.
        prior: (C,) class prior of the likelihood, above 0 for a class with samples.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> target = rng.integers(0, 3, 3000)
        >>> logits = 2 * (rng.normal(size=(3000, 3)) + 2 * np.eye(3)[target])  # calibrated
        >>> temperatures = [temperature_of(Samples.of(a * logits, target), np.ones(3) / 3) for a in (1.0, 50.0)]
        >>> [round(temperature) for temperature in temperatures]
        [1, 50]
    """
    samples = samples.where(prior[samples.target] > 0)
    most = NUMBERS // samples.num_classes
    if min(most, len(samples)) < ENOUGH * len(np.unique(samples.target)):
        return _of_few(samples, prior, most)
    return _fitted(samples.thinned(NUMBERS), prior)


def _of_few(samples: Samples, prior: np.ndarray, most: int) -> float:
    """From at most `most` samples, too few for an offset of each class: offsets are a multiple of log frequencies."""
    line = np.log(np.bincount(samples.target, samples.weight, samples.num_classes) + 0.5)
    if len(samples) > most:
        samples = samples.drawn(most, prior_weight(samples.target, prior, samples.weight))
        prior = np.bincount(samples.target, minlength=samples.num_classes) / len(samples)
    return _fitted(samples, prior, line - line.mean())


def _fitted(samples: Samples, prior: np.ndarray, line: np.ndarray | None = None) -> float:
    fitted = calibrated(samples, prior, step="temperature", numbers=2 * NUMBERS, line=line)
    return spread_of(samples.margins("temperature"), samples.weight) if fitted.at_limit else fitted.temperature
