"""A training step launched kernel by kernel, and the same step captured in a CUDA graph.

The loop captures nothing; this says whether it would pay. Of GALA it is the time alone: each step puts new tensors in
the place of θ and φ, which a captured step does not find again. Also what deterministic kernels cost, which resuming
needs.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from longtail.losses.catalogue import make_loss, paper_settings
from longtail.models import make_network
from on_gpu.job import Job


def findings(job: Job) -> Iterator[tuple[str, Any]]:
    steps = 3 if job.tiny else 100
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False  # as the loop sets them
    launched = {loss: _step(job, loss) for loss in ("ce", "gala")}
    for loss, step in launched.items():
        yield f"{loss} milliseconds", _milliseconds(step, steps)
    torch.backends.cudnn.deterministic = False
    yield "ce without deterministic kernels milliseconds", _milliseconds(_step(job, "ce"), steps)
    torch.backends.cudnn.deterministic = True
    if job.device == "cuda":
        for loss, step in launched.items():
            yield f"{loss} captured milliseconds", _milliseconds(_captured(step), steps)


def _step(job: Job, loss: str) -> Callable[[], None]:
    """Forward, backward and update on one batch, as the recipe has them."""
    config, device = job.config(), job.device
    classes = 10 if job.tiny else 100
    model = make_network(config.model, classes).to(device).to(memory_format=torch.channels_last).train()
    counts = torch.arange(classes, 0, -1)
    criterion = make_loss(loss, counts, **paper_settings(loss)).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, fused=True)
    images = torch.randn(config.batch_size, 3, 32, 32, device=device).to(memory_format=torch.channels_last)
    target = torch.randint(0, classes, (config.batch_size,), device=device)

    def step() -> None:
        optimizer.zero_grad()
        # A captured step must not keep the weights that autocast has converted.
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda", cache_enabled=False):
            logits = model(images)
        criterion(logits, target).backward()
        optimizer.step()

    return step


def _captured(step: Callable[[], None]) -> Callable[[], None]:
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def _milliseconds(step: Callable[[], None], steps: int) -> float:
    finish = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    for _ in range(max(2, steps // 5)):
        step()
    finish()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    finish()
    return 1e3 * (time.perf_counter() - start) / steps
