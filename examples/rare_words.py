"""Predict a word from the words around it: a classifier whose classes are a vocabulary, with the tail of Zipf's law.

    python examples/rare_words.py FILE [FILE ...] [--epochs 2] [--seed 0]

Each file is text, or CSV with a column `text`, either of them also as .gz; a line or a row is one text. Words that
occur at least twice in the training texts are classes. A network of embeddings and one hidden layer sees three words on
each side; it is trained with cross-entropy and with GALA of three strengths, by `criterion.linear`, which never holds
the logits of a batch (samples × vocabulary). Accuracy on held-out texts is shown for groups of words by their training
frequency. Always the last epoch: nothing is chosen by looking at test results. About six minutes on one core for 36,000
short texts.
"""

import argparse
import csv
import gzip
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from longtail import GALALoss, LogitAdjustmentLoss
from longtail.losses.contract import LongTailedLoss

SIDE = 3  # words of the context on each side
LEAST = 2  # occurrences of a word that is a class
TEST_SHARE = 0.1
NO_WORD = 0  # beyond the ends of a text, or too rare to have an embedding
LOSSES: dict[str, Callable[[Tensor], LongTailedLoss]] = {
    "cross-entropy": lambda counts: LogitAdjustmentLoss(counts, tau=0),
    "GALA, λ1 = 0.4": lambda counts: GALALoss(len(counts), lambda_positive=0.4),
    "GALA, λ1 = 0.8": lambda counts: GALALoss(len(counts), lambda_positive=0.8),
    "GALA, λ1 = 1.2": lambda counts: GALALoss(len(counts)),
}
GROUPS = ((1000, None), (100, 999), (10, 99), (LEAST, 9))


@dataclass(frozen=True)
class Positions:
    """Words and what surrounds them.

    Attributes:
        context: (N, 2 · SIDE) words as positions in the vocabulary from 1 on, or `NO_WORD`.
        target: (N,) the word between them, as a class from 0 on.
    """

    context: Tensor
    target: Tensor


class WordModel(nn.Module):
    """Embeddings of the context, one hidden layer, and a linear classifier, which `features` leaves to the loss."""

    def __init__(self, num_classes: int, width: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_classes + 1, width, padding_idx=NO_WORD)
        self.hidden = nn.Linear(2 * SIDE * width, width)
        self.classifier = nn.Linear(width, num_classes)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def features(self, context: Tensor) -> Tensor:
        """(N, width)."""
        return self.hidden(self.embedding(context).flatten(1)).relu()


def texts_of(path: Path) -> Iterator[str]:
    """The texts of a file."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", errors="replace", newline="") as file:
        if ".csv" not in path.suffixes:
            yield from file
            return
        rows = csv.DictReader(file)
        if "text" not in (rows.fieldnames or []):
            raise ValueError(f"{path}: a CSV file must have a column `text`. Got {', '.join(rows.fieldnames or [])}.")
        yield from (row["text"] for row in rows)


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+(?:'\w+)?", text.lower())


def split(texts: list[list[str]], seed: int) -> tuple[list[list[str]], list[list[str]]]:
    """Training and test texts."""
    order = torch.randperm(len(texts), generator=torch.Generator().manual_seed(seed)).tolist()
    test = round(TEST_SHARE * len(texts))
    return [texts[i] for i in order[test:]], [texts[i] for i in order[:test]]


def vocabulary_of(texts: list[list[str]]) -> dict[str, int]:
    """The position of each word that is a class, from 1 on, the most frequent first."""
    counts = Counter(word for text in texts for word in text)
    return {word: i for i, (word, count) in enumerate(counts.most_common(), 1) if count >= LEAST}


def positions_of(texts: list[list[str]], vocabulary: dict[str, int]) -> Positions:
    context, target = [], []
    for text in texts:
        words = [NO_WORD] * SIDE + [vocabulary.get(word, NO_WORD) for word in text] + [NO_WORD] * SIDE
        for i in range(SIDE, len(words) - SIDE):
            if words[i] != NO_WORD:
                context.append(words[i - SIDE : i] + words[i + 1 : i + 1 + SIDE])
                target.append(words[i] - 1)
    return Positions(torch.tensor(context).reshape(-1, 2 * SIDE), torch.tensor(target, dtype=torch.long))


def train(train_set: Positions, counts: Tensor, loss: str, epochs: int, seed: int) -> WordModel:
    torch.manual_seed(seed)
    model, criterion = WordModel(len(counts)), LOSSES[loss](counts)
    batches = -(-len(train_set.target) // 1024)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * batches)
    for _ in range(epochs):
        for part in torch.randperm(len(train_set.target)).split(1024):
            optimizer.zero_grad()
            features, classifier = model.features(train_set.context[part]), model.classifier
            criterion.linear(features, classifier.weight, classifier.bias, train_set.target[part]).backward()
            optimizer.step()
            schedule.step()
    return model.eval()


@torch.no_grad()
def hits(model: WordModel, test_set: Positions, best: int = 10) -> Tensor:
    """Whether each word is among the `best` that the model expects, (N,)."""
    found = [
        (model.classifier(model.features(context)).topk(best).indices == target[:, None]).any(1)
        for context, target in zip(test_set.context.split(1024), test_set.target.split(1024), strict=True)
    ]
    return torch.cat(found)


def accuracies(found: Tensor, test_set: Positions, counts: Tensor) -> list[str]:
    """In percent: of all words, of each group, and the mean over the words of the test texts."""
    frequency = counts[test_set.target]
    groups = [found[(frequency >= low) & (frequency <= (high or torch.inf))] for low, high in GROUPS]
    seen = torch.bincount(test_set.target, minlength=len(counts))
    right = torch.bincount(test_set.target[found], minlength=len(counts))
    balanced = (right / seen)[seen > 0].mean()
    return [f"{100 * value:.1f}" for value in (found.float().mean(), *(g.float().mean() for g in groups), balanced)]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="text, or CSV with a column `text`; or .gz")
    parser.add_argument("--epochs", type=int, default=2, help="default 2")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    options = parser.parse_args(arguments)
    if options.epochs < 1:
        parser.error(f"--epochs must be at least 1. Got {options.epochs}.")
    try:
        texts = [words for path in options.files for text in texts_of(path) if (words := words_of(text))]
    except (OSError, ValueError, csv.Error) as error:
        parser.error(f"FILE must be readable. Got {error}")
    train_texts, test_texts = split(texts, options.seed)
    vocabulary = vocabulary_of(train_texts)
    if len(vocabulary) < 100 or not test_texts:
        parser.error(
            f"FILE must hold at least 100 words that occur twice. Got {len(vocabulary)} in {len(texts)} texts."
        )
    sys.stdout.reconfigure(errors="replace")
    report(positions_of(train_texts, vocabulary), positions_of(test_texts, vocabulary), len(vocabulary), options)


def report(train_set: Positions, test_set: Positions, num_classes: int, options: argparse.Namespace) -> None:
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    counts = torch.bincount(train_set.target, minlength=num_classes)
    console.print(
        f"{num_classes:,} words ({counts.max():,} … {counts.min():,} occurrences), {len(train_set.target):,} training "
        f"and {len(test_set.target):,} test positions, {options.epochs} epochs; % of test positions whose word is "
        "among the 10 predicted, by occurrences of the word in the training texts; mean: over words",
        soft_wrap=True,
    )
    names = [f"{low}–{high}" if high else f"≥ {low}" for low, high in GROUPS]
    table = Table(box=None, padding=(0, 1, 0, 0))
    for column in ("loss", "all", *names, "mean"):
        table.add_column(column, justify="left" if column == "loss" else "right", no_wrap=True)
    for loss in LOSSES:
        model = train(train_set, counts, loss, options.epochs, options.seed)
        table.add_row(loss, *accuracies(hits(model, test_set), test_set, counts))
    console.print(table)


if __name__ == "__main__":
    main()
