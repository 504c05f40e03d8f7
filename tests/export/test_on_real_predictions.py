"""A published model of skin lesions: a fix from one half of its predictions serves the other half."""

import numpy as np
import onnxruntime
import pytest

from export.test_fix_code import SERVED
from longtail.export import export_fix_onnx
from longtail.metrics import balanced_accuracy
from longtail.repair import Fix, diagnose

NAMES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


@pytest.fixture(scope="module")
def halves(real_data):
    content = np.load(real_data / "predictions/derma_resnet18.npz")
    probabilities, target = content["probabilities"], content["target"]
    first = np.random.default_rng(0).permutation(len(target)) < len(target) // 2
    return (probabilities[first], target[first]), (probabilities[~first], target[~first])


@pytest.fixture(scope="module")
def fix(halves, tmp_path_factory):
    scores, target = halves[0]
    found = diagnose(scores, target, class_names=NAMES, kind="probabilities")
    return Fix.load(found.fix.save(tmp_path_factory.mktemp("fix") / "fix.json"))


@pytest.mark.parametrize("to", sorted(SERVED))
@pytest.mark.slow
def test_each_language_serves_the_other_half(halves, fix, to, tmp_path):
    scores, target = halves[1]
    decided, probabilities = SERVED[to](fix, scores, tmp_path)
    places = np.array([NAMES.index(name) for name in decided])
    assert (places == fix.predict(scores)).all()
    np.testing.assert_allclose(probabilities, fix.predict_proba(scores), rtol=0, atol=1e-12)
    assert balanced_accuracy(places, target, 7) > balanced_accuracy(scores.argmax(1), target, 7) + 0.1


@pytest.mark.slow
def test_onnx_serves_the_other_half(halves, fix, tmp_path):
    scores = halves[1][0].astype(np.float32)
    session = onnxruntime.InferenceSession(export_fix_onnx(fix, tmp_path / "fix.onnx"))
    decided, probabilities = session.run(["class", "probabilities"], {"scores": scores})
    exact = scores.astype(np.float64)
    assert (decided == fix.predict(exact)).all()
    np.testing.assert_allclose(probabilities, fix.predict_proba(exact), rtol=0, atol=1e-7)
