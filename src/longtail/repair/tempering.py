"""The scale of a model's logits: the temperature at which its probabilities fit the labels best."""

import numpy as np

from longtail.repair.calibration import calibrated
from longtail.repair.margins import spread_of
from longtail.repair.samples import Samples

NUMBERS = 2**22  # most logits in a fit


def temperature_of(samples: Samples, prior: np.ndarray) -> float:
    """The temperature T > 0 of bias-corrected temperature scaling, so that softmax(z / T) does not depend on a scale.

    Logits a · z have the temperature a · T. T does not depend on the order of samples or classes, or on classes that
    are masked. All this holds up to rounding and the tolerance of the fit, a relative error of about 1e-6. If no
    temperature maximises the likelihood (the scores separate the classes perfectly or are unrelated to the labels), T
    is the median distance between a sample's class and the best other one.

    Args:
        samples: more than `NUMBERS` logits are thinned to a class-balanced subsample.
        prior: (C,) class prior of the likelihood, above 0 for a class with samples.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> target = rng.integers(0, 3, 3000)
        >>> logits = 2 * (rng.normal(size=(3000, 3)) + 2 * np.eye(3)[target])  # calibrated
        >>> temperatures = [temperature_of(Samples.of(a * logits, target), np.ones(3) / 3) for a in (1.0, 50.0)]
        >>> [round(temperature) for temperature in temperatures]
        [1, 50]
    """
    samples = samples.where(prior[samples.target] > 0).thinned(NUMBERS)
    fitted = calibrated(samples, prior, step="temperature", numbers=2 * NUMBERS)
    return spread_of(samples.margins("temperature"), samples.weight) if fitted.at_limit else fitted.temperature
