"""Any ONNX classifier with a fix added behind its scores; the file is compared with `Fix` before it is kept."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from longtail.export.class_matching import match_classes
from longtail.export.expected_outputs import expected_outputs, shortfall
from longtail.export.external_data import copied_data
from longtail.export.extra import of_the_extra
from longtail.export.fix_graph import opset_of
from longtail.export.fixed_graph import Written, append_fix
from longtail.export.metadata import FIX, read_metadata, write_metadata
from longtail.export.model_class_names import are_places, model_class_names
from longtail.export.onnx_trial import OnnxTrial
from longtail.export.own_decisions import own_decisions
from longtail.export.scores_output import find_scores
from longtail.export.source_text import check_finite
from longtail.repair import Fix
from longtail.whole_file import write_whole

if TYPE_CHECKING:
    from onnx import ModelProto

OLDEST_OPSET = 9
LARGEST_FILE = 2**31
TOLERANCE = {np.float16: 2e-3, np.float32: 1e-6, np.float64: 1e-12}
TIE = 1e-12


@dataclass(frozen=True)
class FixedModel:
    """The result of `export_fixed_onnx`: the file that was written, and the names of its outputs.

    Attributes:
        path: of the file.
        scores: the output that the fix was added to; it keeps its name, shape and type.
        decision: the output with class indices, int64 (N,).
        class_name: the output with class names, strings (N,).
        probabilities: the output with the probabilities of the fix, (N, C).
        notes: sentences on what was matched, replaced and left as it was.

    Example:
        >>> import tempfile
        >>> from onnx import parser, save
        >>> from onnxruntime import InferenceSession
        >>> path = Path(tempfile.mkdtemp()) / "net.onnx"
        >>> text = 'n (float[N, 2] x) => (float[N, 2] logits) { logits = Neg(x) }'
        >>> save(parser.parse_model('<ir_version: 8, opset_import: ["": 17]>' + text), path)
        >>> fix = Fix(np.array([-1.0, 1.0]), 2.0, np.zeros(2), np.ones(2) / 2, ("cat", "lynx"), "accuracy", "by hand")
        >>> found = export_fixed_onnx(path, fix, path.with_name("fixed.onnx"), assume_order=True)
        >>> InferenceSession(found.path).run([found.class_name], {"x": np.float32([[0, 2.5], [0, 1.5]])})
        [array(['cat', 'lynx'], dtype=object)]
    """

    path: Path
    scores: str
    decision: str
    class_name: str
    probabilities: str
    notes: tuple[str, ...]


def export_fixed_onnx(
    model: str | os.PathLike[str],
    fix: Fix,
    path: str | os.PathLike[str],
    *,
    output: str | None = None,
    assume_order: bool = False,
    inputs: Mapping[str, np.ndarray] | None = None,
) -> FixedModel:
    """Write an ONNX classifier, made by any tool, with a fix behind its logits or probabilities.

    The output of the logits keeps its name, shape and type. It becomes logits + offset, so that its largest value is
    the decision; for a decision by costs it stays as it is. An output of probabilities becomes those of the fix.
    New outputs are `class`, `class_name` and, for logits, `probabilities` (`fixed_…` where the model uses that name).
    An output that gave the model's own decision gives the fixed one. Class names and fix go into the metadata.

    Args:
        model: the file; its external data are copied if the new file is in another folder.
        fix: what `longtail fix` found, with the classes of the model, in any order.
        path: of the new file.
        output: the name of the output (N, C) with the logits or probabilities, if several are possible.
        assume_order: assume that classes are in the same order if the model or the fix does not name them.
        inputs: arrays by name, of at least 8 samples, to try both files on; random by default.

    Raises:
        ModuleNotFoundError: onnx or onnxruntime is missing.
        ValueError: the fix does not suit the model, the model can't be run, or the new file computes something else;
            no file is left then.

    Example:
        >>> import tempfile
        >>> folder, even = Path(tempfile.mkdtemp()), np.array([0.5, 0.5])
        >>> from onnx import parser, save
        >>> text = 'n (float[N, 2] x) => (float[N, 2] logits) { logits = Neg(x) }'
        >>> save(parser.parse_model('<ir_version: 8, opset_import: ["": 17]>' + text), folder / "net.onnx")
        >>> fix = Fix(np.array([-1.0, 1.0]), 2.0, np.zeros(2), even, ("cat", "lynx"), "accuracy", "by hand")
        >>> export_fixed_onnx(folder / "net.onnx", fix, folder / "fixed.onnx", assume_order=True).decision
        'class'
    """
    check_finite(fix)
    model, path = Path(model), Path(path)
    content, trial = _loaded(model), OnnxTrial(model)
    scores = find_scores(content, len(fix.class_names), fix.takes, output)
    fix, how = _matched(content, model, fix, assume_order)
    given = trial.made_up_inputs() if inputs is None else [dict(inputs)]
    before = [trial.run(one, _tensor_outputs(content)) for one in given]
    _check_scores(fix, [one[scores] for one in before], scores, model)
    labels = own_decisions(fix, scores, before)
    written = append_fix(content, fix, scores, labels, before[0])
    write_metadata(content, fix.class_names, fix)
    with copied_data(content, model, path), write_whole(path) as file:
        file.write(content.SerializeToString())
        file.flush()
        _check_file(Path(file.name))
        fixed = OnnxTrial(Path(file.name))
        for one, outputs in zip(given, before, strict=True):
            _compare(fixed.run(one, [*dict.fromkeys([scores, *written])]), fix, outputs[scores], scores, written)
    notes = (how, *_notes(fix, scores, labels, before[0]))
    return FixedModel(path, scores, written.decision, written.class_name, written.probabilities, notes)


def _loaded(path: Path) -> "ModelProto":
    onnx = of_the_extra("onnx")
    if not path.is_file():
        raise FileNotFoundError(f"`model` must be an ONNX file. Got {path}, which is missing or a folder.")
    if path.stat().st_size >= LARGEST_FILE:
        raise ValueError(
            f"`model` must be an ONNX file, which is below 2 GiB. Got {path}; keep larger weights as external data."
        )
    try:
        model: ModelProto = onnx.load(path, load_external_data=False)
    except Exception as error:  # the class of protobuf's error depends on its version
        raise ValueError(f"`model` must be an ONNX file. Got {path}, which can't be read as one.") from error
    if FIX in read_metadata(model):
        raise ValueError(f"`model` must have no fix yet. {path} has one ({FIX} in its metadata); use the original.")
    if opset_of(model) < OLDEST_OPSET:
        raise ValueError(
            f"`model` must be of opset {OLDEST_OPSET} or newer. {path} is of {opset_of(model)}; convert it with "
            "onnx.version_converter."
        )
    return model


def _matched(content: "ModelProto", model: Path, fix: Fix, assume_order: bool) -> tuple[Fix, str]:
    classes = len(fix.class_names)
    names, where = model_class_names(content, model, classes) or (None, "")
    classes = classes if names is None else len(names)
    fix, how = match_classes(fix, classes, names, model.name, assume_order=assume_order)
    return fix, how if names is None or are_places(names) else f"{how} (from {where})"


def _tensor_outputs(content: "ModelProto") -> list[str]:
    return [value.name for value in content.graph.output if value.type.WhichOneof("value") == "tensor_type"]


def _check_scores(fix: Fix, scores: Sequence[np.ndarray], output: str, model: Path) -> None:
    for part in scores:
        if part.ndim != 2 or part.shape[1] != len(fix.class_names):
            raise ValueError(f"The output {output!r} must be (N, {len(fix.class_names)}). It is {part.shape}.")
    try:
        fix.predict(np.concatenate(scores).astype(np.float64))
    except ValueError as error:
        raise ValueError(f"The output {output!r} of {model.name} must hold {fix.takes}. {error}") from None


def _check_file(path: Path) -> None:
    onnx = of_the_extra("onnx")
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise ValueError(f"The new file must pass onnx.checker, as the model itself must. It says: {error}") from error


def _compare(got: Mapping[str, np.ndarray], fix: Fix, own: np.ndarray, scores: str, written: Written) -> None:
    """Raise unless the new file gives the outputs of the fix for the model's own scores."""
    given = own.astype(np.float64)
    tolerance = TOLERANCE[own.dtype.type]
    probabilities, preferred = expected_outputs(fix, given)
    behind = shortfall(preferred, got[written.decision])
    names = [fix.class_names[index] for index in got[written.decision]]
    same = {
        written.decision: (behind <= TIE * (1 + np.abs(preferred).max(1))).all(),
        written.class_name: list(got[written.class_name]) == names,
        written.probabilities: np.allclose(got[written.probabilities], probabilities, rtol=0, atol=tolerance),
    }
    if fix.takes == "logits":
        expected = given if fix.cost is not None else fix(given)
        same[scores] = np.allclose(got[scores], expected, rtol=tolerance, atol=tolerance)
    for output, agrees in same.items():
        if not agrees:
            raise ValueError(f"The new file must compute what the fix does. Its output {output!r} does not.")


def _notes(fix: Fix, scores: str, labels: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]) -> list[str]:
    now = "the probabilities of the fix" if fix.takes == "probabilities" else "logits + offset"
    notes = [f"{scores}: {now}" if fix.cost is None or fix.takes == "probabilities" else f"{scores}: as it was"]
    notes += [f"{name}: the fixed decision, in place of the model's own" for name in labels]
    kept = [name for name in outputs if name != scores and name not in labels]
    return [*notes, *(f"{name}: as it was, without the fix" for name in kept)]
