"""Findings about data sets and runs, before a GPU hour is spent: what, where, how bad, what to do."""

from longtail.doctor.examine import examine
from longtail.doctor.findings import Finding
from longtail.doctor.tail import TailShape, tail_shape

__all__ = ["Finding", "TailShape", "examine", "tail_shape"]
