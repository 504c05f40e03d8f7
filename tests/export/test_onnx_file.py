import dataclasses
import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from longtail.cli import main
from longtail.data import load_splits
from longtail.export import export_onnx
from longtail.models import CifarResNet
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
    }
    test = load_splits(digits_lt(), None, torch.device("cpu")).test
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    got = session.run(None, {"images": test.images.numpy()})[0]
    with torch.no_grad():
        logits = trained_network(run)(test.as_input(test.images))
    np.testing.assert_allclose(got, fix(logits).numpy() / 2, rtol=1e-4, atol=1e-4)
    assert (got.argmax(1) == fix.predict(logits).numpy()).all()
    assert main(command) == 2
    assert "--onnx must not exist yet" in capsys.readouterr().err


def test_the_fix_is_matched_to_the_run_by_name(run, tmp_path, capsys):
    names = tuple("9876543210")
    fix = dataclasses.replace(fix_of(10), class_names=names)
    fix.save(tmp_path / "fix.json")
    assert main(["export", str(run.path), "--onnx", str(tmp_path / "n.onnx"), "--fix", str(tmp_path / "fix.json")]) == 0
    test = load_splits(digits_lt(), None, torch.device("cpu")).test
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


def test_without_a_fix_and_for_coloured_images(tmp_path):
    network = CifarResNet(8, 5).eval()
    path = export_onnx(network, tmp_path / "n.onnx", image_shape=(3, 32, 32), mean=[0.5, 0.4, 0.3], std=[0.2, 0.3, 0.4])
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 32, 32)).astype(np.uint8)
    got = onnxruntime.InferenceSession(path).run(None, {"images": images})[0]
    inputs = (images / 255 - np.reshape([0.5, 0.4, 0.3], (1, 3, 1, 1))) / np.reshape([0.2, 0.3, 0.4], (1, 3, 1, 1))
    with torch.no_grad():
        expected = network(torch.from_numpy(inputs.astype(np.float32))).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


def test_a_file_that_computes_something_else_is_not_kept(tmp_path, monkeypatch):
    class Wrong:
        def __init__(self, *_, **__):
            pass

        def run(self, _, inputs):
            return [np.zeros((len(inputs["images"]), 5), np.float32)]

    monkeypatch.setattr("onnxruntime.InferenceSession", Wrong)
    with pytest.raises(ValueError, match="must give PyTorch's logits. They differ by"):
        export_onnx(
            CifarResNet(8, 5).eval(), tmp_path / "n.onnx", image_shape=(3, 32, 32), mean=[0.5] * 3, std=[1.0] * 3
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fix", "message"),
    [
        (fix_of(4), "10. It has 4: 0, 1, 2, 3"),
        (fix_of(10, cost=1 - np.eye(10)), "decides by costs, which no linear layer does"),
    ],
)
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
