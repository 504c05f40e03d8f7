"""The commands by name, and where errors become one line and an exit code."""

import io
import shlex
import signal
import sys
from collections.abc import Sequence

import tyro

from longtail import __version__
from longtail.cli.compare import compare, methods
from longtail.cli.console import say
from longtail.cli.doctor import doctor
from longtail.cli.evaluate import evaluate
from longtail.cli.export import export
from longtail.cli.features import features
from longtail.cli.fix import fix
from longtail.cli.own_data import with_recipe
from longtail.cli.predict import predict
from longtail.cli.renamed import refuse_renamed
from longtail.cli.report import report
from longtail.cli.retrain import retrain
from longtail.cli.train import train
from longtail.posthoc.fixed_point import NoFixedPointError
from longtail.runs import RunInUseError
from longtail.training.failed_ranks import RankFailedError
from longtail.training.stopping import TrainingDivergedError

STYLE = (tyro.conf.OmitArgPrefixes, tyro.conf.CascadeSubcommandArgs, tyro.conf.FlagCreatePairsOff)
FAILED = 2
EXPECTED = (ValueError, OSError, ModuleNotFoundError, RunInUseError, NoFixedPointError, TrainingDivergedError)
STOPPED = 130


def run(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code.

    An error that the user can mend is one line on standard error; any other keeps its traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without τ still gets its table
    if list(arguments) == ["--version"]:
        say(f"longtail {__version__}")
        return 0
    signal.signal(signal.SIGTERM, _interrupt)  # as Ctrl-C does; a training loop takes both for itself
    arguments = list(arguments) or ["--help"]
    try:
        refuse_renamed(arguments)
        arguments = with_recipe(arguments)
        code = tyro.extras.subcommand_cli_from_dict(
            {
                "train": train,
                "retrain": retrain,
                "predict": predict,
                "evaluate": evaluate,
                "features": features,
                "fix": fix,
                "report": report,
                "doctor": doctor,
                "export": export,
                "compare": compare,
                "methods": methods,
            },
            prog="longtail",
            description=f"longtail {__version__}: classifiers that treat rare classes fairly. With data of your own: "
            "longtail train photos/, then longtail report runs/LATEST and longtail predict runs/LATEST new/*.jpg. "
            "Without any: longtail train digits-lt",
            args=arguments,
            config=STYLE,
        )
    except RankFailedError as error:
        if not error.told:
            say(f"longtail: {_one_line(error)}", error=True)
        return FAILED
    except EXPECTED as error:
        say(f"longtail: {_one_line(error)}", error=True)
        return FAILED
    except KeyboardInterrupt as stopped:
        say(f"longtail: {str(stopped) or 'Interrupted.'}{_how_to_go_on(arguments)}", error=True)
        return STOPPED
    return code or 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _how_to_go_on(arguments: Sequence[str]) -> str:
    if arguments[0] == "compare":
        return f" To go on, the same again: {shlex.join(['longtail', *arguments])}"
    if arguments[0] not in ("train", "retrain"):
        return ""
    command = ["longtail", *arguments, *([] if "--resume" in arguments else ["--resume"])]
    return f" To go on: {shlex.join(command)}"
