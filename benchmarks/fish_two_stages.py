"""Real photographs through the recipes of the large data sets: both stages, evaluation and report, by the commands.

    python benchmarks/fish_two_stages.py REAL_DATA OUT [--recipe imagenet-lt] [--most 200] [options of longtail train]

REAL_DATA holds the folder `fish`; OUT gets photographs and runs. The photographs are put into the lists and folders of
ImageNet-LT or Places-LT; a class has at most so many training photographs, and three for the test.
"""

import argparse
import shlex
import sys
import zipfile
from pathlib import Path

from longtail.cli import main as longtail
from longtail.data.large_sets import LARGE_SETS

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def run(*words: object) -> None:
    command = list(map(str, words))
    print(f"\n$ longtail {shlex.join(command)}", flush=True)
    code = longtail(command)
    if code:
        raise SystemExit(code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real_data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", default="imagenet-lt", choices=["imagenet-lt", "places-lt"])
    parser.add_argument("--most", type=int, default=200)
    parser.add_argument("--second-epochs", type=int, default=5, help="of the second stage")
    options, of_training = parser.parse_known_args()
    from data.fish_as_large_set import write_fish

    fish, out = options.real_data / "fish", options.out
    out.mkdir(parents=True)
    with zipfile.ZipFile(fish / "images.zip") as archive:
        archive.extractall(out)
    data = out / options.recipe
    LARGE_SETS[options.recipe] = write_fish(options.recipe, fish, out / "images", data, most=options.most)
    first, second = out / "runs/first", out / "runs/second"
    run("doctor", options.recipe, "--data", data)
    run("train", options.recipe, "--data", data, "--out", first, "--loss", "ce", "--mixing", "mixup", *of_training)
    settings = ["--batch-size", "64", "--epochs", options.second_epochs]
    run("retrain", first, "--method", "decoupled-gala", "--out", second, *settings, "--threads", "1")
    for extra in ([], ["--transductive"]):
        run("evaluate", first, "--rebalance", "1", *extra)
        run("evaluate", second, "--rebalance", "1.7", *extra)
    run("report", second, "--out", out / "report.html")


if __name__ == "__main__":
    main()
