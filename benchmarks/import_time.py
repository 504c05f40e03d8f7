"""What `import longtail.losses` costs on top of `import torch`: fresh processes in turns, medians.

python benchmarks/import_time.py [--runs 15]
"""

import argparse
import statistics
import subprocess
import sys
import time

GOAL = 1.05


def seconds(module: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=15, help="of each (default 15)")
    runs = parser.parse_args().runs
    seconds("longtail.losses")
    pairs = [(seconds("torch"), seconds("longtail.losses")) for _ in range(runs)]
    torch, longtail = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(ours / theirs for theirs, ours in pairs)
    verdict = "" if ratio <= GOAL else "   missed"
    print(f"import torch {torch:.2f} s, longtail.losses {longtail:.2f} s, ratio {ratio:.3f}, goal {GOAL}{verdict}")


if __name__ == "__main__":
    main()
