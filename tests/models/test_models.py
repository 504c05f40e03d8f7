import pytest
import torch

from longtail.models import MLP, CifarResNet, CosineClassifier
from longtail.models.cosine import MANY_CLASSES


@pytest.mark.parametrize(("depth", "classes", "parameters"), [(32, 10, 464_154), (32, 100, 470_004)])
def test_resnet_has_the_published_size(depth, classes, parameters):
    assert sum(parameter.numel() for parameter in CifarResNet(depth, classes).parameters()) == parameters


@pytest.mark.parametrize("depth", [8, 14, 20, 32, 44, 56])
def test_resnet_has_its_depth_and_every_weight_learns(depth):
    model = CifarResNet(depth, 5)
    weighted = [m for m in model.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    assert len(weighted) == depth
    model(torch.randn(4, 3, 32, 32)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    assert model.features(torch.randn(2, 3, 32, 32)).shape == (2, 64)


def test_resnet_shortcuts_take_every_second_pixel_and_pad_both_sides():
    model = CifarResNet(20, 5).eval()
    block = model.blocks[3]
    for conv in (block.conv1, block.conv2):
        torch.nn.init.zeros_(conv.weight)
    images = torch.rand(2, 16, 8, 8)
    out = block(images)
    torch.testing.assert_close(out[:, 8:24], images[:, :, ::2, ::2])
    assert not out[:, :8].any()
    assert not out[:, 24:].any()


def test_mlp():
    model = MLP(6, 4, hidden=(8, 5), dropout=0.5).eval()
    inputs = torch.randn(3, 2, 3)
    assert model.features(inputs).shape == (3, 5)
    torch.testing.assert_close(model(inputs), model.classifier(model.features(inputs)))
    assert [layer.out_features for layer in model.modules() if isinstance(layer, torch.nn.Linear)] == [8, 5, 4]


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="`depth` must be one of 8, 14, 20, 32, 44, 56. Got 34"):
        CifarResNet(34, 10)
    with pytest.raises(ValueError, match="`num_classes` must be at least 2"):
        CifarResNet(32, 1)
    with pytest.raises(ValueError, match="`in_features` must be at least 1. Got 0"):
        MLP(0, 10)


@pytest.mark.parametrize("num_classes", [MANY_CLASSES - 1, MANY_CLASSES])
def test_a_cosine_head_and_its_gradients_are_those_of_the_formula(num_classes):
    torch.manual_seed(0)
    head, features = CosineClassifier(6, num_classes, scale=16.0).double(), torch.randn(5, 6, dtype=torch.float64)
    with torch.no_grad():
        head.weight.mul_(torch.linspace(0.1, 5, num_classes)[:, None])
    features.requires_grad_()
    upstream = torch.randn(5, num_classes, dtype=torch.float64)
    cosines = torch.nn.functional.cosine_similarity(features[:, None], head.weight[None], dim=2)
    torch.testing.assert_close(head(features), 16 * cosines)
    found = torch.autograd.grad(head(features), [features, head.weight], upstream)
    torch.testing.assert_close(found, torch.autograd.grad(16 * cosines, [features, head.weight], upstream))


@pytest.mark.parametrize("num_classes", [MANY_CLASSES - 1, MANY_CLASSES])
def test_a_cosine_head_is_zero_for_vectors_of_length_zero_and_keeps_its_dtype(num_classes):
    head, features = CosineClassifier(6, num_classes), torch.randn(5, 6)
    with torch.no_grad():
        head.weight[1] = 0
    features[2] = 0
    logits = head(features)
    assert not logits[2].any()
    assert not logits[:, 1].any()
    logits.sum().backward()
    assert head.weight.grad.isfinite().all()
    with torch.autocast("cpu", torch.bfloat16):
        assert head(features).dtype == torch.bfloat16


def test_a_cosine_head_gives_scaled_cosines():
    torch.manual_seed(0)
    head, features = CosineClassifier(6, 4, scale=16.0), torch.randn(5, 6)
    want = 16 * torch.nn.functional.cosine_similarity(features[:, None], head.weight[None], dim=2)
    torch.testing.assert_close(head(features), want)
    torch.testing.assert_close(head.weight.norm(dim=1), torch.ones(4))
    assert torch.equal(head(torch.zeros(1, 6)), torch.zeros(1, 4))
    model = CifarResNet(20, 4, cosine_scale=16.0)
    assert model(torch.randn(2, 3, 32, 32)).abs().max() <= 16
    with pytest.raises(ValueError, match="`scale` must be finite and greater than 0"):
        CosineClassifier(6, 4, scale=0)
