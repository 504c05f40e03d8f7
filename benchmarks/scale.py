"""A model of the training step on several processes, beside what is measured here, and extended to more GPUs.

    python benchmarks/scale.py [--processes 1 2 4] [--steps 6] [--batch-size 32] [--size 64]
    python benchmarks/scale.py --model-only --gpu-images 2000 --core-images 350 ...

A step of one process decodes its share of the batch, trains on it, and sums the gradients over the processes:

    step = max(decode, compute) + all-reduce        with workers that decode ahead, on cores of their own
    step = decode + compute + all-reduce            where one core does both, as here
    decode = share / (images a core decodes in a second x cores of a process)
    compute = a + b x share, measured with one process
    all-reduce = 2 (P - 1) / P x 4 bytes x parameters / bandwidth

Here the parts are measured on their own: decoding, and a step of each share, in one process without the others; a sum
of as many numbers, in as many processes. They are added up beside the whole step. Processor times are compared, since
processes may outnumber cores and other programs may run; times of the clock are printed too. The numbers for GPUs are a
model, not a measurement: they follow from the arguments.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed as dist

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

CLASSES = 16
MOMENTS = (0.5, 0.5, 0.5)


def write_photographs(folder: Path, images: int) -> None:
    """JPEG files of 500 x 375 pixels, as those of ImageNet are on average."""
    from data.large_set_files import photograph

    for index in range(images):
        photograph(folder / f"{index % CLASSES}/{index}.jpg", index, (500, 375))


class Worker:
    """One process: the parts of a step, and the whole step.

    Args:
        folder: of the photographs.
        options: of the command.
    """

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        from longtail.data import Samples, StreamedImages, image_loader
        from longtail.data.images.file_augmentation import TrainingImage
        from longtail.data.images.training_images import TrainingImages
        from longtail.data.own import source_of
        from longtail.recipes import finetune
        from longtail.training.hardware import make_fabric, resolve

        files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*.jpg"))
        target = np.array([int(Path(file).parent.name) for file in files])
        samples = Samples(target, tuple(map(str, range(CLASSES))), files=tuple(files), root=folder)
        load = image_loader(samples, options.size)
        plain = StreamedImages(load, torch.from_numpy(target), MOMENTS, MOMENTS, torch.channels_last)
        draw = TrainingImage("light", options.size, options.size)
        self.split = TrainingImages(plain, draw, source_of(samples), options.size)
        settings = {"mean": MOMENTS, "std": MOMENTS, "precision": "float32", "device": "cpu", "threads": 1}
        config = finetune(
            model=options.model, size=options.size, batch_size=options.batch_size, optimizer="sgd", **settings
        )
        self.config, self.options = resolve(config), options
        self.fabric = make_fabric(self.config)
        self.ranks = self.fabric.world_size
        self.step = self._step()

    def _step(self) -> Callable[[torch.Tensor, torch.Tensor], object]:
        from longtail.losses.catalogue import make_loss
        from longtail.models import make_network
        from longtail.training.state import TrainingState
        from longtail.training.step import TrainingStep

        network = make_network(self.options.model, CLASSES, size=self.options.size, pretrained=False)
        network = network.to(memory_format=torch.channels_last)
        self.parameters = sum(parameter.numel() for parameter in network.parameters())
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
        state = TrainingState(network, make_loss("gala", torch.full((CLASSES,), 10)), optimizer)
        model, wrapped = self.fabric.setup(network, optimizer)
        return TrainingStep(self.fabric, self.config, state, model, wrapped, lambda: None, needs_gradients=False)

    def batches(self, share: int, number: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Decoded batches of a share of the batch, by a process of this rank."""
        order = torch.randperm(len(self.split), generator=torch.Generator().manual_seed(self.fabric.global_rank))
        parts = [slice(start, start + share) for start in range(0, share * number, share)]
        order = order.repeat(-(-share * number // len(order)))
        generator = torch.Generator().manual_seed(0)
        return list(self.split.batches(order, parts, augment=None, generator=generator, each_once=False))

    def parts(self) -> dict[str, object]:
        """With one process: seconds that an image takes to decode, and a step by its share of the batch."""
        shares = [self.options.batch_size // ranks for ranks in self.options.processes]
        decode = measured(lambda: self.batches(shares[0], 1), self.options.steps)
        compute = {}
        for share in shares:
            ((images, target),) = self.batches(share, 1)
            compute[share] = measured(partial(self.step, images, target), self.options.steps)
        return {"decode": [seconds / shares[0] for seconds in decode], "compute": compute}

    def whole(self) -> dict[str, object]:
        """Decoding and step of this process's share, and a sum over processes of as many numbers as there are."""
        share = self.options.batch_size // self.ranks

        def step() -> None:
            ((images, target),) = self.batches(share, 1)
            self.step(images, target)

        numbers = torch.zeros(self.parameters)
        message = measured(lambda: dist.all_reduce(numbers), self.options.steps) if self.ranks > 1 else [0.0, 0.0]
        return {"step": measured(step, self.options.steps), "all-reduce": message, "parameters": self.parameters}


def measured(work: Callable[[], object], times: int) -> list[float]:
    """Median seconds of the processor and of the clock, after one that warms up."""
    work()
    found = []
    for _ in range(times):
        processor, clock = time.process_time(), time.perf_counter()
        work()
        found.append((time.process_time() - processor, time.perf_counter() - clock))
    return [float(value) for value in np.median(found, axis=0)]


def started(ranks: int, arguments: list[str], folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """What the first of so many processes measured."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    out = folder / f"{ranks}.json"
    subprocess.run([*launch, __file__, *arguments, "--worker", str(folder), str(out)], check=True, env=environment)
    return json.loads(out.read_text())


def print_measured(options: argparse.Namespace, arguments: list[str]) -> None:
    """The model beside the measurement."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_photographs(folder, 4 * options.batch_size)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        found = {ranks: started(ranks, arguments, folder, environment) for ranks in options.processes}
    one = found[1]
    decode, compute = one["decode"], one["compute"]
    cores = len(os.sched_getaffinity(0))
    print(f"{options.model}, {options.size} px, batch {options.batch_size}, {one['parameters']:,} parameters", end=", ")
    print(f"{cores} cores")
    print(f"one process, a core: {1 / decode[0]:.0f} images/s decoded; a step of", end=" ")
    print(", ".join(f"{share} {1000 * times[0]:.0f} ms" for share, times in compute.items()))
    print("milliseconds of a step; processor time is that of one process")
    print("processes  share  all-reduce (clock)  GB/s  model  processor  model / measured  clock  clock of the model")
    for ranks, values in found.items():
        share = options.batch_size // ranks
        message, sum_clock = values["all-reduce"]
        model = compute[str(share)][0] + share * decode[0] + message
        bandwidth = 2 * (ranks - 1) / ranks * 4 * values["parameters"] / sum_clock / 1e9 if sum_clock else float("nan")
        clock = model * max(1.0, ranks / cores)
        print(
            f"{ranks:9}  {share:5}  {1000 * message:5.0f} ({1000 * sum_clock:5.0f})      {bandwidth:8.2f}  "
            f"{1000 * model:5.0f}  {1000 * values['step'][0]:9.0f}  {model / values['step'][0]:16.2f}  "
            f"{1000 * values['step'][1]:5.0f}  {1000 * clock:10.0f}"
        )


def print_model(options: argparse.Namespace) -> None:
    """Images per second of more GPUs, by the model alone."""
    print("\na model, not a measurement; from the arguments, assumptions until they are measured on your machines:")
    print(
        f"  compute {options.gpu_images:,.0f} images/s a GPU, decoding {options.core_images:,.0f} images/s a core, "
        f"{options.cores_per_gpu} cores a GPU, {options.million_parameters} million parameters, "
        f"{options.bandwidth_within:g} GB/s within a node of 8, {options.bandwidth_between:g} GB/s a GPU between nodes"
    )
    print("GPUs  batch  decode  compute  all-reduce  images/s, sum hidden  not hidden  bound by")
    for gpus in options.gpus:
        share = options.share_per_gpu
        decode = share / (options.core_images * options.cores_per_gpu)
        compute = share / options.gpu_images
        bandwidth = options.bandwidth_within if gpus <= 8 else options.bandwidth_between
        message = 2 * (gpus - 1) / gpus * 4e6 * options.million_parameters / (bandwidth * 1e9)
        hidden, shown = max(decode, compute, message), max(decode, compute) + message
        bound = max((decode, "decoding"), (compute, "compute"), (message, "all-reduce"))[1]
        print(
            f"{gpus:4}  {share * gpus:5}  {1000 * decode:6.1f}  {1000 * compute:7.1f}  {1000 * message:10.1f}  "
            f"{share * gpus / hidden:20,.0f}  {share * gpus / shown:10,.0f}  {bound}"
        )


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--model-only", action="store_true")
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--share-per-gpu", type=int, default=64)
    parser.add_argument("--gpu-images", type=float, default=2000.0)
    parser.add_argument("--core-images", type=float, default=381.0)
    parser.add_argument("--cores-per-gpu", type=int, default=8)
    parser.add_argument("--million-parameters", type=float, default=25.6)
    parser.add_argument("--bandwidth-within", type=float, default=200.0)
    parser.add_argument("--bandwidth-between", type=float, default=20.0)
    parser.add_argument("--worker", type=Path, nargs=2, metavar=("FOLDER", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if 1 not in options.processes or any(options.batch_size % ranks for ranks in options.processes):
        parser.error("--processes must hold 1 and divide --batch-size")
    return options


def main() -> None:
    options = parsed()
    if options.worker is not None:
        folder, out = options.worker
        worker = Worker(folder, options)
        found = worker.whole() | (worker.parts() if worker.ranks == 1 else {})
        if worker.fabric.is_global_zero:
            out.write_text(json.dumps(found))
        return
    if not options.model_only:
        print_measured(options, sys.argv[1:])
    print_model(options)


if __name__ == "__main__":
    main()
