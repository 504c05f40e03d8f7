import pytest
import torch
from torch import nn

from longtail.models import Network, fold_batch_norm, make_network


def moved(network):
    """A network whose batch norm has statistics and weights of its own."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_var, module.weight):
                nn.init.uniform_(tensor, 0.5, 2)
            for tensor in (module.running_mean, module.bias):
                nn.init.normal_(tensor)
    return network


def batch_norms(network):
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize(
    ("name", "left"),
    [("resnet8-cifar", 0), ("tf_efficientnet_lite0", 0), ("resnet18", 0), ("test_vit", 0), ("test_convnext", 0)],
)
@pytest.mark.slow
def test_features_are_the_same(name, left):
    network = moved(make_network(name, 5, size=64))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    folded = fold_batch_norm(network)
    images = torch.randn(3, 3, 64, 64)
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert batch_norms(folded) == left
    expected = network.eval()(images)
    torch.testing.assert_close(folded(images), expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())


class Block(nn.Module):
    """Feature maps of three channels, by convolutions and batch norm in various orders."""

    def __init__(self, order):
        super().__init__()
        self.order, self.num_features = order, 3
        self.conv, self.norm, self.other = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, images):
        if self.order == "norm first":
            return self.conv(self.norm(images))
        maps = self.conv(images)
        if self.order == "norm twice":
            return self.norm(self.norm(maps))
        if self.order == "two norms":
            return self.norm(maps) + self.other(maps)
        if self.order == "convolution twice":
            return self.norm(self.conv(maps))
        return self.norm(maps) + (maps if self.order == "used elsewhere" else 0)


@pytest.mark.parametrize(
    ("order", "left"),
    [
        ("norm last", 1),
        ("norm first", 2),
        ("norm twice", 2),
        ("two norms", 2),
        ("convolution twice", 2),
        ("used elsewhere", 2),
    ],
)
def test_only_what_follows_a_convolution_is_folded(order, left):
    network = moved(Network(Block(order), nn.Linear(3, 2)))
    folded = fold_batch_norm(network)
    assert batch_norms(folded) == left
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(folded(images), network.eval()(images), rtol=1e-4, atol=1e-4)
    assert not folded.training


def test_a_network_without_batch_norm_is_copied_whatever_its_inputs_are():
    network = Network(nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4)), nn.Linear(4, 2))
    folded, inputs = fold_batch_norm(network), torch.randn(5, 3, 8, 8)
    assert folded is not network
    assert torch.equal(folded(inputs), network.eval()(inputs))
