"""What a resumed run may change: only what cannot change its result."""

import dataclasses

from longtail.runs import RunFolder, current_versions
from longtail.training.config import TrainingConfig, parse_arguments
from longtail.training.second_stage import stored_config

LEFT_OPEN = ("threads", "processes", "pretrained", "size", "mean", "std", "crop_pct", "interpolation")
"""Settings that the machine or the network decides where none is asked for."""
OF_THE_PROCESS = ("workers",)
"""Settings that no result depends on."""


def adopt(config: TrainingConfig, folder: RunFolder) -> TrainingConfig:
    """The configuration of the run in `folder`, if `config` asks for no other.

    What `config` leaves open ("auto", or the threads) is as the run has it; so are settings of the loss that it does
    not name.

    Raises:
        ValueError: a setting differs; the message names each.
    """
    stored = stored_config(folder)
    if type(stored) is not type(config):
        raise ValueError(f"`out` must be a run of the same stage. Got {folder.path}, which is of another.")
    differences = []
    free = {name: getattr(config, name) for name in OF_THE_PROCESS if hasattr(config, name)}
    for field in dataclasses.fields(config):
        if field.name in free:
            continue
        asked, had = getattr(config, field.name), getattr(stored, field.name)
        if field.name == "loss_arguments":
            named, known = parse_arguments(asked), parse_arguments(had)
            asked = had if named.items() <= known.items() else asked
        left_open = asked == "auto" or (asked in (None, ()) and field.name in LEFT_OPEN)
        if asked != had and not left_open:
            differences.append(f"`{field.name}` is {had!r}, not {asked!r}")
    if differences:
        raise ValueError(
            f"--resume must not change what the result depends on. In {folder.path} {'; '.join(differences)}. "
            "Start a new run with another --out."
        )
    return dataclasses.replace(stored, **free)


def differing_versions(folder: RunFolder) -> list[str]:
    """What is no longer as it was when the run began; with it the result may differ in its last digits."""
    now = current_versions()
    return [
        f"resumed with {name} {now[name]}, begun with {version}"
        for name, version in folder.header["versions"].items()
        if now.get(name) != version and name in now
    ]
