"""How the loss after a step depends on the weight of each sample in the step."""

import pytest
import torch
from torch import nn

from longtail.training.look_ahead import look_ahead_gradient


@pytest.mark.parametrize("with_bias", [True, False])
def test_it_is_the_derivative_by_the_weight_of_each_sample(with_bias):
    torch.manual_seed(1)
    classifier = nn.Linear(3, 2, bias=with_bias).double()
    x, y = torch.randn(5, 3, dtype=torch.float64), torch.tensor([0, 1, 1, 0, 1])
    others = torch.randn(4, 3, dtype=torch.float64), torch.tensor([0, 1, 0, 1])

    def loss_after(weights):
        logits = classifier(x)
        loss = (weights * nn.functional.cross_entropy(logits, y, reduction="none")).mean()
        learnt = list(classifier.parameters())
        after = [value - 0.3 * slope for value, slope in zip(learnt, torch.autograd.grad(loss, learnt), strict=True)]
        return nn.functional.cross_entropy(nn.functional.linear(others[0], *after), others[1]).item()

    gradient = look_ahead_gradient(classifier, nn.CrossEntropyLoss(), (x, y), others, rate=0.3)
    for sample, derivative in enumerate(gradient):
        shift = 1e-5 * torch.eye(5, dtype=torch.float64)[sample]
        slope = (loss_after(1 + shift) - loss_after(1 - shift)) / 2e-5
        assert derivative.item() == pytest.approx(slope, rel=1e-6, abs=1e-12)
    assert classifier.weight.grad is None
