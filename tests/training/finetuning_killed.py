"""Fine-tunes: `finetuning_killed.py DATA OUT WORKERS STEPS …`; it kills itself after STEPS, where these are not 0."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from longtail.training import run_experiment
from training.killed_runs import KillAfter
from training.own import finetune_config


def config(**settings):
    """Everything that has a state of its own."""
    return finetune_config(
        **{"epochs": 3, "augment": "trivial", "ema": 0.9, "accumulate": 2, "clip_norm": 1.0, "mixing": "mixup"}
        | settings
    )


def train(data, out, workers=0, steps=0):
    callbacks = [KillAfter(steps)] if steps else []
    settings = {"checkpoint_seconds": 0, "callbacks": callbacks, "resume": True}
    return run_experiment(config(workers=workers), data=data, out=out, **settings)


if __name__ == "__main__":
    data, *runs = sys.argv[1:]
    for out, workers, steps in zip(runs[::3], runs[1::3], runs[2::3], strict=True):
        train(Path(data), Path(out), int(workers), int(steps))
