"""Random numbers for each logit from a counter-based generator, whose key is drawn from PyTorch's.

PyTorch fills tensors on the CPU from a serial generator, three times as slowly. A draw depends on PyTorch's generator
alone: not on the number of threads, and for masks not on the processor.
"""

import ctypes

import torch
from torch import Tensor

from longtail.losses.fused.library import kernel

WORDS = 2**32  # values of a random word


def random_mask(shape: torch.Size, probability: float) -> Tensor:
    """Booleans that are true with a probability in [0, 1], which is rounded to a multiple of 2^−32."""
    threshold = round(probability * WORDS)
    if threshold == 0:
        return torch.zeros(shape, dtype=torch.bool)
    out = torch.empty(shape, dtype=torch.bool)
    _fill("random_mask", out, ctypes.c_uint32(threshold - 1))
    return out


def random_half_normals(shape: torch.Size, deviation: float) -> Tensor:
    """Absolute values of normal numbers with mean 0, float32; those above 3 standard deviations are set to these."""
    out = torch.empty(shape, dtype=torch.float32)
    _fill("random_half_normals", out, ctypes.c_float(deviation))
    return out


def random_words(key: int, count: int) -> Tensor:
    """The first words of a key, as int64: what the other draws are made from."""
    out = torch.empty(count, dtype=torch.int32)
    kernel().random_words(ctypes.c_uint64(key), ctypes.c_int64(count), ctypes.c_void_p(out.data_ptr()))
    return out.long() % WORDS


def _fill(name: str, out: Tensor, *settings: ctypes.c_uint32 | ctypes.c_float) -> None:
    key = int(torch.randint(-(2**63), 2**63 - 1, (), dtype=torch.int64))
    function = getattr(kernel(), name)
    function(ctypes.c_uint64(key), ctypes.c_int64(out.numel()), *settings, ctypes.c_void_p(out.data_ptr()))
