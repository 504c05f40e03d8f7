"""Classifiers are described by name and built again from it."""

import re

import pytest
import torch
from torch import nn

from longtail.models import (
    CLASSIFIERS,
    AdaptiveCalibration,
    ClassifierKind,
    CosineClassifier,
    NearestMeans,
    Network,
    build_classifier,
    describe_classifier,
)

HEADS = {
    "linear": nn.Linear(6, 4),
    "without bias": nn.Linear(6, 4, bias=False),
    "cosine": CosineClassifier(6, 4, scale=20.1),
    "nearest-mean": NearestMeans(torch.randn(6), torch.randn(4, 6)),
    "calibrated": AdaptiveCalibration(nn.Linear(6, 4)),
    "calibrated without bias": AdaptiveCalibration(nn.Linear(6, 4, bias=False)),
}


class TwoLayers(nn.Sequential):
    """A classifier of another package, which has no attribute `weight`."""

    def __init__(self, num_features, num_classes, width=5):
        super().__init__(nn.Linear(num_features, width), nn.ReLU(), nn.Linear(width, num_classes))


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_classifier_is_built_again_from_its_description(head):
    told = describe_classifier(head)
    built = build_classifier(told.pop("classifier"), 6, 4, told)
    built.load_state_dict(head.state_dict())
    features = torch.randn(3, 6)
    assert type(built) is type(head)
    assert torch.equal(built(features), head(features))


def test_one_of_another_package_is_registered_by_one_line(monkeypatch):
    head = TwoLayers(6, 4, width=7)
    told = describe_classifier(head)
    assert told["classifier"].endswith("test_classifiers.TwoLayers")
    with pytest.raises(ValueError, match=r"must be registered in longtail.models.CLASSIFIERS \(linear, .*TwoLayers"):
        build_classifier(told["classifier"], 6, 4, {})
    kind = ClassifierKind(TwoLayers, TwoLayers, lambda head: {"width": head[0].out_features})
    monkeypatch.setitem(CLASSIFIERS, "two-layers", kind)
    assert describe_classifier(head) == {"classifier": "two-layers", "width": 7}
    build_classifier("two-layers", 6, 4, {"width": 7}).load_state_dict(head.state_dict())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_network_ends_with_any_module(dtype):
    head = TwoLayers(6, 4).to(dtype)
    logits = Network(nn.Identity(), head)(torch.randn(3, 6))
    assert logits.shape == (3, 4)
    assert logits.dtype == dtype
    assert re.match("Sequential|TwoLayers", repr(head))
