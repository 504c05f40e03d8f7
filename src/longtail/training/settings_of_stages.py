"""Settings that some stages ignore, which are refused there."""

from dataclasses import dataclass

from longtail.training.config import TrainingConfig

WHAT_THEY_DO = {
    "scratch": "trains the whole network from its initial weights, at one learning rate",
    "features": "trains a classifier on the features of a frozen network",
    "finetune": "trains a network further on images that are augmented in each step",
}


@dataclass(frozen=True)
class Setting:
    """A setting of some stages.

    Attributes:
        default: the value that means nothing.
        ignored_by: the stages of this package that ignore it.
        advice: what to do instead.
    """

    default: object
    ignored_by: tuple[str, ...]
    advice: str


FINE_TUNE = 'fine-tune a network: longtail train finetune (stage "finetune")'
SETTINGS = {
    "tune": Setting("all", ("scratch", "features"), FINE_TUNE),
    "layer_decay": Setting(1.0, ("scratch", "features"), FINE_TUNE),
    "views": Setting(1, ("scratch", "finetune"), 'train on features: longtail train features (stage "features")'),
}


def refuse_settings_of_other_stages(config: TrainingConfig) -> None:
    """Raise for a setting that the stage ignores.

    Raises:
        ValueError: names the setting.
    """
    for name, setting in SETTINGS.items():
        value = getattr(config, name, setting.default)
        if config.stage in setting.ignored_by and value != setting.default:
            raise ValueError(
                f'`{name}` does not apply to the stage "{config.stage}", which {WHAT_THEY_DO[config.stage]}. '
                f"Got {value!r}. Leave it out, or {setting.advice}."
            )
