"""Random numbers for each logit from a counter-based generator, whose key is drawn from PyTorch's.

PyTorch fills tensors on the CPU from a serial generator, three times as slowly. A draw depends on PyTorch's generator
alone: not on the number of threads, and for masks not on the processor.
"""

import ctypes

import torch
from torch import Tensor

from longtail.losses.fused.library import kernel

WORDS = 2**32  # values of a random word


def random_mask(logits: Tensor, probability: float) -> Tensor:
    """Ones with a probability in [0, 1], which is rounded to a multiple of 2^−32, else zeros; of the logits' shape.

    They are uint8, since graphs convert booleans to numbers ten times as slowly.
    """
    if torch.compiler.is_compiling():
        found: Tensor = _mask_operator(logits.detach(), probability)
        return found
    return _mask_like(logits, probability)


def random_half_normals(logits: Tensor, deviation: float) -> Tensor:
    """Absolute values of normal numbers with mean 0, float32, of the shape of the logits.

    Those above 3 standard deviations are set to these.
    """
    if torch.compiler.is_compiling():
        found: Tensor = _half_normals_operator(logits.detach(), deviation)
        return found
    return _half_normals_like(logits, deviation)


def random_words(key: int, count: int) -> Tensor:
    """The first words of a key, as int64: what the other draws are made from."""
    out = torch.empty(count, dtype=torch.int32)
    kernel().random_words(ctypes.c_uint64(key), ctypes.c_int64(count), ctypes.c_void_p(out.data_ptr()))
    return out.long() % WORDS


def _fill(name: str, out: Tensor, *settings: ctypes.c_uint32 | ctypes.c_float) -> None:
    key = int(torch.randint(-(2**63), 2**63 - 1, (), dtype=torch.int64))
    function = getattr(kernel(), name)
    function(ctypes.c_uint64(key), ctypes.c_int64(out.numel()), *settings, ctypes.c_void_p(out.data_ptr()))


def _mask_like(logits: Tensor, probability: float) -> Tensor:
    threshold = round(float(probability) * WORDS)
    if threshold == 0:
        return torch.zeros(logits.shape, dtype=torch.uint8)
    out = torch.empty(logits.shape, dtype=torch.uint8)
    _fill("random_mask", out, ctypes.c_uint32(threshold - 1))
    return out


def _half_normals_like(logits: Tensor, deviation: float) -> Tensor:
    out = torch.empty(logits.shape, dtype=torch.float32)
    _fill("random_half_normals", out, ctypes.c_float(deviation))
    return out


# The tag keeps the compiler from taking one draw for another, or repeating it.
@torch.library.custom_op(
    "longtail::random_mask", mutates_args=(), device_types="cpu", tags=(torch.Tag.nondeterministic_seeded,)
)
def _mask_operator(logits: Tensor, probability: float) -> Tensor:
    return _mask_like(logits, probability)


@torch.library.custom_op(
    "longtail::random_half_normals", mutates_args=(), device_types="cpu", tags=(torch.Tag.nondeterministic_seeded,)
)
def _half_normals_operator(logits: Tensor, deviation: float) -> Tensor:
    return _half_normals_like(logits, deviation)


@_mask_operator.register_fake
def _shape_of_mask(logits: Tensor, probability: float) -> Tensor:
    return logits.new_empty(logits.shape, dtype=torch.uint8)


@_half_normals_operator.register_fake
def _shape_of_half_normals(logits: Tensor, deviation: float) -> Tensor:
    return logits.new_empty(logits.shape, dtype=torch.float32)
