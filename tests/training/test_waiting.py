import time

import pytest
import torch

from longtail.training import Callback, run_experiment
from longtail.training.waiting import TimedBatches
from training.tiny import tiny_config


def slow(seconds):
    for pause in seconds:
        time.sleep(pause)
        yield torch.zeros(1), torch.zeros(1)


@pytest.mark.slow
def test_the_wait_for_each_batch_is_its_own():
    batches = TimedBatches(slow([0.2, 0.0]))
    waited = [batches.waited for _ in batches]
    assert waited[0] >= 0.2
    assert waited[1] < 0.2


@pytest.mark.slow
def test_steps_tell_how_long_they_waited(tiny, tmp_path, monkeypatch):
    class Waits(Callback):
        def __init__(self):
            self.seconds = []

        def on_step_end(self, step):
            self.seconds.append(step.waited)

    from longtail.training.epochs import Epochs

    plain = Epochs.batches

    def delayed(self, epoch, first_step=0):
        for batch in plain(self, epoch, first_step):
            time.sleep(0.05)
            yield batch

    monkeypatch.setattr(Epochs, "batches", delayed)
    waits = Waits()
    run_experiment(tiny_config(epochs=1), data=tiny, out=tmp_path / "run", callbacks=[waits])
    assert len(waits.seconds) == 6
    assert min(waits.seconds) >= 0.05
