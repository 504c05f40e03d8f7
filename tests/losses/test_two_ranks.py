"""Two processes on half batches learn what one process learns on whole batches: all losses with memory."""

from pathlib import Path

import pytest
import torch
from torch import distributed as dist
from torch import multiprocessing as mp

from longtail import GALALoss
from longtail.losses import EQLv2Loss, SeesawLoss

NUM_CLASSES, SAMPLES, STEPS = 4, 8, 3


def batch(step: int, *, soft: bool):
    generator = torch.Generator().manual_seed(step)
    logits = (torch.randn(SAMPLES, NUM_CLASSES, generator=generator) * 2).requires_grad_()
    if soft:
        return logits, torch.rand(SAMPLES, NUM_CLASSES, generator=generator).softmax(1)
    return logits, torch.randint(0, NUM_CLASSES, (SAMPLES,), generator=generator)


def settings():
    for soft in (False, True):
        for accumulate in ("sum", "released", "ema"):
            yield soft, {"accumulate": accumulate, "form": "paper" if soft else "released", "ema_decay": 0.9}


def seesaw(rank: int | None) -> dict[str, torch.Tensor]:
    """What seesaw loss has counted after some steps, of one rank's half or of everything."""
    return trained(SeesawLoss(NUM_CLASSES), rank)


def eql_v2(rank: int | None) -> dict[str, torch.Tensor]:
    """What EQL v2 has accumulated, likewise."""
    return trained(EQLv2Loss(NUM_CLASSES), rank)


def gala_of_a_linear_head(rank: int | None) -> dict[str, torch.Tensor]:
    """What GALA has learnt by `linear`; the batch serves as features."""
    criterion, mine = GALALoss(NUM_CLASSES), slice(None) if rank is None else slice(rank, None, 2)
    for step in range(STEPS):
        features, target = batch(step, soft=False)
        criterion.linear(features[mine], 2 * torch.eye(NUM_CLASSES), None, target[mine])
    return criterion.state_dict()


PEERS = (seesaw, eql_v2, gala_of_a_linear_head)


def trained(criterion: torch.nn.Module, rank: int | None) -> dict[str, torch.Tensor]:
    mine = slice(None) if rank is None else slice(rank, None, 2)
    for step in range(STEPS):
        logits, target = batch(step, soft=False)
        criterion(logits[mine], target[mine])
    return criterion.state_dict()


def run_rank(rank: int, rendezvous: str, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    results = []
    for soft, arguments in settings():
        criterion = GALALoss(NUM_CLASSES, **arguments)
        for step in range(STEPS):
            logits, target = batch(step, soft=soft)
            criterion(logits[rank::2], target[rank::2]).backward()
        # A rank without a sample takes part in the sum and adds nothing.
        logits, target = batch(STEPS, soft=soft)
        mine = slice(None) if rank == 0 else slice(0, 0)
        criterion(logits[mine], target[mine])
        results.append(criterion.state_dict())
    results += [peer(rank) for peer in PEERS]
    first_alone = dist.new_group([0])  # every rank must call it
    if rank == 0:
        alone = GALALoss(NUM_CLASSES, process_group=first_alone)
        alone(*batch(0, soft=False))
        results.append(alone.state_dict())
    torch.save(results, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.skipif(not dist.is_available(), reason="torch was built without torch.distributed")
@pytest.mark.slow
def test_two_ranks_equal_one(tmp_path: Path):
    mp.spawn(run_rank, (str(tmp_path / "rendezvous"), str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for (soft, arguments), a, b in zip(settings(), first, second, strict=False):
        single = GALALoss(NUM_CLASSES, **arguments)
        for step in range(STEPS + 1):
            single(*batch(step, soft=soft))
        for name, value in single.state_dict().items():
            assert torch.equal(a[name], b[name])
            torch.testing.assert_close(a[name], value, rtol=1e-5, atol=1e-6)
    for peer, a, b in zip(PEERS, first[-1 - len(PEERS) : -1], second[-len(PEERS) :], strict=True):
        for name, value in peer(None).items():
            assert torch.equal(a[name], b[name])
            torch.testing.assert_close(a[name], value, rtol=1e-5, atol=1e-6)
    own_group = GALALoss(NUM_CLASSES)
    own_group(*batch(0, soft=False))
    torch.testing.assert_close(first[-1]["theta"], own_group.theta)
