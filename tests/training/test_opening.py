import re
import threading

import pytest

from longtail.runs import RunFolder
from longtail.training.opening import open_when_visible


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
