import itertools

import pytest
import torch
from torch.nn import functional as F

from longtail.losses.cross_entropy import cross_entropy_from_log_probs

WEIGHT = torch.tensor([0.2, 1.0, 0.0, 3.0])


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 2, 3), (4,)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("ignore_index", [-100, 2, 255])
def test_equals_cross_entropy_of_the_logits(shape, reduction, ignore_index):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64)
    dim = 1 if len(shape) > 1 else 0
    index = torch.randint(0, 4, (*shape[:dim], *shape[dim + 1 :]), generator=generator)
    if len(shape) > 1:
        index[::3] = ignore_index
    soft = torch.rand(shape, generator=generator, dtype=torch.float64).softmax(dim)
    for weight, smoothing in itertools.product([None, WEIGHT.double()], [0.0, 0.3]):
        for target in (index, soft):
            if target is soft and ignore_index >= 0:
                continue
            arguments = {
                "weight": weight,
                "reduction": reduction,
                "label_smoothing": smoothing,
                "ignore_index": ignore_index,
            }
            got = cross_entropy_from_log_probs(logits.log_softmax(dim), target, **arguments)
            torch.testing.assert_close(got, F.cross_entropy(logits, target, **arguments), equal_nan=True)
