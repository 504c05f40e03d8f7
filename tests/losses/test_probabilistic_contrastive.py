"""Probabilistic contrastive loss: the formula, its precision, what it learns, and its errors."""

import copy

import pytest
import torch
from torch.nn import functional as F

from longtail.losses import ProbabilisticContrastiveLoss, expected_similarities
from reference.probabilistic_contrastive import probabilistic_contrastive

COUNTS = [50, 20, 15, 10, 5]
PRIOR = torch.tensor(COUNTS, dtype=torch.float64) / sum(COUNTS)
TARGET = torch.tensor([0, 0, 1, 2, 3, 4, 4, 0])
LENGTHS = torch.tensor([0.0, 1e-4, 0.3, 0.9, 0.9999], dtype=torch.float64)


def views_and_means(dimensions: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(len(TARGET) + len(COUNTS), dimensions, generator=generator, dtype=torch.float64)
    rows = F.normalize(drawn, dim=1)
    return rows[: len(TARGET)].to(dtype), (rows[len(TARGET) :] * LENGTHS[:, None]).to(dtype)


def losses_of(logits: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits + PRIOR.log().to(logits.dtype), TARGET, reduction="none")


@pytest.mark.parametrize("temperature", [0.07, 1.0])
@pytest.mark.parametrize(("dimensions", "error"), [(16, 1e-5), (32, 1e-6), (128, 1e-9), (1024, 1e-9)])
def test_it_equals_the_formula(dimensions, error, temperature):
    views, means = views_and_means(dimensions)
    if dimensions == 1024:  # of smaller concentrations the Bessel function of scipy is 0
        means = F.normalize(means + 1e-3, dim=1) * torch.linspace(0.3, 0.9999, 5, dtype=torch.float64)[:, None]
    found = losses_of(expected_similarities(views, means, temperature=temperature))
    expected = probabilistic_contrastive(views, TARGET.tolist(), means, PRIOR.tolist(), temperature)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0.0, atol=error)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_float32_is_as_precise_as_its_logits(temperature):
    views, means = views_and_means(128)
    exact = expected_similarities(views, means, temperature=temperature)
    found = expected_similarities(views.float(), means.float(), temperature=temperature)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=2e-6, atol=2e-6)


def test_half_precision_is_computed_in_float32():
    views, means = views_and_means(16, torch.bfloat16)
    found = expected_similarities(views, means)
    torch.testing.assert_close(found, expected_similarities(views.float(), means.float()))


def test_autocast_does_not_round_similarities():
    views, means = views_and_means(16, torch.float32)
    expected = expected_similarities(views, means)
    with torch.autocast("cpu", torch.bfloat16):
        found = expected_similarities(views, means)
    torch.testing.assert_close(found, expected, rtol=0.0, atol=0.0)


def test_gradients_are_those_of_the_formula():
    views, means = views_and_means(16)
    views.requires_grad_()
    means.requires_grad_()
    assert torch.autograd.gradcheck(lambda own: expected_similarities(own, means.detach()), (views,))
    expected_similarities(views, means).sum().backward()
    assert means.grad is None


def test_a_class_of_which_nothing_is_known_fits_all_views_alike():
    views, means = views_and_means(16)
    logits = expected_similarities(views, torch.zeros_like(means))
    torch.testing.assert_close(logits, logits[:1, :1].expand_as(logits))


@pytest.mark.parametrize("kappa", [0.0, 5.0])
def test_it_is_the_expectation_over_views_of_the_class(kappa):
    """Against views drawn from the distribution by rejection: densities are highest at μ."""
    generator = torch.Generator().manual_seed(0)
    drawn = F.normalize(torch.randn(2_000_000, 16, generator=generator), dim=1)
    kept = drawn[torch.rand(len(drawn), generator=generator) < ((drawn[:, 0] - 1) * kappa).exp()]
    views = torch.eye(16)[:2]
    found = expected_similarities(views, kept.mean(0, keepdim=True), temperature=0.5)
    sampled = (kept @ views.T / 0.5).exp().mean(0).log()[:, None]
    torch.testing.assert_close(found, sampled, rtol=0.0, atol=2e-2)


def test_means_of_length_1_are_those_of_the_largest_concentration():
    views, means = views_and_means(16)
    single = F.normalize(means[2:], dim=1)
    found = expected_similarities(views, single)
    shorter = expected_similarities(views, single * (1 - 1e-9))
    torch.testing.assert_close(found, shorter, rtol=1e-6, atol=1e-6)
    assert found.isfinite().all()


def test_it_is_compiled_as_one_graph():
    views, means = views_and_means(16)
    compiled = torch.compile(expected_similarities, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(views, means), expected_similarities(views, means))


def mean_of(views: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return torch.stack([views[target == c].mean(0) if (target == c).any() else views[0] * 0 for c in range(5)])


def test_a_pass_uses_the_means_of_the_passes_before():
    criterion = ProbabilisticContrastiveLoss(COUNTS, dimensions=16, temperature=0.5)
    batches = torch.randn(3, len(TARGET), 16, generator=torch.Generator().manual_seed(1))
    batches = F.normalize(batches, dim=2).requires_grad_()
    for step, views in enumerate(batches):
        before = batches[:step].detach().flatten(0, 1)
        means = mean_of(before, TARGET.repeat(step)) if step else torch.zeros(5, 16)
        expected = probabilistic_contrastive(views.detach(), TARGET.tolist(), means, PRIOR.tolist(), 0.5)
        torch.testing.assert_close(
            criterion(views, TARGET).double(), torch.tensor(expected).double(), rtol=0, atol=2e-5
        )
    torch.testing.assert_close(criterion.means(), mean_of(batches.detach().flatten(0, 1), TARGET.repeat(3)))


def test_means_are_those_of_the_last_two_epochs():
    criterion = ProbabilisticContrastiveLoss(COUNTS, dimensions=16)
    epochs = F.normalize(torch.randn(4, len(TARGET), 16, generator=torch.Generator().manual_seed(1)), dim=2)
    for number, views in enumerate(epochs, start=1):
        criterion.set_epoch(number)
        criterion(views.clone().requires_grad_(), TARGET)
        criterion.set_epoch(number)  # as after a checkpoint was loaded
        last = epochs[max(number - 2, 0) : number]
        torch.testing.assert_close(criterion.means(), mean_of(last.flatten(0, 1), TARGET.repeat(len(last))))


def test_a_checkpoint_goes_on_within_its_epoch():
    criterion, views = ProbabilisticContrastiveLoss(COUNTS, dimensions=16), views_and_means(16, torch.float32)[0]
    for epoch in (1, 2):
        criterion.set_epoch(epoch)
        criterion(views.requires_grad_(), TARGET)
    loaded = ProbabilisticContrastiveLoss(COUNTS, dimensions=16)
    loaded.load_state_dict(copy.deepcopy(criterion.state_dict()))
    loaded.set_epoch(2)
    for name, buffer in criterion.named_buffers():
        assert torch.equal(loaded.get_buffer(name), buffer)
    loaded.set_epoch(3)
    assert not loaded.samples.any()


@pytest.mark.parametrize("rest", ["no_grad", "eval", "paused"])
def test_it_learns_in_training_with_gradients_alone(rest):
    criterion, views = ProbabilisticContrastiveLoss(COUNTS, dimensions=16), views_and_means(16)[0]
    if rest == "paused":
        with criterion.pause_statistics():
            criterion(views.requires_grad_(), TARGET)
    elif rest == "no_grad":
        with torch.no_grad():
            criterion(views, TARGET)
    else:
        criterion.eval()(views.requires_grad_(), TARGET)
    assert not criterion.samples.any()


def test_passes_of_a_step_use_the_same_means_and_add_up():
    whole, parts = (ProbabilisticContrastiveLoss(COUNTS, dimensions=16) for _ in range(2))
    views = views_and_means(16, torch.float32)[0].requires_grad_()
    for _ in range(2):
        expected = whole(views, TARGET)
        with parts.one_step():
            found = [parts(views[own], TARGET[own]) for own in (slice(0, 3), slice(3, 8))]
        torch.testing.assert_close(torch.cat(found), expected)
    torch.testing.assert_close(parts.means(), whole.means())


def test_views_that_are_not_finite_are_not_learnt():
    criterion, views = ProbabilisticContrastiveLoss(COUNTS, dimensions=16), views_and_means(16, torch.float32)[0]
    broken = views.clone()
    broken[0, 3], broken[6, 0] = torch.nan, torch.inf
    criterion(broken.requires_grad_(), TARGET)
    kept = torch.tensor([1, 2, 3, 4, 5, 7])
    torch.testing.assert_close(criterion.means(), mean_of(views[kept], TARGET[kept]))


def test_it_refuses_to_learn_within_vmap():
    criterion, views = ProbabilisticContrastiveLoss(COUNTS, dimensions=16), views_and_means(16, torch.float32)[0]
    groups = torch.stack([views, views]).requires_grad_()
    mapped = torch.func.vmap(lambda own: criterion(own, TARGET))
    with pytest.raises(RuntimeError, match="must not update its statistics within `torch.func.vmap`"):
        mapped(groups)
    assert criterion.sums.shape == (5, 16)
    assert not criterion.samples.any()
    with criterion.pause_statistics():
        torch.testing.assert_close(mapped(groups), torch.stack([criterion(views, TARGET)] * 2))


def test_buffers_stay_in_float32():
    criterion = ProbabilisticContrastiveLoss(COUNTS, dimensions=16).half()
    assert criterion.sums.dtype == torch.float32
    criterion(views_and_means(16, torch.float16)[0].requires_grad_(), TARGET)
    assert criterion.sums.dtype == criterion.samples.dtype == torch.float32


@pytest.mark.parametrize("name", ["projections", "means"])
def test_what_is_no_tensor_is_refused(name):
    views, means = views_and_means(16)
    arguments = {"projections": views, "means": means}
    with pytest.raises(TypeError, match=f"`{name}` must be a tensor. Got list"):
        expected_similarities(**(arguments | {name: arguments[name].tolist()}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 0.0}, "`temperature` must be finite and greater than 0. Got 0.0"),
        ({"projections": torch.zeros(8, 8), "means": torch.zeros(5, 8)}, "`projections` must have at least 16 columns"),
        ({"means": torch.zeros(5, 17)}, "`means` must have as many columns as `projections`, 16. Got 17"),
        ({"projections": torch.zeros(16)}, r"`projections` must be floating point of two dimensions. Got .*\(16,\)"),
    ],
)
def test_wrong_arguments_of_the_function_are_refused(changes, message):
    views, means = views_and_means(16)
    with pytest.raises(ValueError, match=message):
        expected_similarities(**{"projections": views, "means": means, **changes})


def test_wrong_arguments_of_the_module_are_refused():
    with pytest.raises(ValueError, match="`dimensions` must be at least 16. Got 8"):
        ProbabilisticContrastiveLoss(COUNTS, dimensions=8)
    with pytest.raises(ValueError, match="`temperature` must be finite and greater than 0"):
        ProbabilisticContrastiveLoss(COUNTS, dimensions=16, temperature=-1.0)
    with pytest.raises(ValueError, match="`class_counts`"):
        ProbabilisticContrastiveLoss([3, -1], dimensions=16)
    criterion, views = ProbabilisticContrastiveLoss(COUNTS, dimensions=16), views_and_means(16)[0]
    with pytest.raises(ValueError, match="`means` must have as many columns as `projections`, 17. Got 16"):
        criterion(torch.zeros(8, 17), TARGET)
    with pytest.raises(ValueError, match=r"`target` must have the shape \(8,\). Got \(3,\)"):
        criterion(views, TARGET[:3])
    with pytest.raises(ValueError, match="`target`"):
        criterion(views, TARGET + 3)


@pytest.mark.parametrize(
    ("epoch", "message"),
    [(-1, "`epoch` must be at least 0. Got -1"), (1.5, "`epoch` must be an integer. Got 1.5"), ("2", "Got '2'")],
)
def test_an_epoch_that_is_no_number_of_one_is_refused_and_forgets_nothing(epoch, message):
    criterion = ProbabilisticContrastiveLoss(COUNTS, dimensions=16)
    criterion(views_and_means(16, torch.float32)[0].requires_grad_(), TARGET)
    with pytest.raises((ValueError, TypeError), match=message):
        criterion.set_epoch(epoch)
    assert criterion.samples.sum() == len(TARGET)
    assert criterion.epoch == 0
