"""A fix alone as an ONNX file, for any pipeline that has scores."""

import os
from pathlib import Path

from longtail.export.extra import of_the_extra
from longtail.export.fix_graph import GraphWriter, add_fix, add_labels, names_as_labels
from longtail.export.metadata import write_metadata
from longtail.export.source_text import check_finite
from longtail.repair import Fix
from longtail.whole_file import write_whole

OPSET = 17
IR_VERSION = 8  # that of opset 17, read by onnxruntime since 1.12


def export_fix_onnx(fix: Fix, path: str | os.PathLike[str]) -> Path:
    """Write a fix as ONNX.

    The file takes `scores`, float32 (N, C), logits or probabilities as the fix does, in the order of `fix.class_names`.
    It gives `class`, int64 (N,); `class_name`, strings (N,); and `probabilities`, float32 (N, C). It computes in
    float64. Class names and fix are in its metadata, as `longtail.class_names` and `longtail.fix`.

    Args:
        fix: what `longtail fix` found.
        path: of the file; replaced if it exists.

    Returns:
        The path.

    Raises:
        ModuleNotFoundError: onnx is missing.
        ValueError: numbers that are not finite, or a class name that is no valid Unicode.

    Example:
        >>> import numpy as np, onnxruntime, tempfile
        >>> even = np.array([0.5, 0.5])
        >>> fix = Fix(np.array([-1.0, 1.0]), 2.0, np.zeros(2), even, ("cat", "lynx"), "accuracy", "by hand")
        >>> path = export_fix_onnx(fix, Path(tempfile.mkdtemp()) / "fix.onnx")
        >>> session = onnxruntime.InferenceSession(path)
        >>> session.run(["class_name"], {"scores": np.array([[1, 0], [3, 0]], np.float32)})[0].tolist()
        ['lynx', 'cat']
    """
    check_finite(fix)
    onnx = of_the_extra("onnx")
    helper, kinds, classes = onnx.helper, onnx.TensorProto, len(fix.class_names)
    graph = helper.make_graph(
        [],
        "longtail_fix",
        [helper.make_tensor_value_info("scores", kinds.FLOAT, ["N", classes])],
        [
            helper.make_tensor_value_info("class", kinds.INT64, ["N"]),
            helper.make_tensor_value_info("class_name", kinds.STRING, ["N"]),
            helper.make_tensor_value_info("probabilities", kinds.FLOAT, ["N", classes]),
        ],
        doc_string=f"scores: {fix.takes}",
    )
    writer = GraphWriter(graph)
    fixed = add_fix(writer, fix, "scores", OPSET)
    writer.add("Identity", fixed.decision, output="class")
    add_labels(writer, names_as_labels(fix), fixed.decision, "class_name")
    writer.add("Cast", fixed.probabilities, output="probabilities", to=kinds.FLOAT)
    model = helper.make_model(
        graph, producer_name="longtail", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )
    write_metadata(model, fix.class_names, fix)
    onnx.checker.check_model(model, full_check=True)
    with write_whole(path) as file:
        file.write(model.SerializeToString())
    return Path(path)
