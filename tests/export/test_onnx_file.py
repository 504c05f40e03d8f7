import dataclasses
import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from longtail.cli import main
from longtail.data import ResidentImages, load_splits
from longtail.export import ExampleInput, FeatureInput, ImageInput, export_onnx
from longtail.models import CifarResNet, Network
from longtail.models.cosine import CosineClassifier
from longtail.recipes import digits_lt
from longtail.repair import Fix
from longtail.training import run_experiment, trained_network


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = digits_lt(epochs=5, loss="ce", threads=1, device="cpu")
    return run_experiment(config, data=None, out=tmp_path_factory.mktemp("runs") / "ce")


def fix_of(num_classes, **changes):
    rng = np.random.default_rng(0)
    names = tuple(map(str, range(num_classes)))
    even = np.full(num_classes, 1 / num_classes)
    return Fix(rng.normal(size=num_classes), 2.0, np.zeros(num_classes), even, names, "accuracy", "by hand", **changes)


@pytest.mark.slow
def test_the_file_decides_as_network_and_fix_do(run, tmp_path, capsys):
    fix = fix_of(10)
    command = ["export", str(run.path), "--onnx", str(tmp_path / "net.onnx")]
    assert main([*command, "--fix", str(fix.save(tmp_path / "fix.json"))]) == 0
    shown = capsys.readouterr().out
    assert "uint8 (N, 1, 8, 8)" in shown
    assert "classes matched by name: 0, 1, 2" in shown
    metadata = {entry.key: json.loads(entry.value) for entry in onnx.load(tmp_path / "net.onnx").metadata_props}
    assert metadata["longtail.class_names"] == list(fix.class_names)
    assert metadata["longtail.fix"] == json.loads((tmp_path / "fix.json").read_text())
    assert metadata["longtail.preprocessing"] == {
        "input_shape": [1, 8, 8],
        "mean": list(digits_lt().mean),
        "std": list(digits_lt().std),
        "crop_pct": 1.0,
        "interpolation": "bicubic",
    }
    test = load_splits(digits_lt(), None, torch.device("cpu")).test
    assert isinstance(test, ResidentImages)
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    got = session.run(None, {"images": test.images.numpy()})[0]
    with torch.no_grad():
        logits = trained_network(run)(test.as_input(test.images))
    np.testing.assert_allclose(got, fix(logits).numpy() / 2, rtol=1e-4, atol=1e-4)
    assert (got.argmax(1) == fix.predict(logits).numpy()).all()
    assert main(command) == 2
    assert "--onnx must not exist yet" in capsys.readouterr().err


@pytest.mark.slow
def test_the_fix_is_matched_to_the_run_by_name(run, tmp_path, capsys):
    names = tuple("9876543210")
    fix = dataclasses.replace(fix_of(10), class_names=names)
    fix.save(tmp_path / "fix.json")
    assert main(["export", str(run.path), "--onnx", str(tmp_path / "n.onnx"), "--fix", str(tmp_path / "fix.json")]) == 0
    test = load_splits(digits_lt(), None, torch.device("cpu")).test
    assert isinstance(test, ResidentImages)
    got = onnxruntime.InferenceSession(tmp_path / "n.onnx").run(None, {"images": test.images.numpy()})[0]
    with torch.no_grad():
        logits = trained_network(run)(test.as_input(test.images)).numpy()
    assert [names[place] for place in fix.predict(logits[:, ::-1].copy())] == [str(digit) for digit in got.argmax(1)]
    fruit = dataclasses.replace(fix, class_names=("apple", *names[1:]))
    fruit.save(tmp_path / "fruit.json")
    command = ["export", str(run.path), "--onnx", str(tmp_path / "no.onnx"), "--fix", str(tmp_path / "fruit.json")]
    assert main(command) == 2
    assert "names no classes" in capsys.readouterr().err
    assert not (tmp_path / "no.onnx").exists()


class Words(torch.nn.Module):
    """A small text network: the mean of word vectors, and a linear layer."""

    def __init__(self, num_classes):
        super().__init__()
        self.vectors = torch.nn.Embedding(50, 8)
        self.classifier = torch.nn.Linear(8, num_classes)

    def forward(self, tokens):
        return self.classifier(self.vectors(tokens).mean(1))


def seeded(make):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().eval()


def ran(path, **inputs):
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


@pytest.mark.slow
def test_without_a_fix_and_for_coloured_images(tmp_path):
    network = seeded(lambda: CifarResNet(8, 5))
    path = export_onnx(network, tmp_path / "n.onnx", ImageInput((3, 32, 32), mean=[0.5, 0.4, 0.3], std=[0.2, 0.3, 0.4]))
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 32, 32)).astype(np.uint8)
    got = ran(path, images=images)["logits"]
    inputs = (images / 255 - np.reshape([0.5, 0.4, 0.3], (1, 3, 1, 1))) / np.reshape([0.2, 0.3, 0.4], (1, 3, 1, 1))
    with torch.no_grad():
        expected = network(torch.from_numpy(inputs.astype(np.float32))).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_features_of_any_scale_and_their_names(tmp_path):
    network = seeded(lambda: Network(torch.nn.Identity(), torch.nn.Linear(3, 4)))
    path = export_onnx(network, tmp_path / "n.onnx", FeatureInput(3, names=["a", "b", "c"]), class_names="wxyz")
    features = (np.random.default_rng(0).normal(size=(9, 3)) * [1, 100, 1e4]).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(ran(path, features=features)["logits"], expected, rtol=1e-5)
    metadata = {entry.key: json.loads(entry.value) for entry in onnx.load(path).metadata_props}
    assert metadata == {
        "longtail.class_names": list("wxyz"),
        "longtail.preprocessing": {"input_shape": [3]},
        "longtail.feature_names": ["a", "b", "c"],
    }


@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.slow
def test_tokens_of_any_number(probabilities, tmp_path):
    network, fix = seeded(lambda: Words(4)), fix_of(4)
    inputs = ExampleInput(torch.arange(24).reshape(2, 12) % 50, name="tokens", free_axes={1: "length"})
    path = export_onnx(network, tmp_path / "n.onnx", inputs, fix=fix, probabilities=probabilities)
    tokens = np.random.default_rng(0).integers(0, 50, (5, 7))
    got = ran(path, tokens=tokens)
    with torch.no_grad():
        logits = network(torch.from_numpy(tokens)).double().numpy()
    if probabilities:
        np.testing.assert_allclose(got["probabilities"], fix.predict_proba(logits), atol=1e-6)
    else:
        np.testing.assert_allclose(got["logits"], fix(logits) / 2, atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"probability_offset": np.array([1.0, -2.0, 0.5, 0.0])},
        {"cost": np.random.default_rng(1).random((4, 4))},
        {"takes": "probabilities", "probability_offset": np.array([1.0, -2.0, 0.5, 0.0])},
    ],
    ids=["offset", "another probability offset", "cost", "takes probabilities"],
)
@pytest.mark.slow
def test_decisions_and_probabilities_in_the_graph(changes, tmp_path):
    network = seeded(lambda: Network(torch.nn.Identity(), torch.nn.Linear(3, 4)))
    fix = dataclasses.replace(fix_of(4), class_names=("猫", "b", "c", "d"), **changes)
    path = export_onnx(
        network, tmp_path / "n.onnx", FeatureInput(3), fix=fix, probabilities=True, class_names=fix.class_names
    )
    features = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    with torch.no_grad():
        logits = network(torch.from_numpy(features)).double()
    scores = (logits.softmax(1) if fix.takes == "probabilities" else logits).numpy()
    got = ran(path, features=features)
    assert list(got) == ["class", "class_name", "probabilities"]
    assert got["class"].tolist() == fix.predict(scores).tolist()
    assert len(set(got["class"].tolist())) > 1
    assert got["class_name"].tolist() == [fix.class_names[index] for index in got["class"]]
    np.testing.assert_allclose(got["probabilities"], fix.predict_proba(scores), atol=1e-6)
    assert ran(path, features=features[:0])["class"].shape == (0,)


@pytest.mark.slow
def test_probabilities_without_a_fix_are_the_softmax(tmp_path):
    network = seeded(lambda: Network(torch.nn.Identity(), torch.nn.Linear(3, 4)))
    features = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    path = export_onnx(network, tmp_path / "n.onnx", FeatureInput(3), class_names="wxyz", probabilities=True)
    got = ran(path, features=features)
    with torch.no_grad():
        expected = network(torch.from_numpy(features)).softmax(1).numpy()
    np.testing.assert_allclose(got["probabilities"], expected, atol=1e-6)
    assert got["class_name"].tolist() == ["wxyz"[index] for index in expected.argmax(1)]
    assert "longtail.fix" not in {entry.key for entry in onnx.load(path).metadata_props}
    with pytest.raises(ValueError, match="`class_names` must hold 4 names, one for each logit. Got 3"):
        export_onnx(network, tmp_path / "no.onnx", FeatureInput(3), class_names="xyz", probabilities=True)


@pytest.mark.slow
def test_a_fix_goes_behind_a_classifier_without_a_bias(tmp_path):
    network, fix = seeded(lambda: Network(torch.nn.Identity(), CosineClassifier(3, 4, scale=30.0))), fix_of(4)
    features = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    got = ran(export_onnx(network, tmp_path / "n.onnx", FeatureInput(3), fix=fix), features=features)
    with torch.no_grad():
        logits = network(torch.from_numpy(features)).double().numpy()
    np.testing.assert_allclose(got["logits"], fix(logits) / 2, atol=1e-5)


class Tampered(torch.nn.Module):
    """A network with an operation that the exporter translates to another one."""

    def __init__(self):
        super().__init__()
        self.classifier = torch.nn.Linear(3, 4)

    def forward(self, features):
        logits = self.classifier(features)
        return logits * torch.arange(1, 5) if torch.compiler.is_exporting() else logits


@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.slow
def test_a_file_that_computes_something_else_is_not_kept(probabilities, tmp_path):
    kind = "probabilities" if probabilities else "logits"
    with pytest.raises(ValueError, match=f"must give PyTorch's {kind}. They differ by .* Nothing was written"):
        export_onnx(seeded(Tampered), tmp_path / "n.onnx", FeatureInput(3), probabilities=probabilities)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_tolerance_that_rounding_exceeds_is_refused(tmp_path):
    network = seeded(lambda: CifarResNet(8, 5))
    inputs = ImageInput((3, 32, 32), mean=[0.5] * 3, std=[1.0] * 3)
    with pytest.raises(ValueError, match="Nothing was written"):
        export_onnx(network, tmp_path / "n.onnx", inputs, tolerance=1e-12)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ImageInput((3, 8), [0.5] * 3, [1.0] * 3), r"`shape` must be \(C, H, W\)"),
        (lambda: ImageInput((3, 8, 8), [0.5], [1.0]), "must hold C values"),
        (lambda: FeatureInput(3, names=["a"]), "`names` must hold 3 names. Got 1"),
        (lambda: ExampleInput(torch.zeros(1, 3)), "`example` must hold at least 2 samples"),
        (lambda: ExampleInput(torch.zeros(2, 3), free_axes={2: "length"}), r"`free_axes` must lie in \[0, 2\). Got 2"),
    ],
)
def test_an_input_that_is_not_one_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("fix", "message"),
    [
        (fix_of(4), "10. It has 4: 0, 1, 2, 3"),
        (
            fix_of(10, cost=1 - np.eye(10)),
            "decides by costs, which no linear layer does: logits can't hold it.",
        ),
    ],
)
@pytest.mark.slow
def test_a_fix_that_does_not_suit_the_network_is_refused(run, tmp_path, capsys, fix, message):
    fix.save(tmp_path / "fix.json")
    command = ["export", str(run.path), "--onnx", str(tmp_path / "n.onnx"), "--fix", str(tmp_path / "fix.json")]
    assert main(command) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "n.onnx").exists()


def test_what_is_missing_is_named(run, tmp_path, capsys, monkeypatch):
    assert main(["export", str(run.path), "--onnx", str(tmp_path / "no" / "n.onnx")]) == 2
    assert "--onnx must be in a folder that exists" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert main(["export", str(run.path), "--onnx", str(tmp_path / "n.onnx")]) == 2
    assert "install longtail with its extra `export`" in capsys.readouterr().err
