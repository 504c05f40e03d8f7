"""A fused path for cross-entropy on adjusted logits: margins, softmax, loss and gradient in one pass over the logits.

The kernel adds the margins as it reads the logits: constants of the classes, or a shift of each logit. There are two C
files, which the system's compiler turns into a library once for each machine (`library`). `kernel_call` calls the one
for cross-entropy; an autograd function (`cross_entropy`) and an operator for graphs of `torch.compile` (`compiled`) use
it. `draws` calls the one for random numbers. On a GPU `gpu` calls kernels in Triton. `choice` decides when kernels are
used.
"""

from longtail.losses.fused.choice import (
    check_fused,
    fuses,
    fuses_draws,
    is_compiled,
    is_eager,
    is_exporting,
    refuse_without_margins,
)
from longtail.losses.fused.compiled import compiled_cross_entropy
from longtail.losses.fused.cross_entropy import fused_cross_entropy
from longtail.losses.fused.draws import random_half_normals, random_mask
from longtail.losses.fused.gpu import cross_entropy_on_gpu
from longtail.losses.fused.kernel_call import Received, Settings, kernel_losses

__all__ = [
    "Received",
    "Settings",
    "check_fused",
    "compiled_cross_entropy",
    "cross_entropy_on_gpu",
    "fused_cross_entropy",
    "fuses",
    "fuses_draws",
    "is_compiled",
    "is_eager",
    "is_exporting",
    "kernel_losses",
    "random_half_normals",
    "random_mask",
    "refuse_without_margins",
]
