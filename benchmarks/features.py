"""Features of the default network, images per second: float32, then bfloat16 in channels-last memory, then folded.

    python benchmarks/features.py [--size 128] [--batch 32] [--threads 1]

Random weights and random images: the time does not depend on them. Each way runs in turns with the others. The second
column divides by the time that the processor spent on this process alone, which other processes disturb less.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from longtail.models import DEFAULT_BACKBONE, Network, fold_batch_norm, make_network


def ways(size: int, batch: int) -> dict[str, Callable[[], Tensor]]:
    images = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8)
    network = make_network(DEFAULT_BACKBONE, 10, size=size).eval()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (network.input_config.mean, network.input_config.std))

    def features(network: Network, layout: torch.memory_format, bfloat16: bool) -> Callable[[], Tensor]:
        network = network.to(memory_format=layout)

        def run() -> Tensor:
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                return network.features(((images / 255 - mean) / std).contiguous(memory_format=layout))

        return run

    return {
        "float32": features(copy.deepcopy(network), torch.contiguous_format, False),
        "bfloat16, channels-last": features(copy.deepcopy(network), torch.channels_last, True),
        "the same, batch norm folded": features(fold_batch_norm(network), torch.channels_last, True),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("size", 128), ("batch", 32), ("threads", 1), ("rounds", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    runs = ways(options.size, options.batch)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for turn in range(options.rounds + 1):
        for name, run in runs.items():
            wall, own = time.perf_counter(), time.process_time()
            run()
            if turn:  # the first warms up
                seconds[name].append((time.perf_counter() - wall, time.process_time() - own))
    print(
        f"| {DEFAULT_BACKBONE}, {options.size} px, {options.threads} threads | images/s | images/s of processor time |"
    )
    print("|---|---:|---:|")
    for name, taken in seconds.items():
        wall, own = (options.batch / statistics.median(column) for column in zip(*taken, strict=True))
        print(f"| {name} | {wall:.0f} | {own:.0f} |")


if __name__ == "__main__":
    main()
