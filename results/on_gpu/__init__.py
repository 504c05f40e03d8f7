"""The sections of `results/gpu.py`: each a module whose `findings(job)` yields what it learns, as it learns it."""
