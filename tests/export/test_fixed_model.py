import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, parser

from export.cases import fix_of
from export.onnx_models import FEATURES, classifier
from longtail.export import export_fixed_onnx, fixed_graph, match_classes
from longtail.export.fix_graph import add_fix
from longtail.export.fixed_model import TOLERANCE
from longtail.repair import Fix

NAMES = ("cat", "lynx", "puma", "tiger")


def run(path, samples=50, dtype=np.float32, **inputs):
    inputs = inputs or {"x": np.random.default_rng(1).normal(size=(samples, FEATURES)).astype(dtype)}
    session = onnxruntime.InferenceSession(path)
    return dict(zip([one.name for one in session.get_outputs()], session.run(None, inputs), strict=True))


def computes_another_fix(monkeypatch, other):
    monkeypatch.setattr(fixed_graph, "add_fix", lambda writer, _, *rest: add_fix(writer, other, *rest))


def metadata_of(path):
    return {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}


@pytest.mark.parametrize("opset", [9, 13, 17, 18, 21])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("kind", ["offset", "cost", "probabilities"])
def test_the_model_then_decides_as_the_fix_does(kind, dtype, opset, tmp_path):
    if opset == 9 and dtype != np.float32:
        opset = 13  # onnxruntime has no older MatMul and ArgMax of other types
    fix = fix_of(4, kind, names=NAMES)
    model = classifier(tmp_path / "m.onnx", 4, probabilities=kind == "probabilities", dtype=dtype, opset=opset)
    written = export_fixed_onnx(model, fix, tmp_path / "fixed.onnx", assume_order=True)
    for samples in (50, 1):
        before, after = run(model, samples, dtype), run(written.path, samples, dtype)
        own = before[written.scores].astype(np.float64)
        agree = after["class"] == fix.predict(own)
        assert agree.all() if dtype != np.float16 else agree.mean() > 0.95  # onnxruntime optimises float16 differently
        assert after["class_name"].tolist() == [NAMES[index] for index in after["class"]]
        tolerance = TOLERANCE[dtype]
        np.testing.assert_allclose(after[written.probabilities], fix.predict_proba(own), rtol=0, atol=tolerance)
        assert after[written.scores].dtype == dtype
        if kind == "offset":
            np.testing.assert_allclose(after["logits"], fix(own), rtol=2 * tolerance, atol=2 * tolerance)
        elif kind == "cost":
            np.testing.assert_array_equal(after["logits"], before["logits"])
        else:
            assert written.probabilities == written.scores == "scores"


@pytest.mark.parametrize("label", [NAMES, (0, 1, 2, 3)])
def test_the_model_s_own_decision_becomes_the_fixed_one(label, tmp_path):
    model = classifier(tmp_path / "m.onnx", 4, label=label, longtail__class_names=json.dumps(NAMES))
    fix = fix_of(4, names=NAMES)
    written = export_fixed_onnx(model, fix, tmp_path / "fixed.onnx")
    assert "label: the fixed decision, in place of the model's own" in written.notes
    before, after = run(model), run(written.path)
    assert after["label"].tolist() == [label[index] for index in fix.predict(before["logits"].astype(np.float64))]
    assert after["label"].tolist() != before["label"].tolist()


def test_an_output_that_is_no_decision_stays(tmp_path):
    text = """<ir_version: 8, opset_import: ["": 17]>
    n (float[N, 4] x) => (float[N, 4] logits, int64[N] other, float[N] class) {
        logits = Neg(x)
        other = ArgMax<axis=1, keepdims=0>(x)
        class = ReduceMax<axes=[1], keepdims=0>(logits)
    }"""
    onnx.save(parser.parse_model(text), tmp_path / "m.onnx")
    fix = fix_of(4, names=NAMES)
    written = export_fixed_onnx(tmp_path / "m.onnx", fix, tmp_path / "fixed.onnx", assume_order=True)
    assert "other: as it was, without the fix" in written.notes
    assert written.decision == "fixed_class"
    x = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    after = run(written.path, x=x)
    assert after["other"].tolist() == x.argmax(1).tolist()
    np.testing.assert_array_equal(after["class"], -x.min(1))
    assert after["fixed_class"].tolist() == fix.predict(-x.astype(np.float64)).tolist()


CONVENTIONS = {
    "longtail": {"longtail__class_names": json.dumps(NAMES)},
    "ultralytics": {"names": str(dict(enumerate(NAMES)))},
    "hugging face": {"id2label": json.dumps(dict(enumerate(NAMES)))},
}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_classes_are_matched_by_name(convention, tmp_path):
    model = classifier(tmp_path / "m.onnx", 4, **CONVENTIONS[convention])
    _check_matched_by_name(model, tmp_path)


def test_costs_of_the_metric_are_reordered_with_the_classes():
    fix = fix_of(4, names=NAMES, metric_cost=np.arange(16.0).reshape(4, 4))
    matched, _ = match_classes(fix, 4, NAMES[::-1], "m.onnx")
    np.testing.assert_array_equal(matched.metric_cost, fix.metric_cost[::-1, ::-1])


def test_names_in_a_configuration_beside_the_model(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"id2label": dict(enumerate(NAMES))}))
    _check_matched_by_name(classifier(tmp_path / "m.onnx", 4), tmp_path)


def test_names_in_a_model_of_scikit_learn(tmp_path):
    rng = np.random.default_rng(0)
    node = helper.make_node(
        "LinearClassifier",
        ["x"],
        ["label", "logits"],
        domain="ai.onnx.ml",
        coefficients=rng.normal(size=4 * FEATURES).tolist(),
        intercepts=[0.0] * 4,
        classlabels_strings=list(NAMES),
        post_transform="NONE",
    )
    info = helper.make_tensor_value_info
    inputs = [info("x", TensorProto.FLOAT, [None, FEATURES])]
    outputs = [info("label", TensorProto.STRING, [None]), info("logits", TensorProto.FLOAT, [None, 4])]
    opsets = [helper.make_opsetid("ai.onnx.ml", 1), helper.make_opsetid("", 17)]
    graph = helper.make_graph([node], "g", inputs, outputs)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opsets), tmp_path / "m.onnx")
    _check_matched_by_name(tmp_path / "m.onnx", tmp_path)


def _check_matched_by_name(model, folder):
    fix = fix_of(4, "cost", names=NAMES[::-1])
    written = export_fixed_onnx(model, fix, folder / "fixed.onnx")
    assert written.notes[0].startswith("classes matched by name, in the order of m.onnx: cat, lynx, puma, tiger (from")
    own, after = run(model)["logits"], run(written.path)
    assert after["class_name"].tolist() == [NAMES[::-1][index] for index in fix.predict(own[:, ::-1])]
    expected = fix.predict_proba(own[:, ::-1].astype(np.float64))[:, ::-1]
    np.testing.assert_allclose(after["probabilities"], expected, rtol=0, atol=1e-6)
    metadata = metadata_of(written.path)
    assert json.loads(metadata["longtail.class_names"]) == list(NAMES)
    (folder / "stored.json").write_text(metadata["longtail.fix"])
    stored = Fix.load(folder / "stored.json", class_names=NAMES)
    np.testing.assert_array_equal(stored.predict(own), after["class"])
    with pytest.raises(ValueError, match="must have the classes of m.onnx. It has dog, which the model lacks"):
        export_fixed_onnx(model, fix_of(4, names=("dog", *NAMES[1:])), folder / "no.onnx", assume_order=True)


def test_nothing_is_matched_by_place_unless_it_was_asked_for(tmp_path):
    unnamed = classifier(tmp_path / "m.onnx", 4)
    with pytest.raises(ValueError, match="m.onnx names no classes.*cat, lynx, puma, tiger, say so with --assume-order"):
        export_fixed_onnx(unnamed, fix_of(4, names=NAMES), tmp_path / "fixed.onnx")
    named = classifier(tmp_path / "n.onnx", 4, names=str(dict(enumerate(NAMES))))
    numbered = fix_of(4, names=tuple("0123"))
    with pytest.raises(ValueError, match="the fix names no classes.*--assume-order"):
        export_fixed_onnx(named, numbered, tmp_path / "fixed.onnx")
    written = export_fixed_onnx(named, numbered, tmp_path / "fixed.onnx", assume_order=True)
    assert set(run(written.path)["class_name"]) <= set(NAMES)
    placeholders = classifier(tmp_path / "p.onnx", 4, id2label=json.dumps({i: f"LABEL_{i}" for i in range(4)}))
    note = export_fixed_onnx(placeholders, numbered, tmp_path / "q.onnx").notes[0]
    assert note == "neither p.onnx nor the fix names its 4 classes: matched by place"
    digits = classifier(tmp_path / "d.onnx", 4, longtail__class_names=json.dumps(list("0123")))
    with pytest.raises(ValueError, match="d.onnx names no classes"):
        export_fixed_onnx(digits, fix_of(4, names=NAMES), tmp_path / "r.onnx")


def test_data_in_other_files_are_kept(tmp_path, monkeypatch):
    model = onnx.load(classifier(tmp_path / "plain.onnx", 4))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    fix = fix_of(4, names=NAMES)
    here = export_fixed_onnx(tmp_path / "m.onnx", fix, tmp_path / "fixed.onnx", assume_order=True).path
    (tmp_path / "deep").mkdir()
    there = export_fixed_onnx(tmp_path / "m.onnx", fix, tmp_path / "deep" / "fixed.onnx", assume_order=True).path
    assert {path.name for path in there.parent.iterdir()} == {"fixed.onnx", "m.data"}
    assert run(here)["class"].tolist() == run(there)["class"].tolist()
    there.unlink()
    with pytest.raises(FileExistsError, match="which must not exist yet"):
        export_fixed_onnx(tmp_path / "m.onnx", fix, there, assume_order=True)
    (there.parent / "m.data").unlink()
    computes_another_fix(monkeypatch, fix_of(4, names=NAMES, offset=np.zeros(4)))
    with pytest.raises(ValueError, match="must compute what the fix does"):
        export_fixed_onnx(tmp_path / "m.onnx", fix, there, assume_order=True)
    assert not list(there.parent.iterdir())


@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch_stays_fixed(batch, tmp_path):
    model = classifier(tmp_path / "m.onnx", 4, batch=batch)
    written = export_fixed_onnx(model, fix_of(4, names=NAMES), tmp_path / "fixed.onnx", assume_order=True)
    shapes = {one.name: one.shape for one in onnxruntime.InferenceSession(written.path).get_outputs()}
    assert shapes == {"logits": [batch, 4], "class": [batch], "class_name": [batch], "probabilities": [batch, 4]}


def test_scores_that_a_branch_uses_too(tmp_path):
    text = """<ir_version: 8, opset_import: ["": 17]>
    n (float[N, 4] x, bool c) => (float[N, 4] logits, float[N, 4] twice) {
        logits = Neg(x)
        twice = If (c) <then_branch = t () => (float[N, 4] y) { y = Add(logits, logits) },
                        else_branch = e () => (float[N, 4] y) { y = Identity(logits) }>
    }"""
    onnx.save(parser.parse_model(text), tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=r"Several outputs could hold the logits: .*twice.*Name one with --output"):
        export_fixed_onnx(tmp_path / "m.onnx", fix_of(4, names=NAMES), tmp_path / "f.onnx", assume_order=True)
    written = export_fixed_onnx(
        tmp_path / "m.onnx", fix_of(4, names=NAMES), tmp_path / "f.onnx", assume_order=True, output="logits"
    )
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_array_equal(run(written.path, x=x, c=np.array(True))["twice"], -2 * x)


def test_a_model_is_tried_on_given_inputs(tmp_path):
    text = """<ir_version: 8, opset_import: ["": 17]> n (float[N, 4] x, int64[N, 1] k) => (float[N, 4] logits) {
        deep = GatherElements<axis=1>(x, k)
        logits = Add(x, deep)
    }"""
    strict = text.replace("GatherElements<axis=1>(x, k)", "MatMul(x, k)").replace("[N, 4] x, int64", "[N, 4] x, uint64")
    for name, content in (("m", text), ("bad", strict)):
        onnx.save(parser.parse_model(content), tmp_path / f"{name}.onnx")
    fix = fix_of(4, names=NAMES)
    inputs = {"x": np.eye(4, dtype=np.float32).repeat(3, 0), "k": np.full((12, 1), 3)}
    written = export_fixed_onnx(tmp_path / "m.onnx", fix, tmp_path / "f.onnx", assume_order=True, inputs=inputs)
    assert run(written.path, **inputs)["class"].tolist() == fix.predict(inputs["x"] + inputs["x"][:, [3]]).tolist()
    with pytest.raises(ValueError, match=r"must run on the inputs that it is tried on \(x: float32 \(12, 4\)\)"):
        export_fixed_onnx(tmp_path / "m.onnx", fix, tmp_path / "g.onnx", assume_order=True, inputs={"x": inputs["x"]})
    with pytest.raises(ValueError, match="onnxruntime must be able to read"):
        export_fixed_onnx(tmp_path / "bad.onnx", fix, tmp_path / "g.onnx", assume_order=True)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("probabilities", {}, "The output 'logits' of m.onnx must hold probabilities"),
        ("offset", {"probabilities": True}, "The output 'scores' of m.onnx must hold logits.*sum to 1"),
        ("offset", {"num_classes": 5}, r"must have an output of logits \(N, 4\).*It has logits \(float N × 5\)"),
    ],
)
def test_scores_that_the_fix_does_not_take_are_refused(kind, options, message, tmp_path):
    model = classifier(tmp_path / "m.onnx", **{"num_classes": 4, **options})
    with pytest.raises(ValueError, match=message):
        export_fixed_onnx(model, fix_of(4, kind, names=NAMES), tmp_path / "fixed.onnx", assume_order=True)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_what_can_not_be_fixed_is_refused(tmp_path):
    fix = fix_of(4, names=NAMES)
    model = classifier(tmp_path / "m.onnx", 4)
    once = export_fixed_onnx(model, fix, tmp_path / "once.onnx", assume_order=True).path
    with pytest.raises(ValueError, match="must have no fix yet"):
        export_fixed_onnx(once, fix, tmp_path / "twice.onnx")
    with pytest.raises(ValueError, match=r"`output` must be an output of the model. Got 'z'; it has logits"):
        export_fixed_onnx(model, fix, tmp_path / "f.onnx", output="z")
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(ValueError, match="can't be read as one"):
        export_fixed_onnx(tmp_path / "text.onnx", fix, tmp_path / "f.onnx")
    with pytest.raises(FileNotFoundError, match="is missing or a folder"):
        export_fixed_onnx(tmp_path, fix, tmp_path / "f.onnx")
    old = classifier(tmp_path / "old.onnx", 4, opset=8)
    with pytest.raises(ValueError, match="must be of opset 9 or newer"):
        export_fixed_onnx(old, fix, tmp_path / "f.onnx")
    one = classifier(tmp_path / "one.onnx", 1)
    with pytest.raises(ValueError, match=r"for a sigmoid output z the logits \(0, z\)"):
        export_fixed_onnx(one, fix_of(2, names=NAMES[:2]), tmp_path / "f.onnx")


def test_a_sequence_of_maps_is_named_with_the_way_out(tmp_path):
    text = """<ir_version: 8, opset_import: ["": 17, "ai.onnx.ml": 1]>
    n (float[N, 4] x) => (seq(map(int64, float)) maps) {
        maps = ai.onnx.ml.ZipMap<classlabels_int64s = [0, 1, 2, 3]>(x)
    }"""
    onnx.save(parser.parse_model(text), tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=r"It has maps \(sequence\).*options={'zipmap': False}"):
        export_fixed_onnx(tmp_path / "m.onnx", fix_of(4, names=NAMES), tmp_path / "f.onnx")


def test_a_new_file_that_computes_something_else_is_not_kept(tmp_path, monkeypatch):
    model = classifier(tmp_path / "m.onnx", 4)
    fix = fix_of(4, names=NAMES)
    computes_another_fix(monkeypatch, fix_of(4, names=NAMES, offset=np.zeros(4)))
    with pytest.raises(ValueError, match="Its output 'class' does not"):
        export_fixed_onnx(model, fix, tmp_path / "f.onnx", assume_order=True)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    model = classifier(tmp_path / "m.onnx", 4)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModuleNotFoundError, match="install longtail with its extra `export`"):
        export_fixed_onnx(model, fix_of(4, names=NAMES), tmp_path / "f.onnx")


@pytest.mark.parametrize("text", ["[", "5", '"cat"', "[1, 2, 3, 4]", "[" * 100_000])
def test_class_names_in_the_metadata_that_are_no_list_of_names_are_refused(tmp_path, text):
    path = classifier(tmp_path / "net.onnx", 4)
    model = onnx.load(path)
    model.metadata_props.add(key="longtail.class_names", value=text)
    onnx.save(model, path)
    with pytest.raises(ValueError, match="The metadata longtail.class_names must be a list of names, as JSON. Got"):
        export_fixed_onnx(path, fix_of(4, names=NAMES), tmp_path / "fixed.onnx")
    assert not (tmp_path / "fixed.onnx").exists()
