"""A network with a fix: folded into its last layer if that is linear, else applied to its logits."""

import numpy as np
import torch
from torch import Tensor, nn

from longtail.models import Network
from longtail.repair import Fix


def fixed_network(network: nn.Module, fix: Fix) -> nn.Module:
    """A network that gives (logits + offset) / temperature.

    Args:
        network: from inputs to logits (N, C); it is not changed, and is returned if the fix leaves logits as they are.
        fix: with its classes in the order of the logits.

    Raises:
        ValueError: a decision by costs, or a network whose last layer can't be found.
    """
    if fix.cost is not None:
        raise ValueError(
            "This fix decides by costs, which no linear layer does: logits can't hold it. Export probabilities "
            "(--probabilities), or the network without the fix (--fix none)."
        )
    if fix.temperature == 1 and not np.any(fix.offset):
        return network
    if isinstance(network, Network) and not isinstance(network.classifier, nn.Linear):
        return _Fixed(network, fix).eval()
    folded: nn.Module = fix.fold_into(network)
    return folded


class _Fixed(nn.Module):
    """A network whose classifier is not linear (cosine, nearest-mean, calibrated), with a fix of its logits."""

    offset: Tensor

    def __init__(self, network: nn.Module, fix: Fix) -> None:
        super().__init__()
        self.network = network
        self.temperature = fix.temperature
        self.register_buffer("offset", torch.from_numpy(np.asarray(fix.offset, dtype=np.float32)))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of the fix."""
        logits: Tensor = (self.network(inputs) + self.offset) / self.temperature
        return logits
