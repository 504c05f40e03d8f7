import torch

from longtail.autocast import autocast_dtype, without_autocast


def test_a_block_without_autocast_has_the_precision_of_its_factors():
    factor = torch.tensor([[1 + 2.0**-12]])
    assert autocast_dtype("cpu") is None
    with torch.autocast("cpu", torch.bfloat16):
        assert autocast_dtype("cpu") == torch.bfloat16
        assert (factor @ factor).dtype == torch.bfloat16
        with without_autocast("cpu"):
            assert autocast_dtype("cpu") is None
            assert (factor @ factor).item() == torch.mm(factor, factor).item() > 1
    with without_autocast("cpu"):
        assert (factor @ factor).dtype == torch.float32
