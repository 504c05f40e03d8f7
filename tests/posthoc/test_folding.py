"""Which layers count as Wx + b is tried on them."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from longtail.posthoc.folding import folded

OFFSET = np.array([-1.0, 0.25, 0.75])


class Plain(nn.Linear):
    """Another library's layer that computes the same."""

    def forward(self, input):
        return input @ self.weight.T + self.bias if self.bias is not None else input @ self.weight.T


class Cosine(nn.Linear):
    def forward(self, input):
        return nn.functional.linear(nn.functional.normalize(input), nn.functional.normalize(self.weight), self.bias)


class Clipped(nn.Linear):
    def forward(self, input):
        return super().forward(input).clamp(-15, 15)


class IgnoresBias(nn.Linear):
    def forward(self, input):
        return nn.functional.linear(input, self.weight)


class LowRank(nn.Linear):
    """As LoRA begins: the second factor is 0, so that it computes Wx + b before training."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.lora_a, self.lora_b = nn.Parameter(torch.randn(2, sizes[0])), nn.Parameter(torch.zeros(sizes[1], 2))

    def forward(self, input):
        return super().forward(input) + input @ self.lora_a.T @ self.lora_b.T


class Tuple(nn.Linear):
    def forward(self, input):
        return super().forward(input), None


def replaced():
    layer = nn.Linear(4, 3)
    layer.forward = lambda input: input[:, :3]
    return layer


def quantised():
    layer = nn.Linear(4, 3)
    layer.weight = nn.Parameter(layer.weight.to(torch.int8), requires_grad=False)
    return layer


@pytest.mark.parametrize("kind", [nn.Linear, Plain, nn.modules.linear.NonDynamicallyQuantizableLinear])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_subclasses_count_by_what_they_compute(kind, bias, dtype):
    layer, inputs = kind(300, 3, bias=bias).to(dtype), torch.randn(16, 300).to(dtype)
    found, wanted = folded(layer, OFFSET, 2.0)(inputs), (layer(inputs).double() + torch.tensor(OFFSET)) / 2
    assert type(folded(layer, OFFSET)) is kind
    torch.testing.assert_close(found, wanted.to(dtype), atol=20 * torch.finfo(dtype).eps, rtol=0)


REFUSED = {
    "a cosine": (lambda: Cosine(4, 3), "Cosine computes something else"),
    "clipped logits": (lambda: Clipped(4, 3), "Clipped computes something else"),
    "a bias that is not used": (lambda: IgnoresBias(4, 3), "IgnoresBias computes something else"),
    "a bias that would not be used": (lambda: IgnoresBias(4, 3, bias=False), "IgnoresBias ignores it"),
    "LoRA": (lambda: LowRank(4, 3), "no parameters but weight and bias. Got weight, bias, lora_a, lora_b"),
    "two outputs": (lambda: Tuple(4, 3), "Tuple computes something else"),
    "a replaced forward": (replaced, "must hold plain parameters"),
    "weight norm": (lambda: parametrizations.weight_norm(nn.Linear(4, 3)), "must hold plain parameters"),
    "a lazy layer": (lambda: nn.LazyLinear(3), "Got a lazy layer: call the model once first"),
    "the device meta": (lambda: nn.Linear(4, 3, device="meta"), "on the meta device: load them first"),
    "integers": (quantised, "must not be quantised. Got a weight of torch.int8"),
    "a 3 × 3 convolution": (lambda: nn.Conv2d(4, 3, 3), "must be a 1 × 1 convolution"),
    "a stride": (lambda: nn.Conv2d(4, 3, 1, stride=2), "must be a 1 × 1 convolution"),
    "groups": (lambda: nn.Conv2d(3, 3, 1, groups=3), "must be a 1 × 1 convolution"),
    "padding": (lambda: nn.Conv1d(4, 3, 1, padding=1), "must be a 1 × 1 convolution"),
    "another layer": (lambda: nn.Bilinear(4, 4, 3), "an nn.Linear or a 1 × 1 convolution"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_computes_something_else_is_refused(name):
    make, message = REFUSED[name]
    with pytest.raises(TypeError, match=message):
        folded(make(), OFFSET)


def test_a_result_that_overflows_is_refused():
    with pytest.raises(ValueError, match="dtype torch.float16 overflows: use float32"):
        folded(nn.Linear(4, 3).half(), 1e6 * OFFSET)


def test_an_offset_that_is_not_finite_is_refused():
    with pytest.raises(
        ValueError, match="a finite offset for each class. Got -inf for class 2: is its target prior 0?"
    ):
        folded(nn.Linear(4, 3), np.array([0.5, 0.0, -np.inf]))


def test_the_random_state_is_left_alone():
    layer, state = nn.Linear(4, 3), torch.get_rng_state()
    folded(layer, OFFSET)
    assert torch.equal(torch.get_rng_state(), state)
