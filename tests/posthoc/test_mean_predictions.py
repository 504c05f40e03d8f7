import numpy as np
import pytest
import torch

from longtail.posthoc.mean_predictions import mean_predictions


def weighted(scale=1.0, classes=5, fits=3):
    generator = torch.Generator().manual_seed(0)
    logits = scale * torch.randn(60, classes, generator=generator, dtype=torch.float64)
    weight = torch.rand(60, fits, generator=generator, dtype=torch.float64)
    weight[:20, 0] = 0.0  # as of a fold that is left out
    return logits, weight / weight.sum(0), torch.randn(fits, classes, generator=generator, dtype=torch.float64)


def by_definition(logits, weight, offset):
    rows = [
        (w.log()[:, None] + (logits + o).log_softmax(1)).logsumexp(0) for w, o in zip(weight.T, offset, strict=True)
    ]
    partition = [
        (w * ((logits + o).logsumexp(1) - logits.amax(1))).sum() for w, o in zip(weight.T, offset, strict=True)
    ]
    squares = [
        (w.log()[:, None] + 2 * (logits + o).log_softmax(1)).logsumexp(0) for w, o in zip(weight.T, offset, strict=True)
    ]
    return torch.stack(rows), torch.stack(partition), (torch.stack(squares) - torch.stack(rows)).exp()


def in_blocks(logits, weight):
    return lambda: zip(logits.split(25), weight.split(25), strict=True)


@pytest.mark.parametrize(("precision", "error"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_sums_are_those_of_the_definition(precision, error, scale):
    logits, weight, offset = weighted(scale)
    got = mean_predictions(in_blocks(logits, weight), offset, precision)
    mean, partition, concentration = by_definition(logits, weight, offset)
    np.testing.assert_allclose(got.log_mean, mean, atol=error)
    np.testing.assert_allclose(got.log_partition, partition, atol=error * scale)
    np.testing.assert_allclose(got.concentration, concentration, atol=error)


@pytest.mark.parametrize("precision", [torch.float64, torch.float32])
@pytest.mark.parametrize("where", ["logits", "offset", "logits of one block"])
def test_nothing_underflows(precision, where):
    logits, weight, offset = weighted()
    if where == "logits":
        logits[:, 1] -= 3000.0
    elif where == "offset":
        offset[:, 1] += 3000.0
    else:
        logits[:25, 1] -= 200.0
        offset[:, 1] += 200.0
    got = mean_predictions(in_blocks(logits, weight), offset, precision)
    mean, partition, concentration = by_definition(logits, weight, offset)
    np.testing.assert_allclose(got.log_mean, mean, atol=2e-6)
    np.testing.assert_allclose(got.log_partition, partition, rtol=torch.finfo(precision).eps, atol=2e-6)
    np.testing.assert_allclose(got.concentration, concentration, atol=2e-6)


def test_a_class_that_takes_no_part_gets_nothing():
    logits, weight, offset = weighted()
    offset[1, 2] = -torch.inf
    got = mean_predictions(in_blocks(logits, weight), offset)
    assert got.log_mean[1, 2] == -torch.inf
    np.testing.assert_allclose(got.log_mean, by_definition(logits, weight, offset)[0])
    assert got.concentration[1, 2] == 0


def test_data_is_read_once_where_nothing_underflows():
    logits, weight, offset = weighted()
    passes = []

    def blocks():
        passes.append(1)
        return in_blocks(logits, weight)()

    mean_predictions(blocks, offset, torch.float32)
    assert len(passes) == 1
