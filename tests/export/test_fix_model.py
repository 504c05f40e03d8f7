import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export.cases import INVISIBLE, KINDS, NUM_CLASSES, fix_of, rounded_rows, scores_for
from longtail.export import export_fix_onnx
from longtail.repair import Fix

TOLERANCE = 1e-7  # probabilities are float32


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_classes", NUM_CLASSES)
def test_the_file_decides_as_the_fix_does(kind, num_classes, tmp_path):
    fix = fix_of(num_classes, kind)
    session = onnxruntime.InferenceSession(export_fix_onnx(fix, tmp_path / "fix.onnx"))
    for samples in (100, 1, 0):
        scores = scores_for(fix)[:samples].astype(np.float32)
        index, names, probabilities = session.run(["class", "class_name", "probabilities"], {"scores": scores})
        exact = scores.astype(np.float64)
        assert index.tolist() == fix.predict(exact).tolist()
        assert names.tolist() == [fix.class_names[place] for place in index]
        np.testing.assert_allclose(probabilities, fix.predict_proba(exact), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("how", [2, 3, torch.bfloat16], ids=str)
def test_rounded_rows_are_divided_by_their_sum_as_the_fix_does(how, tmp_path):
    fix = fix_of(8, "probabilities", floor=1e-3)
    session = onnxruntime.InferenceSession(export_fix_onnx(fix, tmp_path / "fix.onnx"))
    scores = rounded_rows(how, 8).astype(np.float32)
    index, probabilities = session.run(["class", "probabilities"], {"scores": scores})
    exact = scores.astype(np.float64)
    assert index.tolist() == [int(fix.predict(row)) for row in exact]
    expected = [fix.predict_proba(row) for row in exact]
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["offset", "cost"])
def test_masked_classes_are_never_decided(kind, tmp_path):
    fix = fix_of(4, kind)
    session = onnxruntime.InferenceSession(export_fix_onnx(fix, tmp_path / "fix.onnx"))
    scores = scores_for(fix).astype(np.float32)
    scores[:, 2], scores[::2, 0] = -np.inf, -np.inf
    index, probabilities = session.run(["class", "probabilities"], {"scores": scores})
    exact = scores.astype(np.float64)
    assert index.tolist() == fix.predict(exact).tolist()
    np.testing.assert_allclose(probabilities, fix.predict_proba(exact), rtol=0, atol=TOLERANCE)


def test_ties_and_large_logits(tmp_path):
    fix = fix_of(3, offset=np.zeros(3), temperature=1e-3)
    session = onnxruntime.InferenceSession(export_fix_onnx(fix, tmp_path / "fix.onnx"))
    scores = np.array([[0, 1, 1], [2, 2, 2], [1e30, -1e30, 1e30], [3e38, -3e38, 3e38]], np.float32)
    index, probabilities = session.run(["class", "probabilities"], {"scores": scores})
    assert index.tolist() == [1, 0, 0, 0]
    np.testing.assert_allclose(probabilities, fix.predict_proba(scores.astype(np.float64)), rtol=0, atol=TOLERANCE)


def test_class_names_and_fix_are_in_the_metadata(tmp_path):
    fix = fix_of(2, names=(INVISIBLE.strip("\x00"), "b"))
    model = onnx.load(export_fix_onnx(fix, tmp_path / "fix.onnx"))
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata["longtail.class_names"]) == list(fix.class_names)
    (tmp_path / "fix.json").write_text(metadata["longtail.fix"])
    assert (Fix.load(tmp_path / "fix.json").offset == fix.offset).all()


def test_a_name_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Class names must be valid Unicode"):
        export_fix_onnx(fix_of(2, names=("\ud800", "b")), tmp_path / "fix.onnx")
    assert not list(tmp_path.iterdir())
