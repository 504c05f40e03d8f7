"""What goes wrong in a long run: files that are truncated meanwhile, lists that change, a process that is slow."""

import multiprocessing
import os
import signal

import pytest

from data.large_set_files import write_tiny
from longtail.data.large_sets import LARGE_SETS
from longtail.recipes import imagenet_lt
from longtail.training import Callback, TrainingStopped, run_experiment
from recipes.slow_rank import SETTINGS
from training.launch import torchrun
from training.test_resume import assert_same_end


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setitem(LARGE_SETS, "imagenet-lt", write_tiny("imagenet-lt", tmp_path / "data"))
    return tmp_path / "data"


class InEpoch(Callback):
    """Does something after the second step of an epoch; batches of 8 of 42 samples make 5 steps."""

    def __init__(self, epoch, action, steps=5):
        self.left, self.action = steps * (epoch - 1) + 2, action

    def on_step_end(self, step):
        self.left -= 1
        if self.left == 0:
            self.action()


def truncate(files):
    for file in files:
        file.write_bytes(file.read_bytes()[:-300])


@pytest.mark.slow
def test_files_truncated_in_the_middle_of_epoch_3(data, tmp_path):
    config = imagenet_lt(epochs=3, workers=1, **SETTINGS)
    run_experiment(config, data=data, out=tmp_path / "whole")
    files = sorted((data / "train").rglob("train_*.jpg"))
    contents = [file.read_bytes() for file in files]
    spoil = InEpoch(3, lambda: truncate(files))
    # If the worker has decoded all of epoch 3 by then, only the predictions at the end fail. The advice to resume is
    # tested with the training images.
    with pytest.raises(ValueError, match=r"train_\d+.jpg must be a whole image file.*truncated"):
        run_experiment(config, data=data, out=tmp_path / "run", callbacks=[spoil], checkpoint_seconds=0)
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    run_experiment(config, data=data, out=tmp_path / "run", resume=True)
    assert_same_end(tmp_path / "run", tmp_path / "whole")


@pytest.mark.slow
def test_files_that_go_missing_stop_a_run_and_its_resumption(data, tmp_path):
    config = imagenet_lt(epochs=3, **SETTINGS)
    hidden = data / "elsewhere"
    with pytest.raises(FileNotFoundError, match=r"\.jpg must be an image file. It is missing"):
        run_experiment(
            config, data=data, out=tmp_path / "run", callbacks=[InEpoch(2, lambda: (data / "train").rename(hidden))]
        )
    with pytest.raises(FileNotFoundError, match="`root` must hold the images of ImageNet-LT"):
        run_experiment(config, data=data, out=tmp_path / "run", resume=True)
    hidden.rename(data / "train")
    assert run_experiment(config, data=data, out=tmp_path / "run", resume=True).result["epoch"] == 3


@pytest.mark.slow
def test_a_worker_that_is_killed_stops_the_run_which_resumes_to_the_same_end(data, tmp_path):
    def kill_workers():
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)

    settings = SETTINGS | {"batch_size": 2, "epochs": 2}  # 21 steps: the worker is ahead by fewer
    run_experiment(imagenet_lt(**settings), data=data, out=tmp_path / "whole")
    config = imagenet_lt(workers=1, **settings)
    kill = InEpoch(2, kill_workers, steps=21)
    with pytest.raises(ChildProcessError, match=r"`workers`: a process that decodes .* --resume and fewer workers"):
        run_experiment(config, data=data, out=tmp_path / "run", callbacks=[kill], checkpoint_seconds=0)
    run_experiment(imagenet_lt(workers=0, **settings), data=data, out=tmp_path / "run", resume=True)
    assert_same_end(tmp_path / "run", tmp_path / "whole")


@pytest.mark.slow
def test_augmentation_on_the_device_resumes_in_the_middle_of_an_epoch(data, tmp_path):
    settings = SETTINGS | {"augment_on": "device", "epochs": 2}
    run_experiment(imagenet_lt(**settings), data=data, out=tmp_path / "whole")
    stop = InEpoch(2, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingStopped):
        run_experiment(imagenet_lt(**settings), data=data, out=tmp_path / "run", callbacks=[stop])
    run_experiment(imagenet_lt(workers=1, **settings), data=data, out=tmp_path / "run", resume=True)
    assert_same_end(tmp_path / "run", tmp_path / "whole")


def test_a_run_is_not_resumed_on_a_list_in_another_order(data, tmp_path):
    config = imagenet_lt(epochs=2, **SETTINGS)
    stop = InEpoch(1, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run_experiment(config, data=data, out=tmp_path / "run", callbacks=[stop], checkpoint_seconds=0)
    path = data / "ImageNet_LT_train.txt"
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    with pytest.raises(ValueError, match="`data` must be the data that the run .* was begun with"):
        run_experiment(config, data=data, out=tmp_path / "run", resume=True)


@pytest.mark.slow
def test_a_slow_process_changes_nothing(data, tmp_path):
    done = torchrun(2, "../recipes/slow_rank.py", data, tmp_path)
    assert done.returncode == 0, done.stderr
    assert_same_end(tmp_path / "slow", tmp_path / "even")
