"""How the command line takes the user's own data in the place of a recipe."""

from collections.abc import Sequence
from pathlib import Path

from longtail.recipes import RECIPES

KINDS = "a folder of class folders, a list (.txt), a table (.csv, .tsv, .jsonl, .parquet) or arrays (.npz, .npy)"


def with_recipe(arguments: Sequence[str]) -> list[str]:
    """`train PATH …` as `train features --data PATH …`, and `--no-pretrained` as `--pretrained False`.

    Raises:
        ValueError: the first argument of `train` is neither a recipe nor a path.

    Example:
        >>> with_recipe(["train", ".", "--seed", "1"])
        ['train', 'features', '--data', '.', '--seed', '1']
    """
    words = [word for argument in arguments for word in _switch(argument)]
    if len(words) < 2 or words[0] != "train" or words[1].startswith("-") or words[1] in RECIPES:
        return words
    if not Path(words[1]).exists():
        raise ValueError(
            f"`longtail {words[0]}` takes a recipe ({', '.join(RECIPES)}) or a path ({KINDS}). Got {words[1]!r}, which "
            "is neither."
        )
    return [words[0], "features", "--data", *words[1:]]


def _switch(argument: str) -> list[str]:
    """`--pretrained` and `--no-pretrained` with the value that they stand for."""
    return {"--pretrained": ["--pretrained", "True"], "--no-pretrained": ["--pretrained", "False"]}.get(
        argument, [argument]
    )
