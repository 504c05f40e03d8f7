import re
import threading

import pytest
import torch

from longtail.data import DataInfo, FeatureViews, Splits
from longtail.runs import RunFolder
from longtail.training.opening import check_all_read_the_same, open_when_visible
from longtail.training.ranks import Ranks


@pytest.mark.slow
def test_a_folder_that_another_process_creates_is_waited_for(tmp_path):
    path = tmp_path / "run"
    threading.Timer(0.3, lambda: RunFolder.create(path, config={"seed": 3}, seed=3)).start()
    assert open_when_visible(path, seconds=30).header["seed"] == 3


@pytest.mark.slow
def test_a_folder_that_is_not_shared_is_refused_with_the_rank(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "5")
    message = "`out` must be on storage that all processes share. Rank 5 does not see "
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        open_when_visible(tmp_path / "run", seconds=0.2)


class WithOthers(Ranks):
    """The first of three ranks, of which the last has read other data."""

    def gathered(self, value):
        return [value, value, "of other data"]


def test_ranks_that_have_read_other_data_are_refused():
    some = FeatureViews(torch.zeros(1, 5, 4), torch.tensor([0, 0, 0, 1, 1]))
    splits = Splits(some, some, some, DataInfo(("otter", "seal"), (3, 2), (4,), fingerprint="of these data"))
    check_all_read_the_same(splits, Ranks())
    said = (
        "must be the same for all processes. Those of rank 2 are not those of rank 0: .* Rank 0 has 5 training samples"
    )
    with pytest.raises(ValueError, match=said):
        check_all_read_the_same(splits, WithOthers(number=3))
