"""The commands by name, and where errors become one line and an exit code.

The module of a command is imported when it is run, and PyTorch and the data libraries when it starts to work: help and
the version need neither. Only the help of one recipe does (longtail train finetune --help): it shows a configuration,
which checks itself with the data sources, losses and samplers.
"""

import contextlib
import importlib
import io
import os
import shlex
import signal
import sys
import textwrap
from collections.abc import Iterator, Sequence

import tyro

from longtail import __version__
from longtail.cli.console import say
from longtail.cli.help_texts import join_lines_of_docstrings
from longtail.cli.own_data import with_recipe
from longtail.cli.parser_errors import Asked, errors_as_lines
from longtail.cli.recipe_argument import taking_recipe
from longtail.cli.renamed import refuse_renamed
from longtail.cli.repeated import refuse_repeated
from longtail.cli.resume_option import refuse_run_beside, resume_apart
from longtail.similar import most_similar
from longtail.started_processes import first_process

COMMANDS = {
    "train": "Train on your own data (longtail train photos/) or with the recipe of a benchmark, then evaluate.",
    "retrain": "Retrain the classifier of a finished run on its features (decoupled training), as a run of its own.",
    "predict": "Predict the classes of new images, or of rows of features, with probabilities.",
    "evaluate": "Score a finished run, or a deployed fix on new labelled predictions.",
    "features": "Extract features of your images with a pretrained network, for any other tool.",
    "fix": "Find out whether re-balancing improves a trained model, and write the fix to a small file.",
    "report": "Write an HTML report with figures of one run or several; it fetches nothing and opens from disk.",
    "doctor": "Say what will go wrong with a data set or a run, before it costs hours. Exit code 1 for something "
    "serious.",
    "export": "Export a trained network (ONNX, safetensors), or a fix (in an ONNX model, or as code).",
    "compare": "Compare methods in one recipe, each with the settings of its paper, and write a table.",
    "methods": "List the methods that can be compared: what each changes in a recipe, and where it comes from.",
}
"""The first line of each command's help."""

STYLE = (tyro.conf.OmitArgPrefixes, tyro.conf.CascadeSubcommandArgs, tyro.conf.FlagCreatePairsOff)
FAILED = 2
STOPPED = 130
PIPE_CLOSED = 1  # as rich does


def run(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code.

    An error that the user can mend is one line on standard error; any other keeps its traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without τ still gets its table
    arguments = list(arguments) or ["--help"]
    try:
        with _terminated_as_interrupted():
            return _run(arguments)
    except KeyboardInterrupt as stopped:
        if first_process():
            say(f"longtail: {str(stopped) or 'Interrupted.'}{_how_to_go_on(arguments)}", error=True)
        return STOPPED
    except BrokenPipeError:  # the reader of the output, such as `head`, has ended
        with contextlib.suppress(io.UnsupportedOperation):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is flushed at the end raises nothing
        return PIPE_CLOSED
    except Exception as error:
        if not isinstance(error, _expected()):
            raise
        if not getattr(error, "already_printed", False):  # by the process of the run that failed
            say(f"longtail: {_one_line(error)}", error=True)
        return FAILED


def _run(arguments: list[str]) -> int:
    if arguments[0] == "help" and arguments[1:]:
        arguments = [*arguments[1:], "--help"]
    name = arguments[0]
    if name in ("--version", "-h", "--help", "help"):
        say(f"longtail {__version__}" if name == "--version" else _help())
        return 0
    refuse_renamed(arguments)
    if name not in COMMANDS:
        raise ValueError(
            f"COMMAND must be one of {', '.join(COMMANDS)}. Got {name!r}.{_meant(name)} longtail --help explains them."
        )
    join_lines_of_docstrings()
    arguments = resume_apart(arguments)
    refuse_run_beside(arguments)
    typed, arguments = arguments, with_recipe(arguments)
    refuse_repeated(arguments)
    if _names_a_run_to_resume(arguments):
        return _resume(arguments)
    command = getattr(importlib.import_module(f"longtail.cli.{name}"), name)
    asked = Asked(command, typed, arguments, f"longtail {name}")
    if name in ("train", "compare"):
        command = taking_recipe(command, arguments)
    with errors_as_lines(asked):
        code: int | None = tyro.cli(command, prog=asked.prog, args=arguments[1:], config=STYLE)
    return code or 0


def _names_a_run_to_resume(arguments: list[str]) -> bool:
    """Whether it is `train --resume RUN`, without a recipe."""
    return arguments[:2] == ["train", "--resume"] and len(arguments) > 2 and not arguments[2].startswith("-")


def _resume(arguments: list[str]) -> int:
    command = importlib.import_module("longtail.cli.resume").resume
    asked = Asked(command, arguments, arguments, "longtail train --resume RUN")
    with errors_as_lines(asked):
        tyro.cli(command, prog="longtail train --resume", args=arguments[2:], config=STYLE)
    return 0


def _meant(name: str) -> str:
    near = most_similar(name, COMMANDS)
    return f" Did you mean longtail {near}?" if near else ""


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [
        textwrap.fill(summary, 100, initial_indent=f"  {name:{width}}  ", subsequent_indent=" " * (width + 4))
        for name, summary in COMMANDS.items()
    ]
    return "\n".join(
        (
            "usage: longtail COMMAND [OPTIONS]",
            "       longtail COMMAND --help explains a command, longtail --version prints the version",
            "",
            f"longtail {__version__}: classifiers that treat rare classes fairly. With data of your own:",
            "longtail train photos/, then longtail report runs/LATEST and longtail predict runs/LATEST new/*.jpg.",
            "Without any: longtail train digits-lt",
            "",
            *lines,
        )
    )


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM is taken as Ctrl-C is; a training loop takes both for itself. The handler that was there is restored."""
    try:
        before = signal.signal(signal.SIGTERM, _interrupt)
    except ValueError:  # not in the main thread, which alone receives signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _expected() -> tuple[type[Exception], ...]:
    """Errors that the user can mend; imported when there is one."""
    from longtail.posthoc.fixed_point import NoFixedPointError
    from longtail.runs import RunInUseError
    from longtail.training.failed_ranks import RankFailedError
    from longtail.training.stopping import TrainingDivergedError

    of_runs = (RunInUseError, TrainingDivergedError, RankFailedError)
    return ValueError, OSError, ModuleNotFoundError, NoFixedPointError, *of_runs


def _one_line(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and str(error).startswith("No module named"):
        return f"This command needs {error.name}. pip install 'longtail[train]'"
    return " ".join(str(error).split())


def _how_to_go_on(arguments: Sequence[str]) -> str:
    if arguments[0] == "compare":
        return f" To go on, the same again: {shlex.join(['longtail', *arguments])}"
    if arguments[0] not in ("train", "retrain"):
        return ""
    command = ["longtail", *arguments, *([] if "--resume" in arguments else ["--resume"])]
    return f" To go on: {shlex.join(command)}"
