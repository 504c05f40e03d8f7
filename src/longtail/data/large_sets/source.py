"""The sources imagenet-lt, places-lt and inaturalist18: official lists and images, as splits."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from longtail.data.built_in.download import refuse_download
from longtail.data.check import Progress, require_trainable
from longtail.data.config import DataConfig
from longtail.data.contract import Splits
from longtail.data.first_of_many import first
from longtail.data.large_sets.facts import LARGE_SETS
from longtail.data.large_sets.missing import missing_files
from longtail.data.large_sets.reading import read_large_set
from longtail.data.own import splits_of
from longtail.data.own_config import OwnDataConfig
from longtail.data.samples import Parts
from longtail.data.splits import plan_splits

OF_OTHER_DATA = {
    **dict.fromkeys(("imbalance", "val", "test", "groups", "path_column", "label", "split", "group")),
    "test_share": 0,
    "validation_per_class": 0,
    "profile": "exp",
    "shrink": 1,
}
"""Settings that do not apply to official lists, and their default values."""


def large_set(config: DataConfig, data: Any, device: torch.device, download: bool, progress: Progress | None) -> Splits:
    """Splits of the official lists; files are looked up, not decoded (`longtail doctor NAME` decodes them)."""
    name = config.dataset
    if not isinstance(config, OwnDataConfig):
        raise ValueError(
            f'`dataset` "{name}" needs an `OwnDataConfig` such as `OwnConfig`. Got a {type(config).__name__}.'
        )
    if not isinstance(data, (str, os.PathLike)):
        raise ValueError(
            f"`data` must be the folder of {LARGE_SETS[name].title}: its lists, and its images where `root` names no "
            f"other folder. Got {'none' if data is None else type(data).__name__}. Pass --data DIR."
        )
    _refuse_settings_of_other_data(config)
    refuse_download(name, download)
    found = read_large_set(name, Path(data), root=None if config.root is None else Path(config.root))
    if found.problems:
        raise ValueError(found.problems[0])
    _check_validation(config, found.parts)
    require_trainable(found.parts)
    parts = _without_missing(found.parts, config, str(data), progress)
    plan = plan_splits(parts, validation=config.validation, test=0.0, seed=config.subset_seed)
    return splits_of(config.completed(), plan.apply(parts), plan, str(Path(data).resolve()), device)


def _refuse_settings_of_other_data(config: OwnDataConfig) -> None:
    for option, left_out in OF_OTHER_DATA.items():
        if (value := getattr(config, option)) != left_out:
            usual = "left out" if left_out is None else repr(left_out)
            raise ValueError(
                f"`{option}` must be {usual} for {config.dataset}: its official lists define parts and classes. "
                f"Got {value!r}. Leave --{option.replace('_', '-')} out."
            )


def _check_validation(config: OwnDataConfig, parts: Parts) -> None:
    if config.validation and parts.validation is not None:
        raise ValueError(
            f"`validation` must be 0 for {config.dataset}, which has an official validation list. "
            f"Got {config.validation!r}."
        )


def _without_missing(parts: Parts, config: OwnDataConfig, data: str, progress: Progress | None) -> Parts:
    """The parts whose files are there; with `on_bad_file` "fail" all must be."""
    kept, notes, done = {}, list(parts.notes), 0
    total = sum(len(part) for _, part in parts.items())
    for part_name, part in parts.items():
        assert part.files is not None
        assert part.root is not None
        missing = missing_files(part.root, part.files)
        done += len(part)
        if progress is not None:
            progress("looking for files", done / total)
        if not len(missing):
            continue
        names = first([part.name(index) for index in missing.tolist()])
        said = f"{len(missing):,} of {len(part):,} files of {part_name} are missing: {names}"
        if config.on_bad_file == "fail":
            where = f"--data {data}" + ("" if config.root is None else f" --root {config.root}")
            raise FileNotFoundError(
                f"{said}. To see all that is missing or damaged: longtail doctor {config.dataset} {where}. To leave "
                "them out: --on-bad-file skip."
            )
        notes.append(f"{said}; they are left out.")
        kept[part_name] = part.take(np.setdiff1d(np.arange(len(part)), missing))
    left = replace(parts, notes=tuple(notes), **kept)
    require_trainable(left)
    return left
