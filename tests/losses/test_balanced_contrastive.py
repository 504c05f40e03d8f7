"""Balanced contrastive loss: the formula, what it is invariant to, its precision and its errors."""

import pytest
import torch
from torch.nn import functional as F

from longtail.losses import balanced_contrastive_loss
from reference.balanced_contrastive import balanced_contrastive

TARGET = torch.tensor([0, 0, 0, 2, 2, 1, 0, 0, 0, 2, 2, 1])  # of two views; no sample has class 3
CLASSES, WIDTH = 4, 5


def batch(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(len(TARGET) + CLASSES, WIDTH, generator=generator, dtype=torch.float64)
    rows = F.normalize(drawn, dim=1).to(dtype)
    return rows[: len(TARGET)], rows[len(TARGET) :]


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_it_equals_the_formula(temperature):
    projections, centres = batch()
    found = balanced_contrastive_loss(projections, TARGET, centres, temperature=temperature)
    expected = balanced_contrastive(projections, TARGET.tolist(), centres, temperature)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0.0)


def test_a_single_view_has_its_centre_alone():
    projections, centres = batch()
    found = balanced_contrastive_loss(projections[:1], TARGET[:1], centres, temperature=0.5)
    torch.testing.assert_close(found, F.cross_entropy(projections[:1] @ centres.T / 0.5, TARGET[:1], reduction="none"))


def test_the_order_of_the_views_does_not_matter():
    projections, centres = batch()
    order = torch.randperm(len(TARGET), generator=torch.Generator().manual_seed(1))
    found = balanced_contrastive_loss(projections[order], TARGET[order], centres)
    torch.testing.assert_close(found, balanced_contrastive_loss(projections, TARGET, centres)[order])


def test_more_copies_of_a_class_do_not_weigh_more_against_others():
    """Class averaging: the loss of a class stays the same if all views and the centre of another are doubled."""
    projections = F.normalize(torch.tensor([[1.0, 0.2], [0.1, 1.0]], dtype=torch.float64), dim=1)
    centres, target = torch.stack([projections[0], projections[1]]), torch.tensor([0, 1])
    once = balanced_contrastive_loss(projections, target, centres)
    often = balanced_contrastive_loss(projections[[0, 1, 1, 1]], target[[0, 1, 1, 1]], centres)
    torch.testing.assert_close(often[0], once[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_sums_are_in_float32_at_least(dtype):
    projections, centres = batch(dtype)
    found = balanced_contrastive_loss(projections, TARGET, centres, temperature=0.01)
    expected = balanced_contrastive_loss(projections.double(), TARGET, centres.double(), temperature=0.01)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


def test_autocast_does_not_round_similarities():
    projections, centres = batch(torch.float32)
    expected = balanced_contrastive_loss(projections, TARGET, centres)
    with torch.autocast("cpu", torch.bfloat16):
        found = balanced_contrastive_loss(projections, TARGET, centres)
    torch.testing.assert_close(found, expected, rtol=0.0, atol=0.0)


def test_gradients_are_those_of_the_formula():
    projections, centres = (tensor.requires_grad_() for tensor in batch())
    assert torch.autograd.gradcheck(
        lambda views, means: balanced_contrastive_loss(views, TARGET, means, temperature=0.5), (projections, centres)
    )


def test_it_is_compiled_as_one_graph():
    projections, centres = batch()
    compiled = torch.compile(balanced_contrastive_loss, fullgraph=True, backend="eager")
    torch.testing.assert_close(
        compiled(projections, TARGET, centres), balanced_contrastive_loss(projections, TARGET, centres)
    )


@pytest.mark.parametrize("name", ["projections", "target", "centres"])
def test_what_is_no_tensor_is_refused(name):
    projections, centres = batch()
    arguments = {"projections": projections, "target": TARGET, "centres": centres}
    with pytest.raises(TypeError, match=f"`{name}` must be a tensor. Got list"):
        balanced_contrastive_loss(**(arguments | {name: arguments[name].tolist()}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 0.0}, "`temperature` must be finite and greater than 0. Got 0.0"),
        ({"target": TARGET[:3]}, r"`target` must have the shape \(12,\). Got \(3,\)"),
        ({"target": TARGET + 2}, "`target`"),
        ({"centres": torch.zeros(4, 3)}, "`centres` must have as many columns as `projections`, 5. Got 3"),
        ({"projections": torch.zeros(12)}, r"`projections` must be floating point of two dimensions. Got .*\(12,\)"),
        ({"centres": torch.zeros(4, 5, dtype=torch.int64)}, "`centres` must be floating point of two dimensions"),
    ],
)
def test_wrong_arguments_are_refused(changes, message):
    projections, centres = batch()
    arguments = {"projections": projections, "target": TARGET, "centres": centres, **changes}
    with pytest.raises(ValueError, match=message):
        balanced_contrastive_loss(**arguments)
