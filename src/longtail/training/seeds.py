"""Seeds: every draw of a run derives from the seed of the run and the place of the draw in it."""

import numpy as np
import torch


def derive_seed(seed: int, *place: int) -> int:
    """A seed for one place of a run, such as (epoch, step): the same whenever the run gets there.

    Example:
        >>> derive_seed(0, 1) == derive_seed(0, 1), derive_seed(0, 1) == derive_seed(0, 2)
        (True, False)
    """
    return int(np.random.SeedSequence([seed, *place]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator_for(device: torch.device, seed: int, *place: int) -> torch.Generator:
    """A generator on `device`, seeded for one place of a run."""
    return torch.Generator(device).manual_seed(derive_seed(seed, *place))
