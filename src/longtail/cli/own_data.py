"""How the command line takes the user's own data in the place of a recipe."""

import importlib
import inspect
from collections.abc import Sequence
from pathlib import Path

HELP = {"-h", "--help"}


def with_recipe(arguments: Sequence[str]) -> list[str]:
    """`train PATH …` as `train RECIPE --data PATH …`, and `--no-pretrained` as `--pretrained False`.

    So too `compare PATH …`.

    Raises:
        FileNotFoundError: the first argument looks like a path (a folder before it, or a suffix) that does not exist.
        ValueError: it is neither a recipe nor a path, or a setting of a recipe that is named later or not at all.

    Example:
        >>> with_recipe(["train", "digits-lt", "--no-pretrained"])
        ['train', 'digits-lt', '--pretrained', 'False']
    """
    words = _with_values(arguments)
    if len(words) < 2 or words[0] not in ("train", "compare"):
        return words
    if words[1].startswith("-"):
        _check_begins_with_own_option(words)
        return words
    from longtail.recipes import RECIPES

    if words[1] in RECIPES:
        return words
    if not Path(words[1]).exists():
        if Path(words[1]).suffix or Path(words[1]).name != words[1]:
            raise FileNotFoundError(f"PATH must exist. Got {words[1]}; {Path(words[1]).absolute()} is missing.")
        from longtail.arguments import guess
        from longtail.data.read import KINDS

        raise ValueError(
            f"`longtail {words[0]}` takes a recipe ({', '.join(RECIPES)}) or a path ({KINDS}). Got {words[1]!r}, which "
            f"is neither.{guess(words[1], [*RECIPES, *sorted(path.name for path in Path().iterdir())])}"
        )
    if "--data" in words:
        raise ValueError(
            f"`longtail {words[0]} {words[1]}` must have no --data beside the path. Leave one of them out."
        )
    return [words[0], default_recipe(Path(words[1]))[0], "--data", *words[1:]]


def _check_begins_with_own_option(words: Sequence[str]) -> None:
    """Before the recipe there may be options of the command, but no settings, which the recipe defines."""
    if words[1] == "--resume" or not HELP.isdisjoint(words):
        return
    from longtail.recipes import RECIPES

    named = not set(RECIPES).isdisjoint(words)
    command = getattr(importlib.import_module(f"longtail.cli.{words[0]}"), words[0])
    option = words[1].partition("=")[0]
    if not named or option.removeprefix("--").replace("-", "_") not in inspect.signature(command).parameters:
        more = "" if option == "--data" else f" {option} …"
        raise ValueError(
            f"`longtail {words[0]}` must have a recipe or the path of the data before {option}. Type it first: "
            f"longtail {words[0]} PATH{more}"
        )


def default_recipe(data: Path) -> tuple[str, str]:
    """The recipe for a path where none is named, and why it is this one."""
    if not holds_images(data):
        return "features", "the default for tables and arrays; where they hold images, with a GPU: finetune"
    import torch

    if torch.cuda.is_available():
        return "finetune", "the default with a GPU; seconds instead: features"
    return "features", "the default without a GPU; the whole network instead: finetune"


def holds_images(data: Path) -> bool:
    """Whether a path surely holds images: a folder, tar file or list; Parquet, tables and arrays may hold features."""
    from longtail.data.list_source import LISTS
    from longtail.data.tables.parquet_folder import is_parquet_folder
    from longtail.data.tar.source import is_tar, is_tar_folder
    from longtail.data.text_file import kind_of

    if data.is_dir():
        return is_tar_folder(data) or not is_parquet_folder(data)
    return is_tar(data) or kind_of(data) in LISTS


def _with_values(arguments: Sequence[str]) -> list[str]:
    """`--pretrained` and `--no-pretrained` with the value that they stand for, where none follows."""
    words: list[str] = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if argument == "--no-pretrained":
            words += ["--pretrained", "False"]
        elif argument == "--pretrained" and (following.startswith("-") or Path(following).exists()):
            words += ["--pretrained", "True"]
        else:
            words.append(argument)
    return words
