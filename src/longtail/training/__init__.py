"""Training: configuration, stages, the loop with its checkpoints, and callbacks."""

from longtail.training.callbacks import Callback, Plan, Step
from longtail.training.config import TrainingConfig
from longtail.training.evaluation import score
from longtail.training.experiment import run_experiment
from longtail.training.failed_ranks import RankFailedError
from longtail.training.fine_tuning import FineTuning
from longtail.training.frozen_features import FrozenFeatures
from longtail.training.network import trained_network
from longtail.training.own_config import OwnConfig
from longtail.training.scratch import Scratch
from longtail.training.second_stage import SecondStage
from longtail.training.second_stage_config import OwnSecondStageConfig, SecondStageConfig
from longtail.training.stages import STAGES, Stage, StageInput, StageKind
from longtail.training.stopping import TrainingDivergedError, TrainingStopped
from longtail.training.stored_config import config_from_json, stored_config

__all__ = [
    "STAGES",
    "Callback",
    "FineTuning",
    "FrozenFeatures",
    "OwnConfig",
    "OwnSecondStageConfig",
    "Plan",
    "RankFailedError",
    "Scratch",
    "SecondStage",
    "SecondStageConfig",
    "Stage",
    "StageInput",
    "StageKind",
    "Step",
    "TrainingConfig",
    "TrainingDivergedError",
    "TrainingStopped",
    "config_from_json",
    "run_experiment",
    "score",
    "stored_config",
    "trained_network",
]
