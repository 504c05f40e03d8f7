"""Features that are a mixture of Gaussians, in a file as large as those of a large data set."""

import time
import zipfile
from pathlib import Path

import numpy as np

FEATURES, LATENT, NOISE, BLOCK = 2048, 128, 2.0, 8192


def write_features(counts: np.ndarray, path: Path, share: float) -> None:
    """Train and test features and labels in one `.npz` file, without ever holding them in memory."""
    if path.exists():
        return
    start, random = time.perf_counter(), np.random.default_rng(0)
    sizes = np.maximum(1, (counts * share).astype(int))
    centres = random.standard_normal((len(sizes), LATENT), dtype=np.float32)
    projection = random.standard_normal((LATENT, FEATURES), dtype=np.float32) / LATENT**0.5
    part = path.with_suffix(".part")
    with zipfile.ZipFile(part, "w") as archive:
        for name, each in (("train", sizes), ("test", np.full(len(sizes), 3))):
            labels = random.permutation(np.repeat(np.arange(len(sizes)), each))
            with archive.open(f"{name}_features.npy", "w", force_zip64=True) as file:
                header = {"descr": "<f2", "fortran_order": False, "shape": (len(labels), FEATURES)}
                np.lib.format.write_array_header_1_0(file, header)
                for begin in range(0, len(labels), BLOCK):
                    own = labels[begin : begin + BLOCK]
                    latent = centres[own] + NOISE * random.standard_normal((len(own), LATENT), dtype=np.float32)
                    ambient = 0.1 * random.standard_normal((len(own), FEATURES), dtype=np.float32)
                    file.write(np.maximum(latent @ projection + ambient, 0).astype(np.float16).tobytes())
            with archive.open(f"{name}_labels.npy", "w") as file:
                np.lib.format.write_array(file, labels)
            print(f"{len(labels):,} {name} samples of {len(sizes):,} classes", flush=True)
    part.replace(path)
    print(f"features written in {time.perf_counter() - start:.0f} s, {path.stat().st_size / 1e9:.2f} GB", flush=True)
