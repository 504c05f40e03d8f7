"""Everything that waits for a GPU, in a few minutes of one: self-check, speed, then runs until the time is over.

    python results/gpu.py --minutes 9 [--device cuda] [--out build/gpu] [--pack FILE] [--commit SHA]
    python results/gpu.py --device cpu --tiny
    python results/gpu.py --take build/gpu

Needs torch, torchvision and what `results/pack_data.py` wrote; no network, no git if --commit is given, and the project
need not be installed. OUT gets gpu.json (what each section found), runs.json (the finished runs) and log.txt; all are
written again after each finding. A section that fails or takes too long does not keep the others. --tiny tries the
script on made-up data. --take puts the runs of a folder into results/runs.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).resolve().parent
ROOT = RESULTS.parent
sys.path[:0] = [str(ROOT / "src"), str(RESULTS)]


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=9, help="after which the script has ended (default 9)")
    options.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options.add_argument("--tiny", action="store_true", help="made-up data and few steps, to try the script")
    options.add_argument("--pack", type=Path, default=RESULTS / "data/cifar100-lt.pack", help="of pack_data.py")
    options.add_argument("--wheels", type=Path, default=RESULTS / "data/wheels", help="packages that may be missing")
    options.add_argument("--out", type=Path, default=ROOT / "build/gpu", help="a folder without a record")
    options.add_argument("--commit", help="of this code; by default what git says")
    options.add_argument("--take", type=Path, metavar="FOLDER", help="put the runs of this record into --runs, no more")
    options.add_argument("--runs", type=Path, default=RESULTS / "runs", help="where --take writes")
    return options


def main() -> int:
    options = parser().parse_args()
    try:
        return _take(options) if options.take else _measure(options)
    except (ValueError, OSError) as error:
        print(f"gpu: {error}", file=sys.stderr)
        return 2


def _take(options: argparse.Namespace) -> int:
    from on_gpu.take import take

    new, known = take(options.take, options.runs)
    print(f"{len(new)} runs written to {options.runs}, {len(known)} were there already.")
    return 0


def _measure(options: argparse.Namespace) -> int:
    deadline = time.monotonic() + 60 * options.minutes
    work = Path(tempfile.mkdtemp(prefix="longtail-gpu-"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends too
    try:
        from on_gpu.packages import unpack_missing

        unpacked = unpack_missing(options.wheels, work / "packages")
        sys.path.append(str(work / "packages"))
        _check(options)
        return _spend(options, work, deadline, unpacked)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _check(options: argparse.Namespace) -> None:
    """Refuse what could only fail later."""
    import torch

    options.commit = options.commit or _commit()
    if options.minutes <= 0:
        raise ValueError(f"--minutes must be positive. Got {options.minutes}.")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device must be cpu where PyTorch finds no GPU. Got cuda.")
    if not options.tiny and not options.pack.is_file():
        raise FileNotFoundError(f"--pack must be a file. {options.pack} is missing: write it with pack_data.py.")


def _commit() -> str:
    try:
        done = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise ValueError("--commit must be given outside a git checkout: results name their commit.") from None
    return done.stdout.strip()


def _spend(options: argparse.Namespace, work: Path, deadline: float, unpacked: list[str]) -> int:
    from on_gpu.job import Job
    from on_gpu.pending_runs import run_pending
    from on_gpu.record import Record
    from on_gpu.schedule import run_sections

    settings = {name: getattr(options, name) for name in ("commit", "device", "tiny", "minutes")}
    with Record(options.out, {**settings, "unpacked": unpacked}) as record:
        job = Job(options.device, options.tiny, str(_pack(options, work)), str(work))
        environment = _environment(work, tiny=options.tiny)
        run_sections(job, record, options.minutes, environment)
        run_pending(job, record, options.commit, deadline, environment)
        failed = record.failed()
        record.say(f"done: {options.out}" + (f"; failed or not passed: {', '.join(failed)}" if failed else ""))
    return int(bool(failed))


def _pack(options: argparse.Namespace, work: Path) -> Path:
    if not options.tiny:
        return options.pack.resolve()
    from on_gpu.tiny_pack import write_tiny_pack

    return write_tiny_pack(work / "tiny.pack")


def _environment(work: Path, *, tiny: bool) -> dict[str, str]:
    paths = [ROOT / "src", RESULTS, *filter(None, [os.environ.get("PYTHONPATH")]), work / "packages"]
    environment = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "TMPDIR": str(work)}
    return environment | ({"TORCH_COMPILE_DISABLE": "1", "OMP_NUM_THREADS": "1"} if tiny else {})


if __name__ == "__main__":
    sys.exit(main())
