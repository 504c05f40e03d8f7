"""Settings of fine-tuning, which are refused in other stages instead of being ignored."""

from longtail.training.config import TrainingConfig

OF_FINE_TUNING = {"tune": "all", "layer_decay": 1.0}
"""With the values that mean nothing."""
STAGES = {
    "scratch": "trains the whole network from its initial weights, at one learning rate",
    "features": "trains a classifier on the features of a frozen network",
}


def refuse_settings_of_fine_tuning(config: TrainingConfig) -> None:
    """Raise for a setting of fine-tuning in a stage of this package that ignores it.

    Raises:
        ValueError: names the setting.
    """
    for name, usual in OF_FINE_TUNING.items():
        value = getattr(config, name)
        if config.stage in STAGES and value != usual:
            raise ValueError(
                f'`{name}` does not apply to the stage "{config.stage}", which {STAGES[config.stage]}. Got {value!r}. '
                'Leave it out, or fine-tune a network: longtail train finetune (stage "finetune").'
            )
