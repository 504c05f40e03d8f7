"""Next steps after a diagnosis."""

import json
import shlex
from pathlib import Path

import numpy as np

from longtail.repair import Diagnosis

Step = tuple[str, str]
"""A sentence, and code or a command, which may be empty."""
MOST_CLASSES = 5
WATCHED = "new.csv"


def next_steps(found: Diagnosis, file: Path) -> list[Step]:
    """Sentences with code to copy. Class names are only in sentences, never in code.

    Args:
        found: a diagnosis.
        file: path of its fix.
    """
    path = file.absolute()
    if found.verdict == "use":
        return _serve(found, path)
    return [*_nothing_to_serve(found, path), *_more_samples(found)]


def _serve(found: Diagnosis, path: Path) -> list[Step]:
    quoted = shlex.quote(str(path))
    return [
        (f"Apply the fix in Python; it takes {found.fix.takes}:", _python(found, path, "predict")),
        ("Append it to an ONNX classifier:", f"longtail export model.onnx --fix {quoted} --onnx fixed.onnx"),
        ("Print it as SQL; --to takes other languages, too:", f"longtail export {quoted} --to sql"),
        ("Evaluate it later on new labelled predictions:", f"longtail evaluate {WATCHED} --fix {quoted}"),
    ]


def _nothing_to_serve(found: Diagnosis, path: Path) -> list[Step]:
    if not found.calibration.helps:
        return [("There is no correction to apply: predictions and probabilities do not change.", "")]
    gives = "calibrated probabilities" if found.calibration.lowers_top_label else "probabilities with a temperature"
    sentence = f"Predictions do not change. The fix gives {gives}; it takes {found.fix.takes}:"
    return [(sentence, _python(found, path, "predict_proba"))]


def _more_samples(found: Diagnosis) -> list[Step]:
    samples = found.by_class.samples
    rarest = np.argsort(samples, kind="stable")[:MOST_CLASSES]
    names = ", ".join(f"{found.fix.class_names[label]} ({samples[label]:,})" for label in rarest)
    if found.verdict == "too few":
        return [
            (
                f"Collect more labelled samples and run longtail fix again. Classes with the fewest samples: {names}.",
                "",
            )
        ]
    worst = ", ".join(f"{name} ({100 * recall:.0f} %)" for name, recall, *_ in found.worst if recall < 1)
    if not worst:
        return []
    return [(f"More training data may help the classes with the lowest recall: {worst}.", "")]


def _python(found: Diagnosis, path: Path, method: str) -> str:
    return "\n".join(
        [
            "from longtail.repair import Fix",
            f"fix = Fix.load({json.dumps(str(path), ensure_ascii=False)})",
            f"fix.{method}({found.fix.takes})",
        ]
    )
