"""Work of the ranks of two launchers, the second of which is killed at first: `two_machines.py FOLDER`."""

import os
import signal
import sys
import time
from pathlib import Path

from torch import distributed as dist

from longtail.training.launched_ranks import launched_ranks

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    first_attempt = not (folder / "killed").exists()
    with launched_ranks() as ranks:
        dist.barrier()
        if first_attempt and ranks.rank == 1:
            (folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        elif first_attempt:
            time.sleep(60)  # no failure of its own: this launcher restarts it for the sake of the other, uncounted
        counts = ranks.gathered(int(os.environ["TORCHELASTIC_RESTART_COUNT"]))
    (folder / f"rank{ranks.rank}").write_text(str(counts))
