import json

import numpy as np
import pandas as pd
import pytest
import torch

from longtail.plain_json import to_json


def test_everything_becomes_plain():
    content = {
        1: np.float32(0.5),
        "nested": {"tensor": torch.tensor([1, 2]), "series": pd.Series([1.5, float("inf")])},
        "list": [np.int64(3), (torch.tensor(0.25), None)],
        "text": "ω",
        "nan": float("nan"),
    }
    want = {
        "1": 0.5,
        "nested": {"tensor": [1, 2], "series": [1.5, None]},
        "list": [3, [0.25, None]],
        "text": "ω",
        "nan": None,
    }
    assert json.loads(to_json(content)) == want


def test_what_is_not_plain_is_refused():
    with pytest.raises(TypeError):
        to_json({"loss": object()})
