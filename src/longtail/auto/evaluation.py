"""Scores of a finished run on labelled data that it has not seen."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from longtail.arguments import check_choice, check_keywords, keywords_of
from longtail.auto.columns_of_run import read_as_in_training
from longtail.auto.named_features import keys_of_features, note_on_order
from longtail.auto.predictor import Predictor
from longtail.auto.served_scores import WITH_FIX
from longtail.data import Parts, Samples, read_data
from longtail.data.check import Progress, check_part
from longtail.data.counted import counted
from longtail.data.first_of_many import first
from longtail.data.raw_part import PART_NAMES
from longtail.metrics.groups import GroupBounds
from longtail.signatures import naming_misspelt
from longtail.training.evaluation import Scorer

PARTS = ("test", "validation", "train")
"""In the order in which they are scored: the samples that a run may have been trained on come last."""


@naming_misspelt
def evaluate_on(
    predictor: Predictor,
    data: Any,
    *,
    part: str | None = None,
    on_bad_file: str = "fail",
    on_note: Callable[[str], None] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> dict[str, dict[str, float]]:
    """The scores of `long_tail_scores` on other data of the same classes: raw, and with the fix of the run.

    Args:
        predictor: of the run.
        data: as `read_data` takes it. A note says which of several parts is scored, and whether the run was trained on
            them.
        part: "test", "validation" or "train"; by default the first of these that the data have.
        on_bad_file: "fail", or "skip" to leave out files that can't be decoded.
        on_note: called with each note on how the data were read, such as the files that are left out.
        progress: called with the name of the step and the completed share of it.
        **options: of `read_data`; columns that are not named are those that the run was trained by, if the data have
            them, which a note says.

    Returns:
        The scores by row, in [0, 1]: "raw", and another row where the fix moves decisions.

    Raises:
        ValueError: classes that the run does not have, data of another kind than it was trained on, or no such part.

    Example:
        >>> import tempfile
        >>> from longtail.auto import fit, load
        >>> y = np.repeat(["otter", "seal"], [60, 30])
        >>> X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
        >>> run = fit((X, y), out=tempfile.mkdtemp() + "/run", epochs=1, batch_size=16)
        >>> sorted(evaluate_on(load(run.path), (X, y))["raw"])[:2]
        ['balanced_accuracy', 'few']
    """
    check_keywords("evaluate_on", options, keywords_of(evaluate_on, read_data))
    wanted = PARTS if part is None else (_name_of(part),)
    given = {"classes": predictor.class_names, "require_train": False, "first_of": wanted}
    parts, columns = read_as_in_training(data, predictor.config, **{**given, **options})
    name, samples, notes = _part_to_score(parts, wanted)
    notes = [*columns, *notes]
    _refuse_other_kinds(samples, predictor)
    _target_of_the_run(samples, predictor.class_names)  # other classes are refused before files are decoded
    if name == "train" and _is_origin(data, predictor.info.origin):
        notes.append(f"The run was trained on samples of {data}: their scores say nothing about new samples.")
    if samples.feature_names is not None and predictor.info.feature_names is None:
        notes.append(note_on_order("`data`", samples.feature_names))
    samples = check_part(name, samples, notes, on_bad_file=on_bad_file, progress=progress)
    if on_note is not None:
        for note in notes:
            on_note(note)
    target = _target_of_the_run(samples, predictor.class_names)
    logits = _logits(samples, predictor, progress).numpy()
    scorer = Scorer(np.asarray(predictor.info.class_counts), GroupBounds.of(predictor.config))
    scores = {"raw": scorer(logits, target)}
    if predictor.fix is not None and predictor.fix.moves_decisions:
        scores[WITH_FIX] = scorer(np.asarray(predictor.fix.predict(logits)), target)
    return scores


def _name_of(part: str) -> str:
    check_choice("part", part, [*PART_NAMES])
    return PART_NAMES[part]


def _part_to_score(parts: Parts, wanted: Sequence[str]) -> tuple[str, Samples, list[str]]:
    """The name of the part, its samples, and the notes."""
    given = parts.given()
    name = next((name for name in wanted if name in given), None)
    if name is None:
        raise ValueError(f"`part` must be one of the parts of the data: {', '.join(given)}. Got {wanted[0]!r}.")
    others = [other for other in given if other != name]
    of_parts = [f"The part {name} is scored, not {' and '.join(others)}."] if others else []
    return name, given[name], [*parts.notes, *of_parts]


def _is_origin(data: Any, origin: str | None) -> bool:
    """Whether this is the path that the run was trained from."""
    return isinstance(data, (str, os.PathLike)) and str(Path(data).resolve()) == origin


def _target_of_the_run(samples: Samples, class_names: tuple[str, ...]) -> np.ndarray:
    """Labels as the run counts its classes, matched by name."""
    place = {name: index for index, name in enumerate(class_names)}
    found = [samples.class_names[label] for label in np.unique(samples.target)]
    unknown = [name for name in found if name not in place]
    if unknown:
        raise ValueError(
            f"`data` must hold classes of the run ({first(class_names)}). "
            f"Got {counted(len(unknown), 'other', 'others')}: {first(unknown)}. Leave out their "
            "samples, since the run can't predict them, or give them its names."
        )
    order = np.array([place.get(name, -1) for name in samples.class_names])
    return np.asarray(order[samples.target])


def _refuse_other_kinds(samples: Samples, predictor: Predictor) -> None:
    expects = "features" if len(predictor.info.input_shape) == 1 else "images"
    if (samples.kind == "features") != (expects == "features") or samples.kind == "labels":
        raise ValueError(f"`data` must hold {expects}, as the run was trained on. Got {samples.kind_in_words}.")


def _in_the_order_of_training(samples: Samples, predictor: Predictor) -> Any:
    """The features, columns matched by name where both have names."""
    assert samples.features is not None
    trained, given = predictor.info.feature_names, samples.feature_names
    if trained is None or given is None or trained == given:
        size = predictor.info.input_shape[0]
        if samples.features.shape[1] != size:
            raise ValueError(
                f"`data` must hold {counted(size, 'feature', 'features')} each, as the run was trained on. "
                f"Got {samples.features.shape[1]}."
            )
        return np.asarray(samples.features)
    return np.asarray(samples.features)[:, [given.index(key) for key in keys_of_features("`data`", given, trained)]]


def _logits(samples: Samples, predictor: Predictor, progress: Progress | None) -> Tensor:
    """Logits (N, C) of the network for samples of the kind that it was trained on."""
    if samples.features is not None:
        return predictor.logits(_in_the_order_of_training(samples, predictor), progress=progress)
    return predictor.logits(samples, progress=progress)
