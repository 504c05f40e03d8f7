"""ImageNet-LT, Places-LT and iNaturalist 2018 at their true length: time and memory until the first batch, and after.

    python benchmarks/large_lists.py LISTS [--out FOLDER] [--batches 20] [--doctor]

LISTS holds the official list files and class counts (the folder `lists` of the real data); training lists that are not
there are made from the counts. The images are hard links to 32 small JPEG files of noise, so that opening, splitting
and drawing are those of the real data sets, and decoding is not. Memory is what the process has above that after its
imports; processor time is that of the process without its workers. Each data set has a process of its own.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

SETS = ("imagenet-lt", "places-lt", "inaturalist18")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lists", type=Path)
    parser.add_argument("--out", type=Path, help="keep the files that are made in this folder, or use those in it")
    parser.add_argument("--batches", type=int, default=20, help="of 256 images of 64 x 64 pixels, drawn by class")
    parser.add_argument("--doctor", action="store_true", help="also decode every file, as `longtail doctor` does")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured(options.measure, options.out, options.batches, options.doctor)))
        return
    out = options.out or Path(tempfile.mkdtemp())
    try:
        for name in SETS:
            make(name, options.lists, out / name)
            arguments = ["--measure", name, "--out", str(out / name), "--batches", str(options.batches)]
            command = [sys.executable, __file__, str(options.lists), *arguments, *["--doctor"] * options.doctor]
            report(name, json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        print(
            f"JPEG files of noise, 500 x 375 pixels, decoded to their end: {decoding_rate():.0f} a second of processor"
        )
    finally:
        if options.out is None:
            shutil.rmtree(out)


def make(name: str, lists: Path, folder: Path) -> None:
    from data.large_set_files import link_images, write_full_lists

    if folder.exists():
        return
    start = time.perf_counter()
    files = link_images(write_full_lists(name, lists, folder), folder)
    print(f"{name}: {files:,} files made in {time.perf_counter() - start:.0f} s", flush=True)


class Measures:
    """Seconds on the clock, processor seconds and memory of what is done, by its name."""

    def __init__(self) -> None:
        self.found: dict[str, float] = {}
        self.base = memory()

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        start, started = time.perf_counter(), time.process_time()
        yield
        self.found[what] = time.perf_counter() - start
        self.found[f"{what}, processor"] = time.process_time() - started
        self.found[f"{what}, memory"] = memory("VmHWM") - self.base


def measured(name: str, folder: Path, batches: int, doctor: bool) -> dict[str, float]:
    import torch

    import longtail.data.images.file_augmentation
    import longtail.data.large_sets.source  # noqa: F401 - imports count before, not in the first measure
    from longtail.data import load_splits, plan_splits
    from longtail.data.large_sets import read_large_set
    from longtail.doctor.large_sets import examine_large_set
    from longtail.recipes import RECIPES
    from longtail.samplers import make_sampler

    torch.set_num_threads(1)
    measures = Measures()
    with measures.of("lists"):
        parts = read_large_set(name, folder).parts
    measures.found["images"] = sum(len(part) for _, part in parts.items())
    with measures.of("divided"):
        plan_splits(parts, validation=0.1, test=0.1).apply(parts)
    del parts
    config = RECIPES[name](size=64, workers=0)
    with measures.of("splits"):
        splits = load_splits(config, folder, torch.device("cpu"))
    with measures.of("epoch drawn"):
        order = make_sampler("class-aware", splits.train.target, seed=0, epochs=10).indices(0)
    with measures.of("batches"):
        draw_batches(splits.train, order, batches)
    measures.found["rate"] = 256 * batches / measures.found["batches"]
    if doctor:
        with measures.of("doctor"):
            findings = examine_large_set(name, folder)
        assert not any(finding.severity == "serious" for finding in findings), findings
    return measures.found


def draw_batches(train: Any, order: Any, number: int) -> None:
    """Augmented batches of 256 images, as an epoch begins."""
    import torch

    wanted = [slice(256 * i, 256 * (i + 1)) for i in range(number)]
    generator = torch.Generator().manual_seed(0)
    for images, _ in train.batches(order, wanted, augment=None, generator=generator, each_once=False):
        assert images.shape == (256, 3, 64, 64)


def decoding_rate(files: int = 2000) -> float:
    """Files a second of processor time that one process of the doctor decodes."""
    from data.large_set_files import noise
    from longtail.doctor.large_sets import damaged_files

    with tempfile.TemporaryDirectory() as folder:
        names = [noise(Path(folder) / f"{number}.jpg", number, (500, 375)).name for number in range(40)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert not damaged_files(Path(folder), names * (files // len(names)), workers=1)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return files / (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def report(name: str, found: dict[str, float]) -> None:
    """One line of each measure."""
    lines = {
        "lists": "lists read, layout found",
        "divided": "a tenth each held out",
        "splits": "from the folder to splits, every file looked up",
        "epoch drawn": "an epoch drawn by class",
        "batches": f"augmented batches, {found['rate']:.0f} images per second",
        "doctor": "every file decoded",
    }
    print(f"{name}: {found['images']:,.0f} images")
    for key, what in lines.items():
        if key in found:
            processor, most = found[f"{key}, processor"], found[f"{key}, memory"]
            print(
                f"  {what}: {found[key]:.2f} s, processor {processor:.2f} s, at most {most:.0f} MB so far", flush=True
            )


def memory(field: str = "VmRSS") -> float:
    """Of this process in MB, now or at its peak."""
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{field}:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
