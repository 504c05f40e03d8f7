"""`longtail report RUN [RUN …]`."""

import sys
from pathlib import Path

import tyro


def report(
    runs: tyro.conf.Positional[tuple[Path, ...]],
    *,
    out: Path = Path("report.html"),
    data: Path | None = None,
    force: bool = False,
) -> None:
    """Write one HTML page of figures about one run or several: nothing is fetched, it opens from disk.

    Args:
        runs: Run folders, complete or still in progress, on the same training images.
        out: The page to write.
        data: Folder of their data set, for similarities of features and for images of confusions; digits need none.
        force: Replace a page that is there.
    """
    if out.exists() and not force:
        raise FileExistsError(f"--out must not exist yet, or --force be given. Got {out}.")
    if not out.absolute().parent.is_dir():
        raise FileNotFoundError(f"--out must lie in a folder that exists. Got {out}.")
    from longtail.reports import run_page

    page = run_page(runs, data, tell=lambda what: print(what, file=sys.stderr))
    print(f"page: {page.save(out)}")
