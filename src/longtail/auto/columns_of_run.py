"""Other data of a run: their columns have the names of those that it was trained by, unless others are given."""

from typing import Any

from longtail.data import Parts, read_data
from longtail.data.options import OptionDoesNotApplyError
from longtail.training import TrainingConfig

READ_FROM = {"label": "labels", "path_column": "images or their paths", "split": "parts", "group": "groups"}


def read_as_in_training(data: Any, config: TrainingConfig, **options: Any) -> tuple[Parts, list[str]]:
    """`read_data`, by the columns of a run where none are given, and a note on each of these.

    A column of the run that the data do not have is left out, and so is a file of the labels of its arrays.

    Args:
        data: as `read_data` takes them.
        config: of the run.
        **options: of `read_data`; None is not given.
    """
    columns = columns_of(config, options)
    while True:
        try:
            parts = read_data(data, **{**options, **columns})
        except OptionDoesNotApplyError as error:
            if columns.pop(error.option, None) is None:
                raise
        else:
            return parts, [note_on_column(option, column) for option, column in columns.items()]


def columns_of(config: TrainingConfig, options: dict[str, Any]) -> dict[str, str]:
    """The columns that a run was trained by, without those that `options` names."""
    known = {option: getattr(config, option, None) for option in READ_FROM if options.get(option) is None}
    return {option: name for option, name in known.items() if name is not None and not name.endswith(".npy")}


def note_on_column(option: str, column: str) -> str:
    """What is read from a column of the run."""
    named = f"--{option.replace('_', '-')}"
    return f"{READ_FROM[option]} are read from {column!r}, as in training ({named} names another)."
