"""`longtail features` in each of the processes that torchrun starts: `features_on_two.py DATA WEIGHTS OUT`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from auto.test_extraction import extract

if __name__ == "__main__":
    sys.exit(extract(*map(Path, sys.argv[1:])))
