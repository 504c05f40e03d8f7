"""Problems of data sets and runs: what, where, how severe, and what to do."""

from longtail.doctor.examine import examine
from longtail.doctor.findings import Finding
from longtail.doctor.large_sets import examine_large_set
from longtail.doctor.tail import TailShape, tail_shape

__all__ = ["Finding", "TailShape", "examine", "examine_large_set", "tail_shape"]
