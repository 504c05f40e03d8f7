"""What each of the processes that torchrun starts does: `retrained_by_several.py DATA FIRST OWN OUT`."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from longtail.auto import train_and_fix
from longtail.models import CifarBackbone
from longtail.recipes.second_stages import second_stage
from longtail.runs import RunFolder
from longtail.training import run_experiment
from training.tiny import tiny_cifar10

STEPS = 200
ON_IMAGES = {
    "gala": ("decoupled-gala", {"epochs": 34, "views": 2, "augmentations": ("flip",)}),
    "gala-each-step": ("decoupled-gala", {"epochs": 2, "features": "each-step"}),
    "balms": ("balms", {"epochs": 2, "views": 2}),
    "crt-kept": ("crt", {"epochs": 2, "features": "kept", "views": 2}),
    "lws": ("lws", {"epochs": 2}),
    "weight-balancing": ("weight-balancing", {"epochs": 2}),
    "disalign": ("disalign", {"epochs": 2}),
    "tau-norm": ("tau-norm", {}),
    "ncm": ("ncm", {}),
    "mislas": ("mislas", {"epochs": 1}),
}
"""Second stages of a run on images of which six batches of 16 are an epoch; `gala` takes more than 200 steps."""
ON_FEATURES = {"features": ("decoupled-gala", {"epochs": 3}), "features-ncm": ("ncm", {})}


def retrain_all(data: Path, first: Path, own: Path, out: Path) -> dict[str, int]:
    """Run all of them; the number of images that this process passed through the backbone in each."""
    os.environ["LONGTAIL_CACHE"] = str(out / "cache")
    passed: dict[str, int] = {}
    forward = CifarBackbone.forward

    def counted(self, images):
        passed[name] += len(images)
        return forward(self, images)

    CifarBackbone.forward = counted
    try:
        for name, (method, settings) in ON_IMAGES.items():
            passed[name] = 0
            folder = RunFolder.open(first)
            config = second_stage(folder, method, **settings)
            with tiny_cifar10():
                run_experiment(config, data=data, out=out / name, first_stage=folder)
    finally:
        CifarBackbone.forward = forward
    folder = RunFolder.open(own)
    for name, (method, settings) in ON_FEATURES.items():
        config = second_stage(folder, method, **settings)
        train_and_fix(config, data=folder.origin, out=out / name, first_stage=folder)
    return passed


if __name__ == "__main__":
    data, first, own, out = map(Path, sys.argv[1:])
    passed = retrain_all(data, first, own, out)
    (out / f"rank{os.environ['RANK']}.txt").write_text("\n".join(f"{name} {count}" for name, count in passed.items()))
