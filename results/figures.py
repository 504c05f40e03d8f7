"""The figures of the GALA paper from real runs, and the numbers behind its claims.

    python results/figures.py RUN [RUN …] --out results/figures/NAME [--data DIR]
    python results/write_pages.py figures                                      # results/figures.md

The runs were trained with `--record-gradients`; digits need no DIR. Writes one SVG a figure and `numbers.json`, with
the numbers that each claim of the paper is about, run by run.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from json_file import write_json
from longtail.reports.run_figures import figures_of
from longtail.reports.run_view import RunView, run_views
from longtail.runs import RunFolder

FIGURES = {
    "(figure 1a)": "1a-lengths.svg",
    "(figure 1b)": "1b-gradient-ratios.svg",
    "(figure 1c)": "1c-who-pushes-the-tail.svg",
    "(figure 1d)": "1d-similarities.svg",
    "(figure 2 of the paper)": "2-predictions.svg",
}


def numbers_of(run: RunView) -> dict[str, Any]:
    """What the claims are about."""
    few, many, kept, geometry = run.groups["few"], run.groups["many"], run.gradients, run.geometry
    assert kept is not None
    assert geometry is not None
    predicted, target = run.test
    caused = kept.negative_by_cause.sum(0, dtype=np.float64)[few]
    return {
        "run": run.name,
        "epochs": run.config["epochs"],
        "versions": run.folder.header["versions"],
        "length": float(geometry.weight_norm[many].mean() / geometry.weight_norm[few].mean()),
        "ratio_few": float(kept.negative[:, few].sum() / kept.positive[:, few].sum()),
        "ratio_first": float(kept.negative[0, few].sum() / kept.positive[0, few].sum()),
        "ratio_many": float(kept.negative[:, many].sum() / kept.positive[:, many].sum()),
        "from_many": float(caused[:, many].sum() / caused.sum()),
        "similarity_train": float(np.nanmean(geometry.similarity["train"][few])),
        "similarity_test": float(np.nanmean(geometry.similarity["test"][few])),
        "predicted_few": float(few[predicted].sum() / few[target].sum()),
        "recall_few": float(np.nanmean(run.recall[few])),
        "recall_all": float(np.nanmean(run.recall)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    runs = run_views([RunFolder.open(run) for run in options.runs], options.data)
    options.out.mkdir(parents=True, exist_ok=True)
    for figure in figures_of(runs):
        name = next((file for mark, file in FIGURES.items() if mark in figure.title), None)
        if name is not None:
            figure.chart.properties(width=560).save(options.out / name)
    write_json(options.out / "numbers.json", [numbers_of(run) for run in runs], indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
