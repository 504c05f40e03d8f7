"""Problems of data sets and runs: what, where, how severe, and what to do. Data sets need `longtail[doctor]`."""

from typing import TYPE_CHECKING, Any

from longtail.doctor.examine import examine
from longtail.doctor.findings import Finding
from longtail.doctor.tail import TailShape, tail_shape

if TYPE_CHECKING:
    from longtail.doctor.large_sets import examine_large_set

__all__ = ["Finding", "TailShape", "examine", "examine_large_set", "tail_shape"]


def __getattr__(name: str) -> Any:
    if name != "examine_large_set":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from longtail.doctor.large_sets import examine_large_set
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"examine_large_set needs {error.name}: install longtail with its extra `doctor`"
        ) from error
    return examine_large_set
