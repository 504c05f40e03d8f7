"""`longtail report RUN [RUN …]`."""

from pathlib import Path
from typing import Annotated

import tyro

from longtail.cli.console import say
from longtail.cli.output_file import check_new
from longtail.cli.passes import Passes


def report(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUNS")],
    *,
    out: Path = Path("report.html"),
    data: Path | None = None,
    force: bool = False,
) -> None:
    """Write an HTML report with figures of one run or several; it fetches nothing and opens from disk.

    Args:
        runs: Run folders, complete or still in progress, on the same training samples.
        out: The report to write.
        data: Folder of their data set, for similarities of features and for images of confusions; digits need none.
        force: Replace a report that exists.
    """
    from longtail.runs import RunFolder

    if not runs:
        raise ValueError(
            "RUNS must name at least one run folder. Got none. For the last run: longtail report runs/LATEST"
        )
    for run in runs:
        RunFolder.open(run)
    check_new("--out", out, force=force, inputs=runs)
    from longtail.reports import run_page

    with Passes(counted=False) as passes:
        page = run_page(runs, data, progress=passes)
    say(f"report: {page.save(out)}")
