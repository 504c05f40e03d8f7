"""What all tests share: the real data, and one thread."""

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data that `LONGTAIL_DATA` names."""
    folder = os.environ.get("LONGTAIL_DATA")
    if not folder:
        pytest.skip("LONGTAIL_DATA is not set: it names the folder of real data")
    return Path(folder)
