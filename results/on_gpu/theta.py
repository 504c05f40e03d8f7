"""GALA's θ and φ on the device beside the CPU, after one epoch of the same batches in float32."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from longtail.losses.catalogue import make_loss, paper_settings
from longtail.training.network import make_network
from longtail.training.seeds import derive_seed
from on_gpu.batches import epochs_of
from on_gpu.job import Job

Batches = list[tuple[Tensor, Tensor]]
LARGEST_DIFFERENCE = 1e-4  # of sums of float32 over one epoch of the same logits


def findings(job: Job) -> Iterator[tuple[str, Any]]:
    torch.set_num_threads(1 if job.tiny else max(1, len(os.sched_getaffinity(0)) // 2))
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    config = job.config(precision="float32", device="cpu")
    epochs = epochs_of(config, job.cifar(), "cpu")
    counts = torch.bincount(epochs.data.target)
    batches = list(epochs.batches(1))
    yield "steps", len(batches)
    logits: Batches = []
    on_cpu = _trained(job, batches, counts, "cpu", keep=logits)
    same_logits = _differences(on_cpu, _observed(logits, counts, job.device))
    yield "same_logits", same_logits
    yield "own_network", _differences(on_cpu, _trained(job, batches, counts, job.device))
    yield "passed", max(same_logits.values()) <= LARGEST_DIFFERENCE


def _trained(job: Job, batches: Batches, counts: Tensor, device: str, keep: Batches | None = None) -> Any:
    """The loss after an epoch in which a network learned from it."""
    config = job.config()
    torch.manual_seed(derive_seed(config.seed))
    model, criterion = make_network(config, len(counts), 3).to(device), _gala(counts, device)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=config.learning_rate / 2, momentum=config.momentum, weight_decay=config.weight_decay
    )
    for images, target in batches:
        optimizer.zero_grad()
        logits = model(images.to(device))
        criterion(logits, target.to(device)).backward()
        optimizer.step()
        if keep is not None:
            keep.append((logits.detach(), target))
    return criterion


def _observed(logits: Iterable[tuple[Tensor, Tensor]], counts: Tensor, device: str) -> Any:
    """The loss after it has seen given logits."""
    criterion = _gala(counts, device)
    for batch, target in logits:
        criterion(batch.to(device), target.to(device))
    return criterion


def _gala(counts: Tensor, device: str) -> Any:
    return make_loss("gala", counts, **paper_settings("gala")).to(device)


def _differences(ours: Any, theirs: Any) -> dict[str, float]:
    """The largest relative difference of θ and of φ."""
    pairs = {name: (getattr(ours, name).cpu(), getattr(theirs, name).cpu()) for name in ("theta", "phi")}
    return {name: float(((a - b).abs() / a.abs().clamp(min=1e-12)).max()) for name, (a, b) in pairs.items()}
