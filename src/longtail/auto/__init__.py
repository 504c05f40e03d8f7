"""One call from the user's own data to a model, and from a model to named predictions.

`fit("photos/")` trains and returns the run folder; `load("runs/…")` returns a `Predictor`.
"""

from longtail.auto.evaluation import evaluate_on
from longtail.auto.extraction import extract_features
from longtail.auto.fitting import fit, train_and_fix
from longtail.auto.predictor import Predictor, load

__all__ = ["Predictor", "evaluate_on", "extract_features", "fit", "load", "train_and_fix"]
