"""When a loss takes the fused path: where it can, and by default only where it pays."""

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from longtail.losses.fused.library import NoKernelError, library

FEWEST_CLASSES = 1000  # below, the plain path is about as fast, and results stay what they have been
DTYPES = (torch.float32, torch.bfloat16)


def check_fused(fused: object) -> None:
    """Raise unless the setting is one, and with `True` unless there is a kernel (compiled now if need be).

    Raises:
        ValueError: another setting.
        NoKernelError: `True`, and there is no kernel; says why.
    """
    if fused not in ("auto", True, False) or not isinstance(fused, str | bool):
        raise ValueError(f'`fused` must be "auto", True or False. Got {fused!r}.')
    if fused is True and isinstance(problem := library(), NoKernelError):
        raise NoKernelError(f'`fused=True` needs a compiled kernel, but {problem} Or set `fused="auto"`.')


def refuse_without_margins(fused: bool | str, loss: object) -> None:
    """Raise if the fused path is wanted of a loss that has none.

    Raises:
        ValueError: it is.
    """
    if fused is True:
        raise ValueError(
            f"`fused=True` must be left out for this {type(loss).__name__}: it is not cross-entropy on logits that are "
            'shifted or scaled by class. Set `fused="auto"`.'
        )


def fuses(fused: bool | str, logits: Tensor, target: Tensor) -> bool:
    """Whether this call takes the fused path.

    Compiled graphs, exported programs, transforms of `torch.func`, forward-mode differentiation, tensor subclasses,
    empty batches and targets with a gradient take the plain path whatever the setting.

    Raises:
        TypeError, ValueError: `True`, and the logits are of a dtype or device that the kernel is not made for.
    """
    if fused is False or torch.compiler.is_compiling():
        return False
    if fused == "auto" and not _pays(logits, target):
        return False
    if target.requires_grad or not logits.numel() or is_special(logits) or is_special(target):
        return False
    if fused is True:
        _check_logits(logits)
    return not isinstance(library(), NoKernelError)


def _pays(logits: Tensor, target: Tensor) -> bool:
    if logits.dim() != 2 or logits.shape[1] < FEWEST_CLASSES or logits.stride(1) != 1:
        return False
    kinds = logits.dtype in DTYPES and target.dtype in (torch.int64, torch.float32, logits.dtype)
    return kinds and logits.device.type == target.device.type == "cpu"


def is_special(tensor: Tensor) -> bool:
    """Whether only operations of PyTorch itself can take it: a subclass, or one that is traced or transformed."""
    if type(tensor) not in (Tensor, nn.Parameter) or tensor.is_neg():
        return True
    dual = forward_ad.unpack_dual(tensor).tangent is not None  # type: ignore[no-untyped-call]
    tracing = torch._C._get_tracing_state() is not None
    return dual or tracing or torch._C._are_functorch_transforms_active()


def _check_logits(logits: Tensor) -> None:
    if logits.device.type != "cpu":
        raise ValueError(
            f'`logits` must be on the CPU with `fused=True`. Got {logits.device}. Set `fused="auto"`, which takes the '
            "plain path elsewhere."
        )
    if logits.dtype not in DTYPES:
        raise TypeError(
            f'`logits` must be float32 or bfloat16 with `fused=True`. Got {logits.dtype}. Set `fused="auto"`, which '
            "takes the plain path for other dtypes."
        )
