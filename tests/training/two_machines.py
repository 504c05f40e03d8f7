"""Work of the ranks of two launchers, the second of which is killed at first: `two_machines.py FOLDER`."""

import os
import signal
import sys
from pathlib import Path

from torch import distributed as dist

from longtail.training.launched_ranks import launched_ranks

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with launched_ranks() as ranks:
        dist.barrier()
        if ranks.rank == 1 and not (folder / "killed").exists():
            (folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        counts = ranks.gathered(int(os.environ["TORCHELASTIC_RESTART_COUNT"]))
    (folder / f"rank{ranks.rank}").write_text(str(counts))
