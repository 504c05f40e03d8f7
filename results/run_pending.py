"""Computes what `results/pending.toml` lists, one run after another, and keeps what is finished.

    python results/run_pending.py --data DIR [--minutes 170] [--threads 1] [--jobs 1] [--device cpu]
    python results/run_pending.py --list

DIR holds the data sets (of CIFAR-100 the folder cifar-100-binary or its archive). Runs are computed from a copy of the
commit that the checkout is at, at low priority; one that is cut off is resumed by the next queue on the same processor,
with the commit it was begun with. What is finished is kept in `results/runs/NAME.json`; then the pages are written.
"""

import argparse
import os
import sys
from pathlib import Path

RESULTS = Path(__file__).resolve().parent
sys.path.insert(0, str(RESULTS.parent / "src"))

import torch  # noqa: E402
from filelock import FileLock, Timeout  # noqa: E402

from longtail.runs import RunFolder, current_versions  # noqa: E402
from pending.copies import copy_of, head_of  # noqa: E402
from pending.entries import Entry, read_entries  # noqa: E402
from pending.place import Place  # noqa: E402
from pending.supervisor import Queue  # noqa: E402


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, help="folder of the data sets, or a pack of results/pack_data.py")
    options.add_argument("--minutes", type=float, default=170, help="after which everything has stopped")
    options.add_argument("--threads", type=int, default=1, help="threads of each run")
    options.add_argument("--jobs", type=int, default=1, help="runs at once")
    options.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options.add_argument("--list", action="store_true", help="say what is done and what is left, and end")
    options.add_argument("--pending", type=Path, default=RESULTS / "pending.toml", help="the list of runs")
    options.add_argument("--work", type=Path, default=_cache(), help="run folders, logs and copies of commits")
    options.add_argument("--results", type=Path, default=RESULTS / "runs", help="where finished runs are kept")
    options.add_argument("--here", action="store_true", help="run this code as it is; needs --commit")
    options.add_argument("--commit", help="the commit of the code, with --here")
    options.add_argument("--repository", type=Path, help=argparse.SUPPRESS)
    return options


def main() -> int:
    asked = parser()
    options = asked.parse_args()
    if options.here != bool(options.commit) and options.repository is None:
        asked.error("--here and --commit must be given together: results name the commit they were computed with.")
    if not 0 < options.minutes < 1e6 or options.jobs < 1 or options.threads < 1:
        asked.error("--minutes must be positive, --jobs and --threads at least 1.")
    if options.device == "cuda" and not torch.cuda.is_available():
        asked.error("--device must be cpu where PyTorch finds no GPU. Got cuda.")
    try:
        entries = read_entries(options.pending)
        place = _place(options)
        if options.list:
            return _list(entries, place)
        if options.repository is None and place.repository is not None:
            _run_from_a_copy(options, place)
        return Queue(entries, place, options.minutes, options.jobs).run()
    except (ValueError, OSError) as error:
        print(f"run_pending: {error}", file=sys.stderr)
        return 2


def _place(options: argparse.Namespace) -> Place:
    repository = None if options.here else (options.repository or RESULTS.parent)
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    versions = current_versions()
    return Place(
        repository=repository,
        commit=options.commit or head_of(repository),
        work=options.work.resolve(),
        results=options.results.resolve(),
        data=None if options.data is None else options.data.resolve(),
        device=device,
        processor=versions["gpu"] if device == "cuda" else versions["processor"],
        threads=options.threads,
    )


def _run_from_a_copy(options: argparse.Namespace, place: Place) -> None:
    """Go on as the same script in a copy of the commit; results are still kept in the checkout."""
    copy = copy_of(place.commit, place.repository, place.work / "commits")
    given = {
        "--data": place.data,
        "--minutes": options.minutes,
        "--threads": options.threads,
        "--jobs": options.jobs,
        "--device": place.device,
        "--pending": copy / "results/pending.toml" if options.pending == RESULTS / "pending.toml" else options.pending,
        "--work": place.work,
        "--results": place.results,
        "--commit": place.commit,
        "--repository": place.repository,
    }
    arguments = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    os.execv(sys.executable, [sys.executable, str(copy / "results/run_pending.py"), *arguments])


def _list(entries: list[Entry], place: Place) -> int:
    for entry in entries:
        print(f"{entry.name:60} {_state(entry, place)}")
    return 0


def _state(entry: Entry, place: Place) -> str:
    if place.kept_of(entry.name).exists():
        return "done"
    path = place.run_of(entry.name)
    if path.exists():
        return f"{'running' if _is_claimed(entry, place) else 'cut off'}, epoch {len(RunFolder.open(path).metrics)}"
    return "waits for a GPU" if entry.gpu else "waits"


def _is_claimed(entry: Entry, place: Place) -> bool:
    """Whether a queue is working on it."""
    try:
        with FileLock(place.claim_of(entry.name), timeout=0):
            return False
    except Timeout:
        return True


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "longtail-pending"


if __name__ == "__main__":
    sys.exit(main())
