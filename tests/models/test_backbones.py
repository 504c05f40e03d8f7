import json
import os
import subprocess
import sys
from dataclasses import asdict

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from longtail.models import BACKBONES, DEFAULT_BACKBONE, CifarBackbone, InputConfig, make_backbone, make_network
from longtail.plain_json import to_json

SMALL = "test_efficientnet"  # of timm, for tests


class Grey(nn.Module):
    """A user's backbone that says nothing about itself."""

    def __init__(self, in_channels=1):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 7, 3, stride=4)

    def forward(self, images):
        return self.conv(images).mean((2, 3))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write a module that can be imported as `mine`."""

    def write(code):
        (tmp_path / "mine.py").write_text("import torch\nfrom torch import nn\n" + code)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "mine", raising=False)
        return tmp_path

    yield write
    sys.modules.pop("mine", None)


@pytest.mark.parametrize("name", BACKBONES)
def test_own_backbones_have_kaiming_weights(name):
    torch.manual_seed(0)
    backbone = make_backbone(name, in_channels=1)
    assert backbone.num_features == 64
    assert backbone.input_config == InputConfig(channels=1, size=(32, 32))
    last = [module for module in backbone.module.modules() if isinstance(module, nn.Conv2d)][-1].weight
    assert last.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)


@pytest.mark.parametrize(
    ("name", "width"),
    [(SMALL, 256), ("mobilenetv3_small_050", 1024), ("test_vit", 64), ("test_vit.r160_in1k", 64), ("resnet18", 512)],
)
@pytest.mark.slow
def test_models_of_timm_are_measured(name, width):
    backbone = make_backbone(name)
    assert backbone.num_features == width
    assert backbone.module.training
    assert backbone.input_config.size is not None
    assert backbone.module.eval()(torch.zeros(2, 3, *backbone.input_config.size)).shape == (2, width)


@pytest.mark.slow
def test_the_input_is_what_the_model_was_trained_on():
    config = make_backbone(DEFAULT_BACKBONE).input_config
    half = (0.5, 0.5, 0.5)
    assert config == InputConfig(3, (224, 224), half, half, "bicubic", 0.875)
    assert InputConfig.from_mapping(json.loads(to_json(asdict(config)))) == config
    assert make_network(DEFAULT_BACKBONE, 5, size=128).input_config.size == (128, 128)


@pytest.mark.slow
def test_other_sizes_and_channels():
    backbone = make_backbone("test_vit", size=96, in_channels=1)
    assert backbone.module.eval()(torch.zeros(1, 1, 96, 96)).shape == (1, 64)
    assert (backbone.input_config.size, backbone.input_config.mean) == ((96, 96), (0.5,))
    imagenet = make_backbone("resnet18", in_channels=1).input_config
    assert imagenet.mean == pytest.approx((0.449,), abs=1e-3)
    assert make_backbone("resnet18", in_channels=4).input_config.mean == (0.485, 0.456, 0.406, 0.485)
    assert make_backbone("resnet8-cifar", size=24).input_config.size == (24, 24)
    with pytest.raises(ValueError, match=r"shape \(1, 3, 7, 7\). test_vit failed: .* divisible by patch size \(16\).$"):
        make_backbone("test_vit", size=7)
    with pytest.raises(ValueError, match="`size` must be at least 1. Got 0"):
        make_backbone("test_vit", size=0)


def test_a_module_is_used_as_it_is():
    module = Grey()
    before = module.conv.weight.clone()
    network = make_network(module, 3, in_channels=1)
    assert network.backbone is module
    assert torch.equal(module.conv.weight, before)
    assert network(torch.randn(2, 1, 32, 32)).shape == (2, 3)
    trained = CifarBackbone(8)
    weights = trained.conv.weight.clone()
    assert torch.equal(make_backbone(trained).module.conv.weight, weights)
    maps = make_network(nn.Conv2d(3, 9, 3), 4)
    assert maps(torch.randn(2, 3, 16, 16)).shape == (2, 4)


def test_a_module_may_say_what_it_takes():
    class Particular(Grey):
        num_features = 7
        input_config = InputConfig(size=(48, 48), mean=(0.0,) * 3, std=(1.0,) * 3)

    backbone = make_backbone(Particular(3))
    assert (backbone.num_features, backbone.input_config) == (7, Particular.input_config)


def test_a_function_is_called(package):
    package("def make(in_channels):\n    return nn.Conv2d(in_channels, 6, 3)\ndef colour():\n    return make(3)\n")
    assert make_backbone("mine:make", in_channels=2).module.in_channels == 2
    assert make_backbone("mine:colour").num_features == 6
    with pytest.raises(
        ValueError, match=r"take images of the shape \(1, 1, 224, 224\). mine:colour failed: Given group"
    ):
        make_backbone("mine:colour", in_channels=1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine:nothing", "Got 'mine:nothing': mine has no function 'nothing'"),
        ("mine:value", "mine has no function 'value'"),
        ("yours:make", "Got 'yours:make': No module named 'yours'. Is its folder on PYTHONPATH?"),
        (":make", "package.module:function. Got ':make'"),
        ("mine:text", "`model` must return an nn.Module. mine:text returned str"),
        ("mine:tokens", r"feature maps \(N, D, H, W\). mine:tokens gives \(1, 224, 672\)"),
        ("mine:pair", "mine:pair gives tuple"),
    ],
)
def test_functions_that_give_no_backbone(package, name, message):
    package(
        "value = 3\ndef text():\n    return 'resnet'\ndef tokens():\n    return nn.Flatten(2, 3) if 0 else Tokens()\n"
        "class Tokens(nn.Module):\n    def forward(self, x):\n        return x.permute(0, 2, 1, 3).flatten(2)\n"
        "class Pair(nn.Module):\n    def forward(self, x):\n        return x, x\ndef pair():\n    return Pair()\n"
    )
    with pytest.raises(ValueError, match=message):
        make_backbone(name)


def test_a_line_registers_a_backbone(monkeypatch):
    monkeypatch.setitem(BACKBONES, "grey", Grey)
    assert make_backbone("grey", in_channels=1).num_features == 7
    with pytest.raises(ValueError, match="Did you mean grey"):
        make_backbone("greyy")


def test_a_package_registers_a_backbone(package):
    folder = package("class Wide(nn.Conv2d):\n    def __init__(self):\n        super().__init__(3, 11, 3)\n")
    (folder / "mine-1.0.dist-info").mkdir()
    (folder / "mine-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (folder / "mine-1.0.dist-info/entry_points.txt").write_text("[longtail.models]\nwide = mine:Wide\n")
    assert make_backbone("wide").num_features == 11


@pytest.mark.parametrize(
    ("typo", "near"),
    [
        ("resnet32", "resnet32-cifar or resnet32ts"),
        ("eficientnet_b0", "efficientnet_b0"),
        ("resnet18.a1_in2k", "resnet18.a1_in1k"),
    ],
)
def test_a_typo_is_answered_with_near_names(typo, near):
    with pytest.raises(ValueError, match=f"Got '{typo}'. Did you mean {near}"):
        make_backbone(typo)


def test_a_classifier_gives_no_features():
    with pytest.raises(ValueError, match="EfficientNet ends with a classifier: create it with num_classes=0"):
        make_backbone(timm.create_model(SMALL))
    assert make_backbone(timm.create_model(SMALL, num_classes=0)).num_features == 256


def test_without_timm_the_line_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    assert make_backbone("resnet8-cifar").num_features == 64
    with pytest.raises(ModuleNotFoundError, match=r"'resnet50' needs timm: pip install 'longtail\[train\]'"):
        make_backbone("resnet50")


def test_pretrained_weights_are_loaded_by_timm(tmp_path):
    torch.manual_seed(0)
    model = timm.create_model(SMALL, num_classes=4)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    trained_on = {"input_size": [3, 96, 96], "mean": [0.1] * 3, "std": [0.2] * 3}
    layers = {"first_conv": "conv_stem", "classifier": "classifier"}
    config = {"architecture": SMALL, "num_classes": 4, "pretrained_cfg": trained_on | layers}
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = make_backbone(f"local-dir:{tmp_path}", pretrained=True)
    assert torch.equal(loaded.module.conv_stem.weight, model.conv_stem.weight)
    assert loaded.input_config.size == (96, 96)
    assert loaded.input_config.mean == (0.1, 0.1, 0.1)
    grey = make_backbone(f"local-dir:{tmp_path}", pretrained=True, in_channels=1)
    weight = model.get_parameter("conv_stem.weight").sum(1, keepdim=True)
    torch.testing.assert_close(grey.module.get_parameter("conv_stem.weight"), weight)


def test_models_without_pretrained_weights():
    with pytest.raises(ValueError, match="timm's models. Got resnet8-cifar, which is not one. Drop --pretrained"):
        make_backbone("resnet8-cifar", pretrained=True)
    with pytest.raises(ValueError, match="timm has no weights for coatnet_0_224"):
        make_backbone("coatnet_0_224", pretrained=True)
    with pytest.raises(ValueError, match="Config file not found"):
        make_backbone("local-dir:no-such-folder", pretrained=True)


WAYS_OUT = (
    r"^the pretrained weights of tf_efficientnet_lite0 \(timm/tf_efficientnet_lite0.in1k\) could not be loaded: [^\n]+"
    r"where timm looks, [^\n]+; or give a file of weights, --weights FILE; "
    r"or take an untrained network, --no-pretrained \(poor features\).$"
)


@pytest.mark.parametrize(
    "error", [RuntimeError("two\nlines"), OSError(28, "No space left"), KeyError("x"), TypeError()]
)
@pytest.mark.parametrize("place", ["hub", "loader"])
def test_whatever_fails_one_line_says_every_way_out(monkeypatch, error, place):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None if place == "hub" else "file")
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", fail)
    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(OSError, match=WAYS_OUT) as caught:
        make_network(DEFAULT_BACKBONE, 10, pretrained=True)
    assert caught.value.__cause__ is error
    assert type(error).__name__ in str(caught.value)


@pytest.mark.slow
def test_offline_one_line_says_every_way_out(tmp_path):
    code = (
        "from longtail.models import DEFAULT_BACKBONE, make_network\n"
        "try: make_network(DEFAULT_BACKBONE, 10, pretrained=True)\nexcept OSError as error: print(error)"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert not done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith(
        "the pretrained weights of tf_efficientnet_lite0 (timm/tf_efficientnet_lite0.in1k) could not"
    )
    for way in (f"where timm looks, {tmp_path / 'hub'};", "--weights FILE", "--no-pretrained"):
        assert way in line
