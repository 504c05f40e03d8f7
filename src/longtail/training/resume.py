"""Resuming a run: the same configuration, the same data, the state of its last checkpoint."""

import dataclasses
import hashlib
from pathlib import Path

from longtail.data import Splits
from longtail.losses.catalogue import parse_arguments
from longtail.runs import RunFolder, current_versions
from longtail.training.config import TrainingConfig
from longtail.training.ranks import Ranks
from longtail.training.run_splits import has_data_of
from longtail.training.state import TrainingState
from longtail.training.stored_config import stored_config
from longtail.training.stored_state import check_stored

LEFT_OPEN = ("threads", "pretrained", "size", "mean", "std", "crop_pct", "interpolation")
"""Settings that the machine or the network decides if they are not given."""


def adopt(config: TrainingConfig, folder: RunFolder) -> TrainingConfig:
    """The configuration of the run in `folder`, if it agrees with `config`.

    What `config` leaves open ("auto", or the threads) is taken from the run, as are arguments of the loss that it does
    not set. Paths of the data may differ: the data are compared by their fingerprint. So may the number of processes,
    which share the same batches.

    Raises:
        ValueError: a setting differs; the message names each.
    """
    stored = stored_config(folder)
    if type(stored) is not type(config):
        raise ValueError(f"`out` must be a run of the same stage. Got {folder.path}, which is of another.")
    differences = []
    for field in dataclasses.fields(config):
        asked, had = getattr(config, field.name), getattr(stored, field.name)
        if field.name == "loss_arguments":
            named, known = parse_arguments(asked), parse_arguments(had)
            asked = had if named.items() <= known.items() else asked
        left_open = asked == "auto" or (asked in (None, ()) and field.name in LEFT_OPEN)
        left_open = left_open or (field.name == "batch_size" and asked == 0)  # the data decide it
        if asked != had and not left_open and field.name not in (*config.PATHS, *config.OF_THE_PROCESS, "processes"):
            differences.append(f"`{field.name}` is {_in_words(had)}, not {_in_words(asked)}")
    if differences:
        raise ValueError(
            f"A resumed run must keep what its result depends on. In {folder.path} {'; '.join(differences)}. "
            "Start a new run with another --out."
        )
    moved = {name: getattr(config, name) for name in config.PATHS if getattr(config, name) is not None}
    of_the_process = {name: getattr(config, name) for name in config.OF_THE_PROCESS}
    return dataclasses.replace(stored, **moved, **of_the_process, processes=config.processes)


def _in_words(value: object) -> str:
    return "left out" if value is None else repr(value)


def differing_versions(folder: RunFolder) -> list[str]:
    """A note on each version that has changed since the run began: the result may differ in its last digits."""
    now = current_versions()
    return [
        f"resumed with {name} {now[name]}, begun with {version}"
        for name, version in folder.header["versions"].items()
        if now.get(name) != version and name in now
    ]


def check_same_data(folder: RunFolder, splits: Splits) -> None:
    """Check that the data of a resumed run are those that it began with.

    Raises:
        ValueError: the data differ.
    """
    if not has_data_of(folder, splits):
        raise ValueError(
            f"`data` must be the data that the run {folder.path} was begun with. Its samples or labels differ. "
            "Start a new run with another --out."
        )


def checksum_of_weights(config: TrainingConfig) -> str | None:
    """Of the file of weights that the configuration names; `None` where it names none.

    Raises:
        FileNotFoundError: no such file.
    """
    if config.weights is None:
        return None
    path = Path(config.weights)
    if not path.is_file():
        raise FileNotFoundError(f"`weights` must be a file that exists. Got {path}.")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_same_weights(folder: RunFolder, config: TrainingConfig) -> None:
    """A resumed run must start from the weights that it began with; older run folders do not say which.

    Where a backbone is frozen it is in no checkpoint: from other weights, the classifier would be trained on the
    features of two networks.

    Raises:
        FileNotFoundError, ValueError: the file of weights is missing, or another.
    """
    known = folder.header.get("weights")
    if known is not None and known != checksum_of_weights(config):
        raise ValueError(
            f"`weights` must be the file that the run {folder.path} was begun with. The content of {config.weights} "
            "has changed. Restore it, or start a new run with another --out."
        )


def another_number_of_processes(folder: RunFolder, processes: int) -> list[str]:
    """A note if the run was begun by another number of processes: the same batches are divided into other shares."""
    begun = folder.header["config"].get("processes") or 1
    if begun == processes:
        return []
    return [
        f"resumed with {processes} processes, begun with {begun}: the same batches, but batch norm and mixing see "
        "other shares of them"
    ]


def restore(state: TrainingState, folder: RunFolder, ranks: Ranks, *, epochs: int, steps: int) -> None:
    """Load the last checkpoint into the state.

    Args:
        state: of the run.
        folder: of the run; the first rank reads its checkpoint for all, and removes metrics of later epochs.
        ranks: of the run.
        epochs: of the run.
        steps: of an epoch.

    Raises:
        ValueError: the checkpoint is damaged or of another run.
    """
    stored = ranks.from_first(folder.load_checkpoint() if ranks.first else None)
    if stored is not None:
        try:
            check_stored(stored, epochs=epochs, steps=steps)
            state.load_state_dict(stored)
        except (RuntimeError, LookupError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"The checkpoint in {folder.path} must be of this run. It does not fit. Restore the file, or start "
                "a new run with another --out."
            ) from error
    found = [*differing_versions(folder), *another_number_of_processes(folder, ranks.number)]
    state.notes += [note for note in found if note not in state.notes]
    if ranks.first:
        folder.forget_metrics_from(state.epoch)
