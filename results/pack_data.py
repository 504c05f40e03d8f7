"""Packs what the GPU script needs and a machine without network lacks: images of CIFAR-100-LT, and Python packages.

    python results/pack_data.py --cifar DIR [--out results/data] [--images-only]

DIR holds the folder cifar-100-binary or its archive. Writes OUT/cifar100-lt.pack, the images of the subsets of
imbalance 10 and above, 20 more of each class for a balanced validation set at imbalance 100, and the test set; and
OUT/wheels with the packages, in the versions of constraints.txt. About a minute; the wheels need a network.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

import numpy as np  # noqa: E402

from longtail.data import load_cifar, long_tailed_counts, long_tailed_indices  # noqa: E402
from packed_images import read_pack, write_pack  # noqa: E402

PACK = "cifar100-lt.pack"
LOWEST_IMBALANCE, VALIDATION_IMBALANCE, VALIDATION_PER_CLASS = 10, 100, 20
MOST_BYTES = 56_000_000
PYTHON = "3.12"
PACKAGES = (
    *("lightning-fabric", "lightning-utilities", "filelock", "fsspec", "packaging", "typing_extensions"),
    *("tyro", "docstring_parser", "typeguard", "rich", "markdown-it-py", "mdurl", "Pygments"),
    *("pytest", "pluggy", "iniconfig"),
)


def kept_images(labels: np.ndarray) -> np.ndarray:
    """Indices of the training images that are packed, class after class, each class in the order of its shuffle.

    Args:
        labels: (N,) of a balanced training set.
    """
    available = np.bincount(labels)
    classes, most = len(available), int(available.min())
    counts = long_tailed_counts(classes, most, LOWEST_IMBALANCE)
    validated = long_tailed_counts(classes, most, VALIDATION_IMBALANCE) + VALIDATION_PER_CLASS
    counts = np.maximum(counts, np.minimum(validated, most))
    shuffled = long_tailed_indices(labels, 1, seed=0)
    return np.concatenate([part[:count] for part, count in zip(np.split(shuffled, classes), counts, strict=True)])


def fetch_wheels(folder: Path) -> None:
    """Download the packages, all pure Python, without what they depend on."""
    versions = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    wanted = [f"{name}=={versions[name]}" for name in PACKAGES]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", PYTHON, "--dest", str(folder), *wanted]
    subprocess.run(command, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar", type=Path, required=True, help="holds cifar-100-binary or its archive")
    parser.add_argument("--out", type=Path, default=ROOT / "results/data")
    parser.add_argument("--images-only", action="store_true", help="leave out the packages, which need a network")
    options = parser.parse_args()
    start = time.perf_counter()
    try:
        cifar = load_cifar("cifar100", options.cifar)
        options.out.mkdir(parents=True, exist_ok=True)
        pack = options.out / PACK
        kept = kept_images(cifar.train_target.numpy())
        write_pack(cifar, kept, pack)
        read_pack(pack)
    except (ValueError, OSError) as error:
        print(f"pack_data: {error}", file=sys.stderr)
        return 2
    size = pack.stat().st_size
    seconds = time.perf_counter() - start
    print(f"{pack}: {len(kept):,} training and {len(cifar.test_target):,} test images, {size:,} bytes, {seconds:.0f} s")
    if size > MOST_BYTES:
        print(f"pack_data: {pack} must have at most {MOST_BYTES:,} bytes. It has {size:,}.", file=sys.stderr)
        return 1
    if options.images_only:
        return 0
    try:
        fetch_wheels(options.out / "wheels")
    except subprocess.CalledProcessError:
        print("pack_data: pip could not download the packages; the images are packed.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
