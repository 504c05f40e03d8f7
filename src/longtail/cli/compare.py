"""`longtail compare PATH` and `longtail compare RECIPE`."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longtail.cli.console import say
from longtail.whole_file import write_whole

if TYPE_CHECKING:
    from longtail.reports import ComparisonTable
    from longtail.training.comparison import Outcome
    from longtail.training.config import TrainingConfig


def compare(
    recipe: "TrainingConfig",
    *,
    methods: str,
    data: Path | None = None,
    seeds: int = 1,
    out: Path | None = None,
    download: bool = False,
    checkpoint_seconds: float = 60.0,
) -> int:
    """Compare methods in one recipe, each with the settings of its paper, and write a table.

    On a path (longtail compare photos/ --methods ce,gala,crt --seeds 3) the recipe is features, whose features are
    computed once for all methods and seeds. Missing runs are started, interrupted ones resumed, finished ones skipped.
    A run that fails becomes a row that says why; an error of the data or the network is reported before any run starts.

    Args:
        recipe: The recipes.
        methods: Names with commas between them; `longtail methods` lists them. "losses" is every loss, "all"
            all that apply: on features none that needs images.
        data: Your own data, or the folder of the data set; of CIFAR its archive, unpacked or not. Digits need none.
        seeds: Runs of each method, with the seeds from --seed on.
        out: Folder of the comparison; by default one in runs/, named after the data.
        download: Fetch the data set into the data folder if it is missing.
        checkpoint_seconds: Time between two checkpoints.
    """
    from longtail.arguments import check_integer, check_strength
    from longtail.auto import train_and_fix
    from longtail.cli.image_settings import refuse_image_settings
    from longtail.cli.passes import Passes
    from longtail.recipes.methods import job_of, names_of, unsuited_to
    from longtail.training.comparison import check_data_and_network, check_settings, run_all
    from longtail.training.progress import ProgressReport

    config = recipe
    check_integer("seeds", seeds, minimum=1)
    check_strength("checkpoint_seconds", checkpoint_seconds)
    _check_left_to_methods(config)
    unsuited = unsuited_to(config)
    names = names_of(methods, without=unsuited)
    left = [name for name in names_of(methods) if name not in names]
    for why in dict.fromkeys(unsuited[name] for name in left):
        say(f"left out: {', '.join(name for name in left if unsuited[name] == why)}, which {why}", error=True)
    jobs = [job_of(config, name, seed=config.seed + number) for name in names for number in range(seeds)]
    origin = _origin(config, data)
    out = out or Path("runs") / f"compare-{origin}"
    check_settings(jobs, out)
    refuse_image_settings(config, data)
    with Passes(counted=False) as passes:
        check_data_and_network(jobs, data=data, out=out, download=download, progress=passes)
        outcomes = list(
            run_all(
                jobs,
                data=data,
                out=out,
                download=download,
                checkpoint_seconds=checkpoint_seconds,
                callbacks=lambda: [ProgressReport()],
                train=train_and_fix if config.dataset == "own" else None,
                progress=passes,
            )
        )
    table = _table(names, outcomes, _shared_settings(config, origin, outcomes))
    _write(table, out)
    say(f"{table.text()}\nruns, tables (txt, md, csv, tex) and the scores of each run (runs.csv): {out}")
    return 2 if any(outcome.failure for outcome in outcomes) else 0


def _check_left_to_methods(config: "TrainingConfig") -> None:
    from longtail.cli.recipe_of import recipe_of
    from longtail.recipes.methods import OF_METHODS

    _, usual = recipe_of(config)
    for setting in ("loss", *OF_METHODS):
        if getattr(config, setting) != getattr(usual, setting):
            option = setting.replace("_", "-")
            raise ValueError(f"--{option} must be left to --methods in a comparison. Got {getattr(config, setting)!r}.")


def _origin(config: "TrainingConfig", data: Path | None) -> str:
    """The name of the data that methods are compared on."""
    from longtail.cli.run_name import data_name

    if config.dataset != "own":
        return data_name(config)
    if data is None or not data.exists():
        raise ValueError(
            f"--data must name your own data, or pass a path: longtail compare photos/. Got {data or 'none'}."
        )
    return f"{data.resolve().name.split('.')[0]}-{data_name(config)}"


def _shared_settings(config: "TrainingConfig", origin: str, outcomes: Sequence["Outcome"]) -> dict[str, Any]:
    """What all runs share; a batch size that was left open is that of the runs."""
    shared = dataclasses.asdict(config) | ({"dataset": origin} if config.dataset == "own" else {})
    run = next((outcome.folder for outcome in outcomes if outcome.folder), None)
    if config.batch_size == 0 and run is not None:
        shared["batch_size"] = run.header["config"]["batch_size"]
    return shared


def _table(names: Sequence[str], outcomes: Sequence["Outcome"], recipe: Mapping[str, Any]) -> "ComparisonTable":
    from longtail.reports import comparison_table

    done = {name: [o.folder for o in outcomes if o.job.method == name and o.folder] for name in names}
    failed = {
        name: [f"seed {o.job.config.seed}: {o.failure}" for o in outcomes if o.job.method == name and o.failure]
        for name in names
    }
    return comparison_table(done, failed, recipe)


def _write(table: "ComparisonTable", out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    contents = {
        "table.txt": table.text(),
        "table.md": table.markdown(),
        "table.csv": table.csv(),
        "table.tex": table.latex(),
        "runs.csv": table.frame().to_csv(index=False).rstrip("\n"),
    }
    for name, content in contents.items():
        with write_whole(out / name) as file:
            file.write(f"{content}\n".encode())
