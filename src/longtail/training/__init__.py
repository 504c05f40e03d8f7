"""Training that can be resumed and says what it did: configuration, loop, checkpoints, callbacks."""

from longtail.training.callbacks import Callback, Plan, Step
from longtail.training.config import TrainingConfig
from longtail.training.evaluation import score
from longtail.training.experiment import run_experiment
from longtail.training.network import trained_network
from longtail.training.sets import load_sets
from longtail.training.stopping import TrainingDivergedError, TrainingStopped

__all__ = [
    "Callback",
    "Plan",
    "Step",
    "TrainingConfig",
    "TrainingDivergedError",
    "TrainingStopped",
    "load_sets",
    "run_experiment",
    "score",
    "trained_network",
]
