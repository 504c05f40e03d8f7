"""A fused path for losses whose margins are numbers of the classes: the adjusted logits are never written to memory.

It is a C file, which the system's compiler turns into a library once for each machine, and an autograd function.
`cross_entropy` calls it, `library` builds it, `choice` decides when it is used.
"""

from longtail.losses.fused.choice import check_fused, fuses, is_special, refuse_without_margins
from longtail.losses.fused.cross_entropy import Received, Settings, fused_cross_entropy, kernel_losses

__all__ = [
    "Received",
    "Settings",
    "check_fused",
    "fused_cross_entropy",
    "fuses",
    "is_special",
    "kernel_losses",
    "refuse_without_margins",
]
