"""The queue of `results/run_pending.py`: what is to be computed, by whom, and what is kept of it."""
