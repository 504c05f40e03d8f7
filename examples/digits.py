"""What GALA and re-balancing do for rare classes, on real images, in a few seconds.

    python examples/digits.py [--seeds 3] [--out FOLDER]

Handwritten digits with a long tail (imbalance 50; rounded down, 138 training images of the digit 0 and 2 of the digit
9) and a balanced test set. A small network is trained with cross-entropy, Balanced Softmax and GALA; its predictions
are scored as they are, re-balanced inductively (fitted on shifted copies of the training images) and re-balanced
transductively (fitted on the unlabelled test set). Always the last epoch: nothing is chosen by looking at test results.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch import Tensor, nn

from longtail import BalancedSoftmaxLoss, GALALoss, PredictionRebalancer
from longtail.data import long_tailed_digits
from longtail.data.built_in.digits import Digits
from longtail.metrics import LongTailScores, long_tail_scores
from longtail.models import MLP
from longtail.reports import PerClassRecallDisplay
from longtail.runs import RunFolder
from longtail.transforms import random_crop
from longtail.whole_file import write_whole

LOSSES: dict[str, Callable[[Tensor], nn.Module]] = {
    "cross-entropy": lambda _: nn.CrossEntropyLoss(),
    "Balanced Softmax": BalancedSoftmaxLoss,
    "GALA": lambda class_counts: GALALoss(len(class_counts)),
}
TREATMENTS = ("raw", "inductive", "transductive †")
GROUPS = {"all": "top1", "many": "many", "medium": "medium", "few": "few"}
MANY_ABOVE, FEW_BELOW = 50, 10
NOTE = "† transductive: fitted on the unlabelled test set as a whole, taken to be balanced; not for single images"
FIT_SETS = {"shifted": "shifted copies of the training images", "train": "the training images themselves"}
SLOPE = "slope of log theta over log n"


@dataclass(frozen=True, kw_only=True)
class Config:
    """One run."""

    loss: str
    imbalance: float = 50
    hidden: tuple[int, ...] = (128, 128)
    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    fit_on: str = "shifted"
    shifted_copies: int = 20


def train(config: Config, digits: Digits, seed: int, folder: RunFolder) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(seed)
    model = MLP(in_features=64, num_classes=10, hidden=config.hidden)
    criterion = LOSSES[config.loss](digits.class_counts)
    optimizer = torch.optim.SGD(
        model.parameters(), config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.epochs)
    for epoch in range(1, config.epochs + 1):
        total = 0.0
        for part in torch.randperm(len(digits.train_target)).split(config.batch_size):
            optimizer.zero_grad()
            loss = criterion(model(digits.train_images[part]), digits.train_target[part])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(part)
        folder.log(epoch=epoch, loss=total / len(digits.train_target), learning_rate=schedule.get_last_lr()[0])
        schedule.step()
    return model.eval(), criterion


def shifted(images: Tensor, copies: int, generator: torch.Generator) -> Tensor:
    """Each image `copies` times, moved by up to one pixel."""
    return random_crop(images.repeat(copies, 1, 1)[:, None], padding=1, generator=generator).squeeze(1)


def fitting_set(config: Config, digits: Digits, seed: int) -> tuple[Tensor, Tensor]:
    if config.fit_on == "train":
        return digits.train_images, digits.train_target
    images = shifted(digits.train_images, config.shifted_copies, torch.Generator().manual_seed(seed))
    return images, digits.train_target.repeat(config.shifted_copies)


def run(config: Config, seed: int, path: Path) -> RunFolder:
    digits = long_tailed_digits(config.imbalance, seed=seed)
    folder = RunFolder.create(path, config=config, seed=seed)
    model, criterion = train(config, digits, seed, folder)
    fit_images, fit_target = fitting_set(config, digits, seed)
    with torch.no_grad():
        folder.save_predictions("test", model(digits.test_images), digits.test_target)
        folder.save_predictions("fit", model(fit_images), fit_target)
    folder.save_weights({"model": model.state_dict(), "criterion": criterion.state_dict()})
    result = {treatment: summary(scores) for treatment, scores in evaluate(folder, digits.class_counts).items()}
    folder.finish(
        {
            "test": result,
            "class_counts": digits.class_counts,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            **slope_of(criterion, digits.class_counts),
        }
    )
    return folder


def evaluate(folder: RunFolder, class_counts: Tensor) -> dict[str, LongTailScores]:
    logits, target = folder.load_predictions("test")
    inductive = PredictionRebalancer().fit(*folder.load_predictions("fit"))
    transductive = PredictionRebalancer().fit_transductive(logits)
    predictions = (logits.argmax(1), inductive.predict(logits), transductive.predict(logits))
    return {
        treatment: long_tail_scores(
            predicted, target, class_counts=class_counts, many_above=MANY_ABOVE, few_below=FEW_BELOW
        )
        for treatment, predicted in zip(TREATMENTS, predictions, strict=True)
    }


def summary(scores: LongTailScores) -> dict[str, float | list[float]]:
    return {**{name: getattr(scores, field).item() for name, field in GROUPS.items()}, "recall": scores.recall.tolist()}


def slope_of(criterion: nn.Module, class_counts: Tensor) -> dict[str, float]:
    if not isinstance(criterion, GALALoss):
        return {}
    return {SLOPE: float(np.polyfit(class_counts.log(), criterion.theta.log(), 1)[0])}


def all_runs(seeds: int, out: Path, **settings: object) -> Iterator[RunFolder]:
    for loss in LOSSES:
        for seed in range(seeds):
            name = f"{loss.lower().replace(' ', '-')}-seed{seed}"
            yield run(Config(loss=loss, **settings), seed, out / name)


def results_of(loss: str, folders: list[RunFolder]) -> list[dict[str, Any]]:
    return [folder.result or {} for folder in folders if folder.header["config"]["loss"] == loss]


def scores_by_row(folders: list[RunFolder]) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """For each loss and treatment, percentages by group over the seeds."""
    rows: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for loss in LOSSES:
        for treatment in TREATMENTS:
            scores = [result["test"][treatment] for result in results_of(loss, folders)]
            rows[loss, treatment] = {name: 100 * np.array([score[name] for score in scores]) for name in GROUPS}
    return rows


def spread(values: np.ndarray) -> str:
    return f"{values.mean():.1f}" + (f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else "")


def table_of(rows: dict[tuple[str, str], dict[str, np.ndarray]]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    for column in ("loss", "re-balancing", *GROUPS):
        table.add_column(column, justify="left" if column in ("loss", "re-balancing") else "right", no_wrap=True)
    for (loss, treatment), scores in rows.items():
        table.add_row(loss, treatment, *(spread(scores[name]) for name in GROUPS))
    return table


def markdown_of(rows: dict[tuple[str, str], dict[str, np.ndarray]]) -> str:
    lines = [f"| loss | re-balancing | {' | '.join(GROUPS)} |", "|---|---|" + "---:|" * len(GROUPS)]
    lines += [
        f"| {loss} | {treatment} | {' | '.join(spread(scores[name]) for name in GROUPS)} |"
        for (loss, treatment), scores in rows.items()
    ]
    return "\n".join(lines)


def compare(difference: np.ndarray, rival: str) -> str:
    place = "GALA is the best row" if difference.mean() > 0 else "GALA is not the best row"
    error = difference.std(ddof=1) / len(difference) ** 0.5 if len(difference) > 1 else np.inf
    tie = "; less than two standard errors, so a tie" if abs(difference.mean()) < 2 * error else ""
    return f"{place} ({spread(difference)} points against {rival}{tie})"


def verdict(rows: dict[tuple[str, str], dict[str, np.ndarray]], folders: list[RunFolder]) -> list[str]:
    """What the table says of GALA, in words, whatever it says."""
    words = ["± is the standard deviation over seeds; differences are taken seed by seed."]
    for treatment in TREATMENTS:
        rivals = {loss: rows[loss, treatment]["all"] for loss in LOSSES if loss != "GALA"}
        best = max(rivals, key=lambda loss: rivals[loss].mean())
        words.append(f"{treatment}: {compare(rows['GALA', treatment]['all'] - rivals[best], best)}.")
    gained = rows["cross-entropy", TREATMENTS[1]]["few"] - rows["cross-entropy", "raw"]["few"]
    words.append(
        f"Inductive re-balancing alone, without retraining, gives cross-entropy {spread(gained)} points on few."
    )
    slopes = np.array([result[SLOPE] for result in results_of("GALA", folders)])
    words.append(
        f"GALA learnt its own prior: slope of log θ over log n {slopes.mean():.2f}; Balanced Softmax is given 1."
    )
    return words


def draw(folders: list[RunFolder], path: Path) -> None:
    recalls = {
        treatment if treatment == "raw" else f"re-balanced, {treatment}": {
            loss: np.array([result["test"][treatment]["recall"] for result in results_of(loss, folders)])
            for loss in LOSSES
        }
        for treatment in TREATMENTS[:2]
    }
    counts = np.mean([result["class_counts"] for result in results_of("GALA", folders)], axis=0)
    PerClassRecallDisplay(recalls, counts).plot().save(path, scale_factor=2)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="runs of each loss (default 3)")
    parser.add_argument("--epochs", type=int, default=Config.epochs, help=f"default {Config.epochs}")
    parser.add_argument("--fit-on", choices=FIT_SETS, default="shifted", help="images of the inductive fit")
    parser.add_argument("--out", type=Path, help="a new folder for the runs (default runs/digits-DATE-TIME)")
    options = parser.parse_args(arguments)
    if options.seeds < 1 or options.epochs < 1:
        parser.error(f"--seeds and --epochs must be at least 1. Got {options.seeds} and {options.epochs}.")
    out = options.out or Path("runs") / datetime.now().strftime("digits-%Y%m%d-%H%M%S")
    if out.exists():
        parser.error(f"--out must be a new folder. Got {out}.")
    try:
        out.mkdir(parents=True)
    except OSError as error:
        parser.error(f"--out must be a folder that can be made. Got {out}: {error.strerror}.")
    sys.stdout.reconfigure(errors="replace")  # a terminal without λ and ± still gets its table
    report(options.seeds, out, epochs=options.epochs, fit_on=options.fit_on)


def title_of(folders: list[RunFolder], seeds: int, epochs: int, fit_on: str) -> str:
    parameters = results_of("GALA", folders)[0]["parameters"]
    return (
        f"Digits, imbalance {Config.imbalance}, MLP of {parameters:,} parameters, {epochs} epochs, no augmentation, "
        f"last epoch; inductive fit on {FIT_SETS[fit_on]}; test accuracy in %, mean ± standard deviation over "
        f"{seeds} seeds; many > {MANY_ABOVE}, few < {FEW_BELOW} training images"
    )


def report(seeds: int, out: Path, *, epochs: int, fit_on: str) -> None:
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    folders = train_all(console, seeds, out, epochs=epochs, fit_on=fit_on)
    rows, title = scores_by_row(folders), title_of(folders, seeds, epochs, fit_on)
    words = verdict(rows, folders)
    write_table(out / "table.md", title, rows, words, folders[0].header["versions"])
    draw(folders, out / "recall.png")
    console.print(title)
    console.print(table_of(rows))
    for sentence in (NOTE, *words):
        console.print(f"- {sentence}", soft_wrap=True)
    console.print(f"runs: {out}/  table: {out / 'table.md'}  picture: {out / 'recall.png'}", soft_wrap=True)


def train_all(console: Console, seeds: int, out: Path, *, epochs: int, fit_on: str) -> list[RunFolder]:
    total, folders = len(LOSSES) * seeds, []
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("training", total=total)
        for folder in all_runs(seeds, out, epochs=epochs, fit_on=fit_on):
            folders.append(folder)
            progress.advance(task)
            if not console.is_terminal:
                console.print(f"{len(folders)}/{total} {folder.path}", soft_wrap=True)
    return folders


def write_table(
    path: Path, title: str, rows: dict[tuple[str, str], dict[str, np.ndarray]], words: list[str], made: dict[str, str]
) -> None:
    sentences = "\n".join(f"- {sentence}" for sentence in words)
    versions = ", ".join(f"{name} {version}" for name, version in made.items())
    content = f"{title}.\n\n{markdown_of(rows)}\n\n{NOTE}\n\n{sentences}\n\nRun with {versions}.\n"
    with write_whole(path) as file:
        file.write(content.encode())


if __name__ == "__main__":
    main()
