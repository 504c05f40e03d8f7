"""The README of an exported model: what it is, how to load it, what it was trained on, and how good it is."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from longtail.data import DataInfo
from longtail.data.counted import counted
from longtail.export.run_model import RunModel
from longtail.export.source_text import visible
from longtail.metrics.groups import GroupBounds
from longtail.models import describe_classifier
from longtail.repair import Fix
from longtail.training.evaluation import Scorer

SETTINGS = (
    "dataset", "imbalance", "second_stage", "stage", "model", "pretrained", "loss", "loss_arguments", "sampler",
    "mixing", "reweight_from", "contrastive", "contrastive_loss", "sam_radius", "augmentations", "augment", "epochs",
    "batch_size", "learning_rate", "weight_decay", "seed",
)  # fmt: skip
OF_THE_FIRST_STAGE = (
    "loss",
    "mixing",
    "reweight_from",
    "contrastive",
    "contrastive_loss",
    "sam_radius",
    "epochs",
    "seed",
)
NONE_IF_ZERO = ("reweight_from", "contrastive", "sam_radius")
FILES = ("val", "test", "groups")
SCORES = {
    "top1": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "many": "many",
    "medium": "medium",
    "few": "few",
    "macro_f1": "macro-F1",
}
TIMM = """import timm
model = timm.create_model("local-dir:.", pretrained=True).eval()  # "." is the folder of this file
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
"""
OWN = """from longtail.export import load_model
model = load_model(".")  # "." is the folder of this file
class_names = model.class_names
"""


def model_card(model: RunModel, *, timm: bool) -> str:
    """The text of README.md.

    Args:
        model: of a run with `data.json`.
        timm: whether timm can load the model.
    """
    info = model.info
    assert info is not None
    parts = [
        _front_matter(info, timm),
        f"# {_name(model)}\n\n{_summary(model, info)}",
        f"## Loading\n\n```python\n{TIMM if timm else OWN}```\n\n{_input(info, timm)}",
        f"## Fix\n\n{_about_the_fix(model)}",
        f"## Scores\n\n{_scores(model, info)}",
        f"## Training\n\n{_training(model, info)}",
        f"## Classes\n\n{_classes(model, info)}",
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _front_matter(info: DataInfo, timm: bool) -> str:
    """YAML for the Hugging Face Hub."""
    task = "image-classification" if len(info.input_shape) == 3 else "tabular-classification"
    return f"---\nlibrary_name: {'timm' if timm else 'longtail'}\npipeline_tag: {task}\n---"


def _name(model: RunModel) -> str:
    return _cell(model.folder.path.resolve().name)


def _summary(model: RunModel, info: DataInfo) -> str:
    of_features = len(info.input_shape) == 1
    classifier = describe_classifier(model.network.classifier)["classifier"]
    name = f"A {classifier} classifier" if of_features else f"`{model.config.model}`"
    what = f"samples of {counted(info.input_shape[0], 'feature', 'features')}" if of_features else "images"
    return (
        f"{name} for {len(info.class_names)} classes, trained on {sum(info.class_counts):,} {what} with longtail "
        f"{model.folder.header['versions'].get('longtail', '')}. Exported from a run folder; `config.json` holds the "
        "class names and the preprocessing."
    )


def _input(info: DataInfo, timm: bool) -> str:
    if len(info.input_shape) == 1:
        return f"The model takes features (N, {info.input_shape[0]}), float32, as they are in the training data."
    channels, height, width = info.input_shape
    shorter = round(height / info.crop_pct)
    resizing = f"the shorter side brought to {shorter} pixels ({info.interpolation}), centre crop {height} × {width}"
    steps = f"{resizing}, scaled to [0, 1], minus mean {list(info.mean)}, divided by std {list(info.std)}"
    last = (
        " `transform(image)[None]` does so for an image of Pillow. longtail's own resizing differs a little (large "
        "images are first reduced by whole factors, sides are rounded), which changes few decisions."
        if timm
        else ""
    )
    return f"The model takes images (N, {channels}, {height}, {width}): {steps}.{last}"


def _about_the_fix(model: RunModel) -> str:
    fix = model.fix
    if fix is None:
        return "The outputs are the logits of the network as it was trained. No fix is applied."
    found = f"metric: {visible(fix.metric)}; {visible(fix.method)}"
    verdict = fix.evidence.get("verdict")
    found += "" if verdict is None else f"; verdict: {visible(str(verdict))}"
    if fix.temperature == 1 and not np.any(fix.offset) and not np.any(fix.probability_offset):
        return f"The fix ({found}) changes nothing: the outputs are the logits of the network as it was trained."
    probabilities = (
        f"Their softmax is {'' if fix.is_calibrated else 'not '}calibrated under the class prior of the fix."
        if _softmax_is_that_of_the_fix(fix)
        else "Their softmax is not calibrated: the probabilities of the fix have an offset of their own; an ONNX file "
        "written with `--probabilities` gives them."
    )
    return (
        f"The classifier holds a fix ({found}): the outputs are "
        f"(logits + offset) / {fix.temperature:.6g}, and the largest is the decision. {probabilities} "
        "Don't apply the fix a second time. The offsets are in the table of classes."
    )


def _softmax_is_that_of_the_fix(fix: Fix) -> bool:
    difference = fix.probability_offset - fix.offset / fix.temperature
    return bool(np.ptp(difference) < 1e-6)


def _scores(model: RunModel, info: DataInfo) -> str:
    if not len(_kept(model)[1]):
        return "The run has no test samples."
    config = model.config
    bounds = f"many: more than {config.many_above} training samples, few: fewer than {config.few_below}"
    rows = _scored(model, info)
    table = _table(
        ["test set, %", *SCORES.values()],
        [[name, *(_percent(scores.get(key)) for key in SCORES)] for name, scores in rows.items()],
    )
    return f"{table}\n\nMany, medium and few are mean recalls of classes ({bounds})."


def _scored(model: RunModel, info: DataInfo) -> dict[str, Mapping[str, float | None]]:
    """The scores of the logits that the run kept, without and with the fix."""
    scorer = Scorer(np.asarray(info.class_counts), GroupBounds.of(model.config))
    logits, target = _kept(model)
    rows: dict[str, Mapping[str, float | None]] = {"the network alone": scorer(logits, target)}
    if model.fix is not None:
        rows["with the fix (this model)"] = scorer(_decided(model.fix, logits), target)
    return rows


def _kept(model: RunModel) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels of the test set, as the run kept them."""
    try:
        return model.folder.load_predictions("test")
    except FileNotFoundError:
        return np.zeros((0, model.num_classes), np.float32), np.zeros(0, np.int64)


def _decided(fix: Fix, logits: np.ndarray) -> np.ndarray:
    """Indices (N,) of the classes that the fix decides."""
    return np.asarray((logits.astype(np.float64) + fix.offset).argmax(1))


def _training(model: RunModel, info: DataInfo) -> str:
    header = model.folder.header
    config = header["config"]
    if len(info.input_shape) == 1:  # no backbone is used
        config = config | {"model": None, "pretrained": None}
    settings = _chosen(config, SETTINGS)
    first = (model.folder.result or {}).get("first_stage", {}).get("config", {})
    settings |= {f"first stage: {name}": value for name, value in _chosen(first, OF_THE_FIRST_STAGE).items()}
    if header["config"].get("weights"):
        settings["weights"] = Path(header["config"]["weights"]).name
    data = [
        *([f"data: {Path(info.origin).name}"] if info.origin else []),
        *([f"fingerprint of the data: {info.fingerprint}"] if info.fingerprint else []),
        *(_without_folders(note, [info.origin, *map(header["config"].get, FILES)]) for note in info.notes),
        ", ".join(f"{name} {version}" for name, version in header["versions"].items()),
    ]
    rows = [[name, ", ".join(map(str, v)) if isinstance(v, (list, tuple)) else str(v)] for name, v in settings.items()]
    return _table(["setting", "value"], rows) + "\n\n" + "\n".join(f"- {_cell(line)}" for line in data)


def _chosen(config: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The settings of these names, without those that are left out or off."""
    values = {name: config.get(name) for name in names if name != "contrastive_loss" or config.get("contrastive")}
    return {
        name: value
        for name, value in values.items()
        if value not in (None, [], "") and (value or name not in NONE_IF_ZERO)
    }


def _without_folders(note: str, paths: Iterable[str | None]) -> str:
    """The note with files named as on the command line: folders of this machine tell others nothing."""
    for path in filter(None, paths):
        note = note.replace(str(path), Path(path).name)
    return note


def _classes(model: RunModel, info: DataInfo) -> str:
    logits, target = _kept(model)
    decided = logits.argmax(1) if model.fix is None else _decided(model.fix, logits)
    rows: list[list[str]] = []
    for index, (name, count) in enumerate(zip(info.class_names, info.class_counts, strict=True)):
        own = target == index
        recall = _percent(float((decided[own] == index).mean()) if own.any() else None)
        offset = [] if model.fix is None else [f"{model.fix.offset[index]:.4f}"]
        rows.append([str(index), name, f"{count:,}", f"{int(own.sum()):,}", recall, *offset])
    heading = ["index", "class", "training samples", "test samples", "recall, %"]
    return _table([*heading, *([] if model.fix is None else ["offset"])], rows)


def _percent(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else f"{100 * value:.1f}"


def _table(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    shown = visible(str(text))
    return re.sub(r"[\\`*\[\]<>|&~$]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", shown)  # fish_01 needs no escape
