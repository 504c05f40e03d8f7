"""Three training runs laid over each other in one page of figures, in half a minute.

    python examples/report.py [--epochs 60] [--out FOLDER]

Handwritten digits with a long tail (imbalance 50), a ResNet-8 trained with cross-entropy, Balanced Softmax and GALA,
whose gradients are recorded. `report.html` opens from disk: the figures of the GALA paper for these very runs.
"""

import argparse
from datetime import datetime
from pathlib import Path

from longtail.analysis import GradientRecorder
from longtail.recipes import digits_lt
from longtail.reports import run_page
from longtail.training import run_experiment
from longtail.training.progress import ProgressReport

LOSSES = ("ce", "balanced-softmax", "gala")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--out", type=Path, help="a new folder for the runs (default runs/report-DATE-TIME)")
    options = parser.parse_args(arguments)
    out = options.out or Path("runs") / datetime.now().strftime("report-%Y%m%d-%H%M%S")
    if out.exists():
        parser.error(f"--out must be a new folder. Got {out}.")
    runs = []
    for loss in LOSSES:
        config = digits_lt(loss=loss, epochs=options.epochs, evaluate_every=max(1, options.epochs // 12))
        riding = [ProgressReport(), GradientRecorder()]
        runs.append(run_experiment(config, data=None, out=out / loss, callbacks=riding).path)
    print(f"HTML report: {run_page(runs).save(out / 'report.html')}")


if __name__ == "__main__":
    main()
