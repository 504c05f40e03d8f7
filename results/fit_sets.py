"""Which data the inductive fit should use: runs of CIFAR-LT, re-balanced by fits on several splits.

    python results/fit_sets.py RUN [RUN …] --data DIR [--passes 1 4]

For each run the test accuracy of its raw predictions, and of its predictions re-balanced (one step, τ = 1) by a fit on
the training images as they are, on as many augmented passes over them, on its held-out images where it has any, and,
beside these, on the unlabelled test set itself. Printed as Markdown.
"""

import argparse
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from longtail import PredictionRebalancer
from longtail.data import Splits, load_splits
from longtail.metrics import long_tail_scores
from longtail.runs import RunFolder
from longtail.training import TrainingConfig, trained_network
from longtail.training.epochs import augmentation
from longtail.training.evaluation import predict_logits
from longtail.training.seeds import generator_for


def fits(
    folder: RunFolder, config: TrainingConfig, splits: Splits, passes: list[int]
) -> dict[str, PredictionRebalancer]:
    model = trained_network(folder)
    fitted = {"training images as they are": PredictionRebalancer().fit(*folder.load_predictions("train"))}
    logits: list[torch.Tensor] = []
    for number in range(1, max(passes) + 1):
        generator = generator_for(torch.device("cpu"), config.seed, config.epochs + number)
        augmented = splits.train.augmented(augmentation(config.augmentations, splits.channels), generator)
        logits.append(predict_logits(model, augmented, nullcontext))
        if number in passes:
            target = splits.train.target.repeat(number)
            fitted[f"augmented, {number} ×"] = PredictionRebalancer().fit(torch.cat(logits), target)
    if len(splits.validation):
        fitted["held-out images"] = PredictionRebalancer().fit(*folder.load_predictions("validation"))
    fitted["test images, transductive †"] = PredictionRebalancer().fit_transductive(folder.load_predictions("test")[0])
    return fitted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--passes", nargs="+", type=int, default=[1, 4])
    options = parser.parse_args()
    print("| run | fit on | all | many | medium | few |\n|---|---|---:|---:|---:|---:|")
    for path in options.runs:
        folder = RunFolder.open(path)
        config = TrainingConfig.from_json(folder.header["config"])
        splits = load_splits(config, options.data, torch.device("cpu"))
        logits, target = folder.load_predictions("test")
        offsets = {"nothing (raw)": np.zeros(logits.shape[1])}
        offsets |= {name: fit.offset_ for name, fit in fits(folder, config, splits, options.passes).items()}
        for name, offset in offsets.items():
            scores = long_tail_scores(logits + offset, target, class_counts=splits.class_counts)
            cells = " | ".join(
                f"{100 * getattr(scores, group).item():.1f}" for group in ("top1", "many", "medium", "few")
            )
            print(f"| {config.loss}, {config.epochs} epochs | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
