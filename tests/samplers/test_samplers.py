import inspect
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.data_loader import prepare_data_loader
from lightning_fabric import Fabric
from lightning_fabric.utilities.distributed import DistributedSamplerWrapper
from torch import distributed as dist
from torch.utils.data import DataLoader, TensorDataset

from longtail.samplers import (
    ClassAwareSampler,
    ClassBalancedSampler,
    EffectiveNumberSampler,
    PowerSampler,
    ProgressiveSampler,
    SquareRootSampler,
)

COUNTS = np.array([200, 60, 0, 12, 3])
LABELS = np.random.RandomState(0).permutation(np.repeat(np.arange(5), COUNTS))
SAMPLERS: dict[str, Callable[..., Any]] = {
    "class-aware": ClassAwareSampler,
    "class-aware by four": lambda labels, **more: ClassAwareSampler(labels, samples_per_class=4, **more),
    "class-balanced": ClassBalancedSampler,
    "square-root": SquareRootSampler,
    "power": lambda labels, **more: PowerSampler(labels, 0.3, **more),
    "progressive": lambda labels, **more: ProgressiveSampler(labels, epochs=10, **more),
    "effective-number": lambda labels, **more: EffectiveNumberSampler(labels, beta=0.99, **more),
}
every_sampler = pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)


@every_sampler
def test_an_epoch_is_a_function_of_seed_and_epoch(make):
    sampler = make(LABELS, seed=3)
    first = sampler.indices(0)
    assert first.shape == (len(LABELS),)
    assert first.dtype == torch.int64
    assert torch.equal(first, make(LABELS, seed=3).indices(0))
    assert not torch.equal(first, sampler.indices(1))
    assert not torch.equal(first, make(LABELS, seed=4).indices(0))
    assert list(sampler) == first.tolist()
    sampler.set_epoch(1)
    assert list(sampler) == sampler.indices(1).tolist()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64"])
@every_sampler
def test_labels_of_every_integer_dtype_are_drawn_like_int64(make, dtype):
    labels = np.linspace(0, min(299, np.iinfo(dtype).max), 400).round().astype(np.int64)
    want = make(labels, seed=1).indices(0)
    for given in (labels.astype(dtype), torch.from_numpy(labels).to(getattr(torch, dtype))):
        assert torch.equal(make(given, seed=1).indices(0), want)


@every_sampler
def test_ranks_share_an_epoch_and_are_equally_long(make):
    whole = make(LABELS, num_samples=101).indices(2)
    ranks = []
    for rank in range(4):
        sampler = make(LABELS, num_samples=101, rank=rank, num_replicas=4)
        sampler.set_epoch(2)
        ranks.append(list(sampler))
        assert len(ranks[-1]) == len(sampler) == 25
    interleaved = [index for draws in zip(*ranks, strict=True) for index in draws]
    assert interleaved == whole[:100].tolist()


@every_sampler
def test_an_epoch_is_resumed_where_it_was_left(make):
    whole = list(make(LABELS))
    first = make(LABELS)
    drawn = [index for index, _ in zip(iter(first), range(100), strict=False)]
    resumed = make(LABELS)
    resumed.load_state_dict(first.state_dict(position=100))
    assert drawn + list(resumed) == whole
    assert list(resumed) == whole  # the next pass begins at the beginning
    assert first.state_dict()["position"] in (100, 101)  # one more may have been handed out


@every_sampler
def test_iterators_are_independent_of_each_other(make):
    sampler = make(LABELS)
    whole = sampler.indices(0).tolist()
    first, second = iter(sampler), iter(sampler)
    interleaved = [index for pair in zip(first, second, strict=True) for index in pair]
    assert interleaved[::2] == interleaved[1::2] == whole
    next(iter(sampler))  # a look at the first draw
    assert list(sampler) == whole


@every_sampler
def test_a_restored_place_stays_until_its_epoch_ends(make):
    whole = make(LABELS).indices(3).tolist()
    resumed = make(LABELS)
    resumed.load_state_dict({"epoch": 3, "position": 40})
    assert resumed.state_dict() == {"epoch": 3, "position": 40, "num_replicas": 1}
    resumed.set_epoch(3)  # as a loop does, which does not know that it was restored
    next(iter(resumed))
    assert list(resumed) == whole[40:]
    assert list(resumed) == whole
    resumed.load_state_dict({"epoch": 3, "position": 40})
    resumed.set_epoch(4)
    assert list(resumed) == make(LABELS).indices(4).tolist()
    with pytest.raises(ValueError, match="`position` must be at most"):
        resumed.load_state_dict({"epoch": 0, "position": len(resumed) + 1})


@every_sampler
def test_an_older_iterator_that_ends_leaves_a_restored_place(make):
    resumed = make(LABELS)
    older = iter(resumed)
    next(older)
    resumed.load_state_dict({"epoch": 0, "position": 40})
    for _ in older:
        pass
    assert list(resumed) == make(LABELS).indices(0).tolist()[40:]


@every_sampler
def test_more_ranks_than_draws_repeat_some(make):
    whole = make(LABELS, num_samples=2).indices(0).tolist()
    ranks = [list(make(LABELS, num_samples=2, rank=rank, num_replicas=5)) for rank in range(5)]
    assert ranks == [[whole[rank % 2]] for rank in range(5)]


@every_sampler
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.slow
def test_feeds_a_data_loader(make, workers):
    data = TensorDataset(torch.arange(len(LABELS)), torch.from_numpy(LABELS))
    sampler = make(LABELS)
    loader = DataLoader(data, batch_size=16, sampler=sampler, num_workers=workers)
    next(iter(loader))
    for epoch in range(2):
        sampler.set_epoch(epoch)
        assert torch.equal(torch.cat([index for index, _ in loader]), make(LABELS).indices(epoch))


def test_fabric_divides_the_draws_once_and_sets_the_epoch():
    """As one of two processes, which Lightning and Fabric would otherwise divide once more."""
    data = TensorDataset(torch.arange(len(LABELS)))
    whole = ClassAwareSampler(LABELS).indices(0).tolist()
    sampler = ClassAwareSampler(LABELS, rank=1, num_replicas=2)
    loader = Fabric(accelerator="cpu").setup_dataloaders(
        DataLoader(data, batch_size=16, sampler=sampler), use_distributed_sampler=False
    )
    assert torch.cat([batch[0] for batch in loader]).tolist() == whole[1::2][: len(sampler)]
    assert len(DistributedSamplerWrapper(sampler, num_replicas=2, rank=0)) == -(-len(sampler) // 2)


@pytest.mark.parametrize("epoch", [0, 1])
def test_accelerate_divides_the_draws_of_a_sampler_for_one_process(epoch):
    data, shares = TensorDataset(torch.arange(len(LABELS))), []
    for process in range(2):
        loader = DataLoader(data, batch_size=10, sampler=ClassAwareSampler(LABELS, rank=0, num_replicas=1))
        own = prepare_data_loader(loader, num_processes=2, process_index=process, put_on_device=False)
        own.set_epoch(epoch)
        shares.append([batch[0] for batch in own])
    in_turns = torch.cat([batch for pair in zip(*shares, strict=True) for batch in pair])
    draws = ClassAwareSampler(LABELS, rank=0, num_replicas=1).indices(epoch)
    assert torch.equal(in_turns[: len(draws)], draws)  # the last batches are filled up from the first ones


EXPECTED = {
    "class-balanced": COUNTS > 0,
    "square-root": np.sqrt(COUNTS),
    "power": COUNTS**0.3 * (COUNTS > 0),
    "progressive": 0.5 * COUNTS / COUNTS.sum() + 0.5 * (COUNTS > 0) / 4,
    "effective-number": COUNTS * 0.01 / np.maximum(1 - 0.99**COUNTS, 1e-9),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_classes_come_as_often_as_their_probability_and_samples_alike(name):
    sampler = SAMPLERS[name](LABELS, num_samples=200_000)
    expected = EXPECTED[name] / EXPECTED[name].sum()
    np.testing.assert_allclose(sampler.class_probabilities(5), expected, rtol=1e-12)
    drawn = sampler.indices(5).numpy()
    np.testing.assert_allclose(np.bincount(LABELS[drawn], minlength=5) / 200_000, expected, atol=4e-3)
    per_sample = np.bincount(drawn, minlength=len(LABELS))[LABELS == 3]
    np.testing.assert_allclose(per_sample / per_sample.mean(), 1, atol=0.15)


def test_progress_runs_from_instance_to_class_balanced():
    sampler = ProgressiveSampler(LABELS, epochs=10)
    np.testing.assert_allclose(sampler.class_probabilities(0), COUNTS / COUNTS.sum())
    np.testing.assert_allclose(sampler.class_probabilities(10), (COUNTS > 0) / 4)
    np.testing.assert_allclose(sampler.class_probabilities(99), (COUNTS > 0) / 4)


def test_effective_numbers_run_from_instance_to_class_balanced():
    np.testing.assert_allclose(EffectiveNumberSampler(LABELS, beta=0).class_probabilities(0), COUNTS / COUNTS.sum())
    np.testing.assert_allclose(EffectiveNumberSampler(LABELS, beta=1).class_probabilities(0), (COUNTS > 0) / 4)


@pytest.mark.parametrize("together", [1, 2, 4])
def test_class_aware_sampling_is_exact(together):
    sampler = ClassAwareSampler(LABELS, samples_per_class=together, num_samples=4 * together * 30)
    drawn = sampler.indices(0)
    labels = torch.from_numpy(LABELS)[drawn].view(-1, together)
    assert (labels == labels[:, :1]).all()  # a class gives its samples together
    rounds = labels[:, 0].view(-1, 4)
    assert (rounds.sort(1).values == torch.tensor([0, 1, 3, 4])).all()  # each class once a round
    assert len({tuple(row) for row in rounds.tolist()}) > 5  # in another order each time
    for label, count in enumerate(COUNTS):
        mine = drawn[torch.from_numpy(LABELS)[drawn] == label].numpy()
        for start in range(0, len(mine) - count + 1, max(count, 1)):
            if count:
                assert len(set(mine[start : start + count])) == count  # a whole cycle before any comes again
    passes = drawn[torch.from_numpy(LABELS)[drawn] == 4].view(-1, 3).tolist()
    assert len({tuple(row) for row in passes}) > 1


@pytest.mark.slow
def test_a_large_data_set_is_ready_in_a_second():
    counts = np.maximum(1, (1000 * 500.0 ** (-np.arange(8142) / 8141) / 3.1).astype(int))
    labels = np.repeat(np.arange(8142), counts)
    labels = np.concatenate([labels, np.arange(437_513 - len(labels)) % 8142])
    for make in SAMPLERS.values():
        start = time.perf_counter()
        sampler = make(labels)
        assert time.perf_counter() - start < 1
        assert len(sampler.indices(0)) == 437_513


def test_ranks_follow_torch_distributed_only_where_there_is_one():
    sampler = ClassBalancedSampler(LABELS)
    assert (sampler.rank, sampler.num_replicas) == (0, 1)


def test_a_sampler_made_before_the_process_group_takes_its_share(monkeypatch):
    sampler = ClassBalancedSampler(LABELS)
    alone = list(sampler)
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    assert list(sampler) == alone[1::2][: len(sampler)]
    assert len(sampler) == len(alone) // 2


def test_a_position_that_other_processes_do_not_have_is_refused_also_when_they_start_later(monkeypatch):
    sampler = ClassBalancedSampler(LABELS)
    sampler.load_state_dict({"epoch": 0, "position": len(sampler) - 1})
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    with pytest.raises(ValueError, match="the draws of an epoch of each of 2 processes. Got .* as many processes as"):
        iter(sampler)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PowerSampler(LABELS, -1), "`power` must be finite and at least 0"),
        (lambda: PowerSampler([0] * 2000 + [1], 100), "`power` must leave weights n.q that float64 holds. Got 100 for"),
        (lambda: ProgressiveSampler(LABELS, epochs=0), "`epochs` must be at least 1"),
        (lambda: EffectiveNumberSampler(LABELS, beta=2), r"`beta` must lie in \[0, 1\]"),
        (lambda: ClassAwareSampler(LABELS, samples_per_class=0), "`samples_per_class` must be at least 1"),
        (lambda: ClassBalancedSampler(LABELS, num_samples=0), "`num_samples` must be at least 1"),
        (lambda: ClassBalancedSampler(LABELS, seed=-1), "`seed` must be at least 0"),
        (lambda: ClassBalancedSampler(LABELS, seed=2**32), r"`seed` must be below 2\^32"),
        (lambda: ClassBalancedSampler(LABELS, rank=2, num_replicas=2), "`rank` must be below `num_replicas`, 2. Got 2"),
        (lambda: ClassBalancedSampler([]), "`labels` must hold at least one sample"),
        (lambda: ClassBalancedSampler([0, -1]), "`labels` must hold labels of at least 0. Got -1 at index 1"),
    ],
)
def test_settings_are_checked(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("number", [1, 2])
def test_a_position_of_another_number_of_processes_is_refused(monkeypatch, number):
    """Position 8 of one process and position 8 of each of four are not the same draws."""
    state = ClassBalancedSampler(LABELS, rank=0, num_replicas=number).state_dict(8)
    waiting = ClassBalancedSampler(LABELS)
    if number == 1:
        waiting.load_state_dict(state)
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    monkeypatch.setattr(dist, "get_world_size", lambda: 4)
    sampler = ClassBalancedSampler(LABELS)
    sampler.load_state_dict({**state, "position": 0})  # the beginning of an epoch is the same for any number
    with pytest.raises(ValueError, match=f"`num_replicas` must be {number}, as when the position was saved. Got 4"):
        sampler.load_state_dict(state)
    assert sampler.state_dict() == {"epoch": 0, "position": 0, "num_replicas": 4}
    if number == 1:
        with pytest.raises(ValueError, match="`num_replicas` must be 1, as when the position was saved. Got 4"):
            iter(waiting)


def test_a_position_of_several_processes_is_refused_by_one():
    sampler = ClassBalancedSampler(LABELS)
    sampler.load_state_dict(ClassBalancedSampler(LABELS, rank=1, num_replicas=2).state_dict(8))
    with pytest.raises(ValueError, match="`num_replicas` must be 2, as when the position was saved. Got 1"):
        list(sampler)


def test_a_position_beyond_the_epoch_is_its_end():
    """275 draws in batches of 32 are nine steps, of which the last is smaller."""
    sampler, resumed = ClassBalancedSampler(LABELS), ClassBalancedSampler(LABELS)
    state = sampler.state_dict(9 * 32)
    assert state == {"epoch": 0, "position": len(LABELS), "num_replicas": 1}
    resumed.load_state_dict(state)
    assert list(resumed) == []


@pytest.mark.parametrize(("position", "error"), [(-1, ValueError), (1.5, TypeError)])
def test_positions_are_whole_numbers(position, error):
    with pytest.raises(error, match="`position` must be"):
        ClassBalancedSampler(LABELS).state_dict(position)


@pytest.mark.parametrize("state", [{}, {"epoch": 0}, None])
def test_a_state_that_is_none_is_refused(state):
    with pytest.raises(ValueError, match="`state` must be what `state_dict` returned"):
        ClassBalancedSampler(LABELS).load_state_dict(state)


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        (ClassAwareSampler, ["samples_per_class"]),
        (ClassBalancedSampler, []),
        (SquareRootSampler, []),
        (PowerSampler, ["power"]),
        (ProgressiveSampler, ["epochs"]),
        (EffectiveNumberSampler, ["beta"]),
    ],
)
def test_the_signature_shows_all_arguments(kind, own):
    shown = inspect.signature(kind).parameters
    assert list(shown) == ["labels", *own, "num_samples", "seed", "rank", "num_replicas"]
