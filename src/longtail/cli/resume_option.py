"""`--resume`, which names a run only where nothing else says what is trained."""

import itertools
from collections.abc import Sequence


def resume_apart(arguments: Sequence[str]) -> list[str]:
    """`train --resume=RUN` as `train --resume RUN`.

    Example:
        >>> resume_apart(["train", "--resume=runs/ce", "--data=photos"])
        ['train', '--resume', 'runs/ce', '--data=photos']
    """
    if arguments[0] != "train" or not "".join(arguments[1:2]).startswith("--resume="):
        return list(arguments)
    return ["train", *arguments[1].split("=", 1), *arguments[2:]]


def refuse_run_beside(arguments: Sequence[str]) -> None:
    """Raise if `--resume` names a run although a recipe, data or a first stage is given, too.

    Raises:
        ValueError: says what to type.

    Example:
        >>> refuse_run_beside(["retrain", "runs/ce", "--resume", "runs/ce-crt"])
        Traceback (most recent call last):
        ValueError: --resume must have no value beside runs/ce. Got runs/ce-crt. Type: --resume --out runs/ce-crt.
    """
    if len(arguments) < 2 or arguments[0] not in ("train", "retrain") or arguments[1].startswith("-"):
        return
    for word, following in itertools.pairwise([*arguments, "--"]):
        option, equals, value = word.partition("=")
        run = value if equals else following
        if option == "--resume" and run and not run.startswith("-"):
            own = f"With the settings in its folder: longtail train --resume {run}. With those given here: "
            raise ValueError(
                f"--resume must have no value beside {arguments[1]}. Got {run}. "
                f"{own if arguments[0] == 'train' else 'Type: '}--resume --out {run}."
            )
