"""Trains with parts that are registered from outside: `python own_killed_run.py OUT STEPS`; killed after STEPS."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from training.killed_runs import KillAfter
from training.registered_parts import parts_of_mine, run_mine

if __name__ == "__main__":
    with parts_of_mine():
        run_mine(Path(sys.argv[1]), callbacks=[KillAfter(int(sys.argv[2]))])
