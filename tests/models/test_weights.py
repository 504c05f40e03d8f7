import pickle
import sys

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from longtail.models import load_weights, make_network

SMALL = "test_efficientnet"  # of timm, for tests


def perturbed(network):
    """A network whose every tensor differs from that of a new one."""
    for tensor in network.state_dict().values():
        tensor.add_(1)
    return network


def same(network, other, part=""):
    weights = other.state_dict()
    return all(torch.equal(v, weights[k]) for k, v in network.state_dict().items() if k.startswith(part))


@pytest.fixture
def trained():
    return perturbed(make_network("resnet8-cifar", 5))


@pytest.fixture
def new():
    return make_network("resnet8-cifar", 5)


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.", "module._orig_mod.", "model.module."])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_whole_network_whatever_wraps_it(trained, new, tmp_path, prefix, suffix):
    file = tmp_path / f"weights{suffix}"
    tensors = {prefix + name: tensor for name, tensor in trained.state_dict().items()}
    if suffix == ".pt":
        torch.save(tensors, file)
    else:
        save_file(tensors, file)
    report = load_weights(new, file)
    assert same(new, trained)
    assert set(report.matched) == set(new.state_dict())
    assert report.missing == report.unexpected == report.dropped == ()
    assert report.summary() == f"{file}: {len(tensors)} tensors loaded."


@pytest.mark.parametrize("entry", ["model", "state_dict", "model_state_dict", "model_ema", "state_dict_ema"])
def test_a_checkpoint(trained, new, tmp_path, entry):
    content = {entry: trained.state_dict(), "epoch": 3, "optimizer": {"state": {}}}
    if entry == "state_dict_ema":
        content["state_dict"] = make_network("resnet8-cifar", 5).state_dict()
    torch.save(content, tmp_path / "w.pth")
    load_weights(new, tmp_path / "w.pth")
    assert same(new, trained)


def test_the_backbone_alone(trained, new, tmp_path):
    torch.save(trained.backbone.state_dict(), tmp_path / "w.pt")
    classifier = new.classifier.weight.clone()
    report = load_weights(new, tmp_path / "w.pt")
    assert same(new, trained, "backbone.")
    assert torch.equal(new.classifier.weight, classifier)
    assert report.missing == ("classifier.weight", "classifier.bias")
    assert "not in the file: classifier.weight, classifier.bias" in report.summary()


@pytest.mark.parametrize("change", ["number", "kind"])
def test_a_classifier_that_does_not_fit_is_dropped_whole(trained, tmp_path, change):
    new = make_network("resnet8-cifar", *([7] if change == "number" else [5]), cosine_scale={"kind": 9.0}.get(change))
    before = {name: tensor.clone() for name, tensor in new.classifier.state_dict().items()}
    torch.save(trained.state_dict(), tmp_path / "w.pt")
    report = load_weights(new, tmp_path / "w.pt")
    assert same(new, trained, "backbone.")
    assert all(torch.equal(tensor, before[name]) for name, tensor in new.classifier.state_dict().items())
    assert report.dropped == ("classifier.weight", "classifier.bias")
    assert "its classifier is of another size or kind and was dropped: classifier.weight" in report.summary()


@pytest.mark.parametrize("architecture", [SMALL, "test_resnet", "test_vit"])
@pytest.mark.parametrize("classes", [6, 9])
def test_a_model_of_timm_with_its_classifier(tmp_path, architecture, classes):
    model = perturbed(timm.create_model(architecture, num_classes=6))
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    network = make_network(architecture, classes, weights=tmp_path / "w.safetensors")
    images = torch.randn(2, 3, 160, 160)
    reference = model.eval().forward_head(model.forward_features(images), pre_logits=True)
    assert torch.equal(network.eval().features(images), reference)
    if classes == 6:
        assert not network.weight_report.dropped
        assert torch.equal(network.classifier.weight, model.get_classifier().weight)
    else:
        assert len(network.weight_report.dropped) == 2


def test_what_has_no_place_is_listed_and_counters_may_lack(trained, new, tmp_path):
    tensors = {k: v for k, v in trained.state_dict().items() if not k.endswith("num_batches_tracked")}
    tensors |= {f"projector.{index}.weight": torch.zeros(2) for index in range(7)}
    torch.save(tensors, tmp_path / "w.pt")
    report = load_weights(new, tmp_path / "w.pt")
    assert report.unexpected == tuple(f"projector.{index}.weight" for index in range(7))
    assert not report.missing
    assert "not in the network: projector.0.weight, " in report.summary()
    assert report.summary().endswith("projector.4.weight and 2 more.")


def test_two_names_for_one_tensor_are_refused(trained, new, tmp_path):
    torch.save({f"module.{k}": v for k, v in new.state_dict().items()} | trained.state_dict(), tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"Got both module.backbone.conv.weight and backbone.conv.weight"):
        load_weights(new, tmp_path / "w.pt")


def test_a_layer_of_the_backbone_may_be_called_like_a_wrapper(tmp_path):
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.model, self.num_features = nn.Conv2d(3, 4, 3), 4

        def forward(self, images):
            return self.model(images)

    old, new = perturbed(make_network(Wrapped(), 2)), make_network(Wrapped(), 2)
    torch.save(old.backbone.state_dict(), tmp_path / "w.pt")
    load_weights(new, tmp_path / "w.pt")
    assert same(new, old, "backbone.")


@pytest.mark.parametrize(
    ("theirs", "ours", "first"),
    [
        ("resnet14-cifar", "resnet8-cifar", "backbone.blocks.1.conv1.weight has the shape (16, 16, 3, 3), not (32"),
        ("resnet8-cifar", "resnet14-cifar", "backbone.blocks.1.conv1.weight has the shape (32"),
        ("tf_efficientnet_lite1", "tf_efficientnet_lite0", "blocks.1.2.conv_pw.weight has no place"),
        ("tf_efficientnet_lite0", "tf_efficientnet_lite1", "backbone.blocks.1.2.conv_pw.weight is missing"),
    ],
)
@pytest.mark.slow
def test_another_architecture_is_refused_and_nothing_changes(tmp_path, theirs, ours, first):
    torch.save(make_network(theirs, 5).state_dict(), tmp_path / "w.pt")
    network = make_network(ours, 5)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(ValueError, match="must be those of this architecture") as caught:
        load_weights(network, tmp_path / "w.pt")
    assert first in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(" is missing") + str(caught.value).count(" has ") <= 5
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_nothing_that_matches_is_refused(new, tmp_path):
    torch.save(timm.create_model(SMALL).state_dict(), tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"none match .*w.pt. backbone.conv.weight is missing.* and \d+ more"):
        load_weights(new, tmp_path / "w.pt")


class Anything:
    """What `weights_only` does not load."""


def test_a_file_that_is_none(new, tmp_path):
    torch.save(new.state_dict(), tmp_path / "whole.pt")
    save_file(new.state_dict(), tmp_path / "whole.safetensors")
    for name in ("whole.pt", "whole.safetensors"):
        content = (tmp_path / name).read_bytes()
        for cut in (0, 5, len(content) // 2):
            (tmp_path / f"cut-{name}").write_bytes(content[:cut])
            with pytest.raises(ValueError, match=f"cut-{name}, which is damaged") as caught:
                load_weights(new, tmp_path / f"cut-{name}")
            assert "\n" not in str(caught.value)
    (tmp_path / "text.pt").write_text("not weights\nat all")
    (tmp_path / "object.pt").write_bytes(pickle.dumps(Anything()))
    torch.save({"model": Anything()}, tmp_path / "model.pt")
    for name in ("text.pt", "object.pt", "model.pt"):
        with pytest.raises(ValueError, match=r"torch.load\(weights_only=True\) can read. Got .*damaged or holds more"):
            load_weights(new, tmp_path / name)
    for content in (torch.zeros(3), {"epoch": 3}, {"model": {}}, [1]):
        torch.save(content, tmp_path / "other.pt")
        with pytest.raises(
            ValueError, match="must hold a state dict, tensors by name. Got .*other.pt, which holds none"
        ):
            load_weights(new, tmp_path / "other.pt")
    for name in ("absent.pt", "."):
        with pytest.raises(FileNotFoundError, match="`weights` must be a file that exists"):
            load_weights(new, tmp_path / name)


def test_without_safetensors_the_line_names_the_extra(new, tmp_path, monkeypatch):
    (tmp_path / "w.safetensors").touch()
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs safetensors: pip install 'longtail\[train\]'"):
        load_weights(new, tmp_path / "w.safetensors")


def test_two_sources_of_weights_exclude_each_other(tmp_path):
    with pytest.raises(ValueError, match="`pretrained` and `weights` exclude each other. Got weights="):
        make_network(SMALL, 5, pretrained=True, weights=tmp_path / "w.pt")
