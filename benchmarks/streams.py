"""Re-balancing of logits in a file that is larger than the memory it may take, beside a numpy softmax of the same file.

    python benchmarks/streams.py [--samples 1000000] [--classes 1000] [--folder DIR] [--diagnose]

Writes float32 logits of a model that prefers the head of a long tail, maps the file into memory and measures, in turns:
a softmax pass in numpy, a fit of `PredictionRebalancer` (one pass), and the scoring of a fix (decisions and the recall
of every class, one pass). Memory is what the process holds of its own (RssAnon); pages of the file that the system
keeps are not counted. With `--diagnose` the whole of `longtail fix` follows.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from longtail import PredictionRebalancer
from longtail.posthoc.blocks import row_blocks
from longtail.repair import diagnose
from longtail.repair.metrics import recalls

ROUNDS = 3
ROWS_AT_ONCE = 64  # the fastest of 16 to 1024 for numpy's softmax here


def written(path: Path, samples: int, classes: int) -> np.ndarray:
    """The file, mapped; returns the labels."""
    rng = np.random.default_rng(0)
    prior = 0.01 ** (np.arange(classes) / (classes - 1))
    target = np.concatenate([np.arange(classes), rng.choice(classes, samples - classes, p=prior / prior.sum())])
    logits = np.lib.format.open_memmap(path, "w+", np.float32, (samples, classes))
    for part in row_blocks(samples, classes):
        block = rng.standard_normal((part.stop - part.start, classes), dtype=np.float32)
        block[np.arange(len(block)), target[part]] += 3
        logits[part] = block + np.log(prior).astype(np.float32)
    logits.flush()
    return target


def softmax_pass(logits: np.ndarray) -> np.ndarray:
    total = np.zeros(logits.shape[1])
    for start in range(0, len(logits), ROWS_AT_ONCE):
        block = logits[start : start + ROWS_AT_ONCE]
        scores = np.exp(block - block.max(1, keepdims=True))
        scores /= scores.sum(1, keepdims=True)
        total += scores.sum(0)
    return total


def own_memory() -> int:
    """MiB that the process holds of its own."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) // 1024


class Peak:
    """The most memory while it is open, looked at each 5 ms."""

    def __enter__(self) -> "Peak":
        self.most, self.open = own_memory(), True
        self.thread = threading.Thread(target=self._look)
        self.thread.start()
        return self

    def _look(self) -> None:
        while self.open:
            self.most = max(self.most, own_memory())
            time.sleep(0.005)

    def __exit__(self, *_: object) -> None:
        self.open = False
        self.thread.join()


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="where the file goes; by default where temporary files go")
    parser.add_argument("--diagnose", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "logits.npy"
        target = written(path, options.samples, options.classes)
        logits = np.load(path, mmap_mode="r")
        print(f"{path.stat().st_size / 1e9:.2f} GB, {options.samples:,} x {options.classes:,}, ", end="")
        print(f"{torch.get_num_threads()} threads; {own_memory()} MiB held before")
        measure(logits, target)
        if options.diagnose:
            with Peak() as peak:
                took = seconds(lambda: print(diagnose(logits, target).summary))
            print(f"diagnose: {took:.0f} s, {peak.most} MiB")


def measure(logits: np.ndarray, target: np.ndarray) -> None:
    num_classes = logits.shape[1]
    rebalancer = PredictionRebalancer().fit_transductive(logits[:1000])

    def score() -> None:
        recalls(target, rebalancer.predict(logits), np.ones(len(target)), num_classes)

    work = {
        "softmax in numpy": lambda: softmax_pass(logits),
        "fit": lambda: PredictionRebalancer().fit(logits, target),
        "scoring": score,
    }
    took: dict[str, list[float]] = {name: [] for name in work}
    most = dict.fromkeys(work, 0)
    for _ in range(ROUNDS):
        for name, run in work.items():
            with Peak() as peak:
                took[name].append(seconds(run))
            most[name] = max(most[name], peak.most)
    one = statistics.median(took["softmax in numpy"])
    for name, values in took.items():
        median = statistics.median(values)
        print(f"{name}: {median:.2f} s, {one / median:.2f} times the speed of softmax, {most[name]} MiB")


if __name__ == "__main__":
    main()
