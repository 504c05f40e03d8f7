"""The user's own photographs: feature extraction, the recipe `features` on kept features, and `longtail predict`.

    python benchmarks/own_data.py PHOTOS --weights lite0.safetensors [--size 128] [--threads 2] [--files 1000]

PHOTOS holds one folder per class. Extraction is timed with decoding, from files that the operating system has read
before; the prediction with the start of its process.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from longtail.auto import extract_features
from longtail.data.images.folder import Walk
from longtail.recipes import features
from longtail.training import run_experiment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--files", type=int, default=1000)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    work = Path(tempfile.mkdtemp())
    os.environ["LONGTAIL_CACHE"] = str(work / "cache")
    walk = Walk()
    below = walk.images(options.photos, walk.class_folders(options.photos))
    files = [str(options.photos / file) for own in below.values() for file in own]

    start = time.perf_counter()
    extract_features(options.photos, model="tf_efficientnet_lite0", weights=options.weights, size=options.size)
    extraction = len(files) / (time.perf_counter() - start)
    print(f"extraction, files checked before: {extraction:.0f} images per second ({len(files):,} images)", flush=True)

    settings = {"weights": options.weights, "size": options.size, "threads": options.threads, "device": "cpu"}
    run_experiment(features(**settings), data=options.photos, out=work / "first")
    start = time.perf_counter()
    run = run_experiment(features(**settings, seed=1), data=options.photos, out=work / "second")
    epochs = sum(line["seconds"] for line in run.metrics)
    print(f"recipe features on kept features: {time.perf_counter() - start:.1f} s, {epochs:.1f} of them in the epochs")

    (work / "list.txt").write_text("\n".join(str(Path(file).resolve()) for file in files[: options.files]))
    command = [sys.executable, "-c", "import sys; from longtail.cli import main; sys.exit(main())", "predict"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    start = time.perf_counter()
    subprocess.run(
        [*command, str(run.path), str(work / "list.txt"), "--out", str(work / "p.csv")],
        check=True,
        env=environment,
        capture_output=True,
    )
    rate = options.files / (time.perf_counter() - start)
    print(f"longtail predict of {options.files:,} files: {rate:.0f} a second with start, ratio {rate / extraction:.2f}")


if __name__ == "__main__":
    main()
