"""When a loss takes the fused path: where it can, and by default only where it pays."""

from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from longtail.losses.fused.library import NoKernelError, library

FEWEST_CLASSES = 1000  # below, the plain path is about as fast, and results stay what they have been
FEWEST_LOGITS_IN_GRAPHS = 250_000  # below, calling an operator of our own costs about what it saves
DTYPES = (torch.float32, torch.bfloat16)


def check_fused(fused: object) -> None:
    """Check the setting, and for `True` that this machine has a kernel: Triton's on a GPU, else the compiled one.

    Without a GPU the kernel is compiled here, if it is not in the cache.

    Raises:
        ValueError: not "auto", True or False.
        NoKernelError: `True`, and there is no kernel; the message says why.
    """
    if fused not in ("auto", True, False) or not isinstance(fused, str | bool):
        raise ValueError(f'`fused` must be "auto", True or False. Got {fused!r}.')
    if fused is True and not (torch.cuda.is_available() and find_spec("triton")):
        _check_kernel()


def _check_kernel() -> None:
    if isinstance(problem := library(), NoKernelError):
        raise NoKernelError(f'`fused=True` needs a compiled kernel, but {problem} Or set `fused="auto"`.')


def refuse_without_margins(fused: bool | str, loss: object) -> None:
    """Raise for `fused=True` of a loss without a fused path.

    Raises:
        ValueError: `fused` is `True`.
    """
    if fused is True:
        raise ValueError(
            f"`fused=True` must be left out for this {type(loss).__name__}: it is not cross-entropy on adjusted "
            'logits. Set `fused="auto"`.'
        )


def fuses(fused: bool | str, logits: Tensor, target: Tensor) -> bool:
    """Whether this call takes the fused path.

    Exported programs, transforms of `torch.func`, forward-mode differentiation, tensor subclasses, empty batches and
    targets with a gradient take the plain path whatever the setting; on a GPU so do graphs, and probabilities as
    targets.

    Raises:
        TypeError, ValueError: `True`, and the logits are of a dtype or device that the kernel is not made for.
        NoKernelError: `True`, and there is no kernel for their device.
    """
    if fused is False or is_exporting():
        return False
    if fused == "auto" and not _pays(logits, target):
        return False
    if target.requires_grad or not logits.numel() or _is_special(logits) or _is_special(target):
        return False
    if torch.compiler.is_compiling():
        pays = fused is True or logits.numel() >= FEWEST_LOGITS_IN_GRAPHS
        return pays and _serves_graphs(logits) and _has_kernel()
    if fused is True:
        _check_logits(logits)
    if logits.device.type == "cuda":
        return not target.is_floating_point()
    return not isinstance(library(), NoKernelError)


def is_exporting() -> bool:
    """As `torch.compiler.is_exporting`, which PyTorch 2.11 answers with yes in every graph that it compiles."""
    return torch.compiler._is_exporting_flag


def _serves_graphs(logits: Tensor) -> bool:
    return logits.device.type == "cpu" and logits.dtype in DTYPES


def _has_kernel() -> bool:
    """Asked while a graph is compiled, which takes the answer for a constant."""
    return not isinstance(library(), NoKernelError)


# As `torch.compiler.assume_constant_result` marks it, which imports the compiler: seconds at the first import.
setattr(_has_kernel, "_dynamo_marked_constant", True)  # noqa: B010


def fuses_draws(fused: bool | str, logits: Tensor) -> bool:
    """Whether the random numbers for these logits come from the compiled kernel: as `fuses`, and in graphs of any size.

    The compiler's own would take several times as long as the rest of the loss.
    """
    if fused == "auto" and is_compiled(logits):
        return _serves_graphs(logits) and _has_kernel()
    any_target = logits.detach()  # draws do not depend on the target
    return fuses(fused, logits, any_target)


def _pays(logits: Tensor, target: Tensor) -> bool:
    if logits.dim() != 2 or logits.shape[1] < FEWEST_CLASSES or logits.stride(1) != 1:
        return False
    kinds = logits.dtype in DTYPES and target.dtype in (torch.int64, torch.float32, logits.dtype)
    return kinds and logits.device.type == target.device.type == "cpu"


def is_eager(*tensors: Tensor) -> bool:
    """Whether an autograd function may take these: outside compiled graphs, exported programs and transforms."""
    return not torch.compiler.is_compiling() and not any(map(_is_special, tensors))


def is_compiled(*tensors: Tensor) -> bool:
    """Whether these are of a graph that is being compiled: not an exported program, nor within transforms."""
    return torch.compiler.is_compiling() and not is_exporting() and not any(map(_is_special, tensors))


def _is_special(tensor: Tensor) -> bool:
    if type(tensor) not in (Tensor, nn.Parameter):
        return True
    if not torch.compiler.is_compiling() and tensor.is_neg():  # graphs resolve the negative bit before they call
        return True
    if torch._C._are_functorch_transforms_active() or torch._C._get_tracing_state() is not None:
        return True
    # `unpack_dual` takes 4 µs, and there are dual tensors only within a level.
    return forward_ad._current_level >= 0 and forward_ad.unpack_dual(tensor).tangent is not None  # type: ignore[no-untyped-call]


def _check_logits(logits: Tensor) -> None:
    if logits.device.type not in ("cpu", "cuda"):
        raise ValueError(
            f"`logits` must be on the CPU or on a CUDA device with `fused=True`. Got {logits.device}. Set "
            '`fused="auto"`, which takes the plain path elsewhere.'
        )
    if logits.device.type == "cpu":
        _check_kernel()
    if logits.device.type == "cuda" and find_spec("triton") is None:
        raise NoKernelError('`fused=True` needs Triton on a CUDA device: `pip install triton`. Or set `fused="auto"`.')
    if logits.dtype not in DTYPES:
        raise TypeError(
            f'`logits` must be float32 or bfloat16 with `fused=True`. Got {logits.dtype}. Set `fused="auto"`, which '
            "takes the plain path for other dtypes."
        )
