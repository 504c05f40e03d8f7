"""Which calls take the fused path."""

import copy
import pickle

import pytest
import torch
from torch.autograd import forward_ad

from longtail import GALALoss
from longtail.losses import BalancedSoftmaxLoss, ClassBalancedLoss, EQLLoss, EQLv2Loss, FocalLoss
from longtail.losses.fused.choice import fuses, fuses_draws
from longtail.losses.fused.library import NoKernelError, library

pytestmark = pytest.mark.skipif(isinstance(library(), NoKernelError), reason="no C compiler")


def rows(classes=1000, dtype=torch.float32):
    return torch.zeros(4, classes, dtype=dtype)


TARGET = torch.zeros(4, dtype=torch.int64)


def test_auto_takes_it_from_1000_classes_on():
    assert fuses("auto", rows(), TARGET)
    assert fuses("auto", rows(dtype=torch.bfloat16), TARGET)
    assert fuses("auto", rows(), rows())
    assert not fuses("auto", rows(999), TARGET)


@pytest.mark.parametrize(
    ("logits", "target"),
    [
        (rows(dtype=torch.float64), TARGET),
        (rows(dtype=torch.float16), TARGET),
        (torch.zeros(1000, 4).T, TARGET),
        (torch.zeros(4, 1000, 2), torch.zeros(4, 2, dtype=torch.int64)),
        (torch.zeros(1000), torch.tensor(0)),
        (rows(), rows(dtype=torch.float64)),
        (torch.zeros(0, 1000), TARGET[:0]),
        (torch.zeros(4, 1000, device="meta"), TARGET.to("meta")),
    ],
)
def test_auto_leaves_the_rest_to_the_plain_path(logits, target):
    assert not fuses("auto", logits, target)


def test_true_takes_it_at_any_size_and_false_never():
    assert fuses(True, rows(5), TARGET)
    assert not fuses(False, rows(), TARGET)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")  # make_dual calls it
def test_true_leaves_transforms_to_the_plain_path():
    taken = []
    torch.func.grad(lambda logits: (taken.append(fuses(True, logits, TARGET)), logits.sum())[1])(rows())
    with forward_ad.dual_level():
        taken.append(fuses(True, forward_ad.make_dual(rows(), rows()), TARGET))
    assert taken == [False, False]


def test_draws_are_fused_where_the_loss_is_for_any_target():
    assert fuses_draws("auto", rows().requires_grad_())
    assert fuses_draws(True, rows(5))
    assert not fuses_draws("auto", rows(5))
    assert not fuses_draws(False, rows())


def test_true_refuses_what_it_cannot_serve():
    with pytest.raises(
        ValueError, match=r"`logits` must be on the CPU or on a CUDA device with `fused=True`\. Got meta"
    ):
        fuses(True, torch.zeros(4, 1000, device="meta"), TARGET)
    with pytest.raises(TypeError, match=r"`logits` must be float32 or bfloat16 .* Got torch\.float16"):
        fuses(True, rows(dtype=torch.float16), TARGET)


@pytest.mark.parametrize(
    "make",
    [
        lambda classes, fused: FocalLoss(classes, label_smoothing=0.1, fused=fused),
        EQLv2Loss,
        lambda classes, fused: ClassBalancedLoss([2] * classes, gamma=1.0, fused=fused),
        lambda classes, fused: EQLLoss([2] * classes, label_smoothing=0.1, fused=fused),
    ],
)
def test_a_loss_that_is_not_cross_entropy_on_adjusted_logits_refuses_true(make):
    with pytest.raises(ValueError, match="it is not cross-entropy on adjusted logits"):
        make(5, fused=True)(rows(5).requires_grad_(), TARGET)


class Doubled(BalancedSoftmaxLoss):
    """Says only how logits are adjusted."""

    def adjust(self, logits, target):
        return 2 * super().adjust(logits, target)


def test_a_subclass_that_adjusts_otherwise_is_not_fused():
    logits = torch.randn(4, 1000, requires_grad=True)
    counts = range(1, 1001)
    assert torch.equal(Doubled(counts)(logits, TARGET), Doubled(counts, fused=False)(logits, TARGET))
    with pytest.raises(ValueError, match=r"`fused=True` must be left out for this Doubled"):
        Doubled(counts, fused=True)


def test_copies_keep_the_setting():
    criterion = GALALoss(5, fused=True)
    for other in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        assert other.fused is True
        assert other(rows(5).requires_grad_(), TARGET).isfinite()
