"""Calibrated logits: the formula of the paper, its beginning, and the change of features."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from longtail.models import AdaptiveCalibration
from reference.second_stages import calibrated_logits

FEATURES = torch.randn(12, 6, generator=torch.Generator().manual_seed(0))


def drawn(linear):
    """A calibration of that classifier whose numbers are drawn."""
    classifier = AdaptiveCalibration(linear)
    with torch.no_grad():
        for learnt in (classifier.magnitude, classifier.margin, *classifier.confidence.parameters()):
            learnt.copy_(torch.randn(learnt.shape, generator=torch.Generator().manual_seed(1)))
    return classifier


@pytest.mark.parametrize("bias", [True, False])
def test_logits_are_those_of_the_paper(bias):
    classifier = drawn(nn.Linear(6, 4, bias=bias)).double()
    values = {name: value.numpy() for name, value in classifier.state_dict().items()}
    features = FEATURES.double()
    np.testing.assert_allclose(
        classifier(features).detach().numpy(), calibrated_logits(features.numpy(), values), rtol=1e-12
    )


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_before_training_logits_are_those_of_the_classifier_bit_for_bit(scale):
    linear = nn.Linear(6, 4)
    assert torch.equal(AdaptiveCalibration(linear)(scale * FEATURES), linear(scale * FEATURES))


def test_without_confidence_nothing_is_calibrated_and_with_it_every_logit():
    classifier = drawn(nn.Linear(6, 4))
    plain = classifier.linear(FEATURES)
    for bias, expected in ((-1e4, plain), (1e4, classifier.magnitude * plain + classifier.margin)):
        with torch.no_grad():
            classifier.confidence.bias.fill_(bias)
        torch.testing.assert_close(classifier(FEATURES), expected)


def test_its_layers_may_be_changed_to_other_features():
    classifier = drawn(nn.Linear(6, 4))

    def of_twice_the_features(layer):
        changed = copy.deepcopy(layer)
        with torch.no_grad():
            changed.weight.div_(2)
        return changed

    before = copy.deepcopy(classifier.state_dict())
    changed = classifier.with_layers(of_twice_the_features)
    torch.testing.assert_close(changed(2 * FEATURES), classifier(FEATURES))
    with torch.no_grad():
        changed.margin.add_(1)
    assert all(torch.equal(before[name], value) for name, value in classifier.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_it_has_the_dtype_of_the_classifier(dtype):
    linear, features = nn.Linear(5, 3, dtype=dtype), torch.randn(4, 5, dtype=dtype)
    assert torch.equal(AdaptiveCalibration(linear)(features), linear(features))


def test_it_has_the_device_of_the_classifier():
    calibrated = AdaptiveCalibration(nn.Linear(5, 3, device="meta"))
    assert {parameter.device.type for parameter in calibrated.parameters()} == {"meta"}


def test_another_layer_is_refused():
    with pytest.raises(TypeError, match="`linear` must be an nn.Linear. Got Sequential"):
        AdaptiveCalibration(nn.Sequential(nn.Linear(5, 3)))
