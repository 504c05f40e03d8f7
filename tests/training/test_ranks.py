"""The division of samples among ranks; what several processes make of it is in `test_several_processes.py`."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from longtail.data import FeatureViews
from longtail.training.ranks import ALONE, Ranks
from longtail.training.state import TrainingState
from training.registered_parts import Curves


@pytest.mark.parametrize("samples", [1, 3, 4, 10, 101])
@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_blocks_hold_each_sample_once_in_order_and_evenly(samples, number):
    split = FeatureViews(torch.zeros(1, samples, 2), torch.zeros(samples, dtype=torch.int64))
    blocks = Ranks(number=number).blocks(split)
    assert len(blocks) == number
    assert [index for block in blocks for index in range(samples)[block]] == list(range(samples))
    sizes = [block.stop - block.start for block in blocks]
    assert max(sizes) - min(sizes) <= 1 or (samples < number and sizes[0] == samples)


def test_a_split_that_can_not_be_divided_is_computed_by_the_first_rank():
    curves = Curves((4, 2), 0, torch.device("cpu"))
    assert Ranks(number=3).blocks(curves) == [slice(0, 6), slice(6, 6), slice(6, 6)]


def test_one_process_computes_all_and_sends_nothing():
    split = FeatureViews(torch.arange(6.0).view(1, 3, 2), torch.arange(3))

    def first_view(part):
        return part.features[0]

    assert torch.equal(ALONE.rows_of(split, first_view), split.features[0])
    assert ALONE.from_first({"epoch": 3}) == {"epoch": 3}
    assert torch.equal(ALONE.tensor_from_first(split.target), split.target)
    ALONE.share_buffers(nn.BatchNorm1d(2))
    assert ALONE.gathered({"a.jpg": "cut off"}) == [{"a.jpg": "cut off"}]


class OfThree(Ranks):
    """The first of three ranks, of which the second left a file out."""

    def gathered(self, value):
        return [value, {"b.jpg": "it is empty"}, {}]


def test_files_that_any_rank_left_out_are_noted_once():
    network = nn.Linear(2, 2)
    state = TrainingState(network, nn.CrossEntropyLoss(), torch.optim.SGD(network.parameters()))
    for _ in range(2):
        state.note_left_out("test", SimpleNamespace(left_out={"a.jpg": "cut off"}), OfThree(number=3))
    assert [note.partition(" became")[0] for note in state.notes] == ["test: a.jpg", "test: b.jpg"]
