import pytest
import torch
from torch import nn

from longtail.models import CifarBackbone, CifarResNet, CosineClassifier, Network, make_network

CASES = [
    pytest.param(name, depth, scale, channels, id=f"{name}-{scale}-{channels}")
    for name, depth in (("resnet8-cifar", 8), ("resnet32-cifar", 32))
    for scale in (None, 20.0)
    for channels in (1, 3)
]


def seeded(make, *arguments, **options):
    torch.manual_seed(7)
    return make(*arguments, **options), torch.rand(1)


def flat(state_dict):
    return {name.removeprefix("backbone."): tensor for name, tensor in state_dict.items()}


@pytest.mark.parametrize(("name", "depth", "scale", "channels"), CASES)
@pytest.mark.slow
def test_a_seed_gives_the_weights_and_outputs_of_the_cifar_resnet(name, depth, scale, channels):
    old, drawn = seeded(CifarResNet, depth, 10, scale, channels)
    new, drawn_after_new = seeded(make_network, name, 10, cosine_scale=scale, in_channels=channels)
    assert torch.equal(drawn, drawn_after_new)  # the generator too is where it was
    weights = flat(new.state_dict())
    assert list(weights) == list(old.state_dict())
    assert all(torch.equal(weights[key], value) for key, value in old.state_dict().items())
    images = torch.randn(4, channels, 32, 32)
    for precision in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision):
            logits, expected = new(images), old(images)
            assert torch.equal(logits, expected)
            assert torch.equal(new.features(images), old.features(images))
        assert logits.dtype == torch.float32
    logits.square().sum().backward()
    expected.square().sum().backward()
    gradients = {key: value.grad for key, value in new.named_parameters()}
    assert all(torch.equal(flat(gradients)[key], value.grad) for key, value in old.named_parameters())


def test_the_seed_of_a_cifar_resnet_is_that_of_released_runs():
    """Weights drawn by hand in the released order: PyTorch's defaults, the classifier, then Kaiming."""
    network, _ = seeded(make_network, "resnet8-cifar", 5)
    torch.manual_seed(7)
    shapes = [(3, 16), (16, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64)]
    convolutions = [nn.Conv2d(before, after, 3, bias=False) for before, after in shapes]
    classifier = nn.Linear(64, 5)
    for convolution in convolutions:
        nn.init.kaiming_normal_(convolution.weight)
    drawn = [module.weight for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert all(torch.equal(a, b.weight) for a, b in zip(drawn, convolutions, strict=True))
    assert torch.equal(network.classifier.weight, classifier.weight)


@pytest.mark.parametrize("scale", [None, 20.0])
def test_the_weights_of_a_cifar_resnet_load(scale):
    old = CifarResNet(8, 10, scale, 1)
    old(torch.randn(8, 1, 16, 16))  # moves the statistics of batch norm
    new = make_network("resnet8-cifar", 10, cosine_scale=scale, in_channels=1)
    new.load_state_dict(old.state_dict())
    images = torch.randn(4, 1, 16, 16)
    assert torch.equal(new.eval()(images), old.eval()(images))
    again = make_network("resnet8-cifar", 10, cosine_scale=scale, in_channels=1)
    again.load_state_dict(new.state_dict())
    assert torch.equal(again.eval()(images), old(images))
    with pytest.raises(RuntimeError, match="backbone.blocks.3"):
        new.load_state_dict(CifarResNet(14, 10, scale, 1).state_dict())


def test_features_and_classifier_are_float32_under_autocast_and_keep_float64():
    network = Network(nn.Sequential(nn.Flatten(), nn.Linear(12, 6)), nn.Linear(6, 4))
    inputs = torch.randn(5, 3, 2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert network.backbone(inputs).dtype == torch.bfloat16
        features = network.features(inputs)
        assert features.dtype == torch.float32
        logits = network(inputs)
    assert torch.equal(logits, network.classifier(features))
    assert network.double().features(inputs.double()).dtype == torch.float64
    assert network(inputs.double()).dtype == torch.float64


def test_feature_maps_are_averaged():
    network = Network(nn.Conv2d(3, 6, 3), CosineClassifier(6, 4))
    images = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(network.features(images), network.backbone(images).flatten(2).mean(2))


def test_a_cifar_backbone_gives_the_features_of_its_network():
    network = make_network("resnet8-cifar", 3)
    assert isinstance(network.backbone, CifarBackbone)
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(network.eval().features(images), network.backbone(images))
    assert network.features(images).shape == (2, CifarBackbone.num_features)
