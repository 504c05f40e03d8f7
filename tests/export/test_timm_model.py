"""Networks under the names of timm."""

import dataclasses

import pytest
import torch
from torch import nn

from longtail.data import DataInfo
from longtail.export.timm_model import as_timm_model
from longtail.models import Network, make_network
from longtail.models.cosine import CosineClassifier

INFO = DataInfo(("ant", "bee", "cow"), (9, 5, 2), (3, 64, 64), (0.5,) * 3, (0.25,) * 3)


def trained(model, **arguments):
    """A network whose buffers differ from those of a new one, as after training."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = make_network(model, 3, **arguments)
        network.train()(torch.randn(4, arguments.get("in_channels", 3), 64, 64))
    return network.eval()


@pytest.mark.parametrize(
    ("model", "channels", "arguments"),
    [
        ("test_efficientnet", 3, {}),
        ("test_efficientnet", 1, {"in_chans": 1}),
        ("test_vit", 3, {"img_size": 64}),
        ("test_nfnet", 3, {}),
    ],
)
def test_timm_computes_the_same_logits_from_its_weights(model, channels, arguments):
    import timm

    network = trained(model, in_channels=channels, size=64)
    info = dataclasses.replace(
        INFO, input_shape=(channels, 64, 64), mean=(0.5,) * channels, std=(0.25,) * channels, crop_pct=0.9
    )
    found = as_timm_model(network, info)
    assert found.config.get("model_args", {}) == arguments
    model = timm.create_model(found.config["architecture"], num_classes=3, **arguments).eval()
    model.load_state_dict(found.weights)
    images = torch.randn(5, channels, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(images), network(images), rtol=1e-5, atol=1e-5)
    config = found.config["pretrained_cfg"]
    assert config["label_names"] == ("ant", "bee", "cow")
    assert (config["input_size"], config["crop_pct"], config["interpolation"]) == ((channels, 64, 64), 0.9, "bicubic")


def custom(**_):
    """A model of timm with an argument of the user's own, by which its weights stay the same."""
    import timm

    return timm.create_model("test_efficientnet", num_classes=0, act_layer=nn.Tanh)


@pytest.mark.parametrize(
    "make",
    [
        lambda: trained("resnet8-cifar"),
        lambda: trained("test_efficientnet", cosine_scale=30.0),
        lambda: Network(custom(), nn.Linear(256, 3)).eval(),
    ],
    ids=["not of timm", "cosine classifier", "arguments of its own"],
)
def test_a_network_that_timm_can_not_build_gives_none(make):
    network = make()
    assert isinstance(network.classifier, (nn.Linear, CosineClassifier))
    assert as_timm_model(network, INFO) is None
