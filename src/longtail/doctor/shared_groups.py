"""Groups (one animal, one patient) with samples in two parts."""

import numpy as np

from longtail.data.counted import counted
from longtail.data.first_of_many import first
from longtail.data.samples import Samples
from longtail.doctor.findings import Finding


def shared_group_findings(train: Samples, other: Samples, part: str) -> list[Finding]:
    """A finding about groups of the training set that another part has too."""
    if train.groups is None or other.groups is None:
        return []
    both = sorted(set(train.groups) & set(other.groups))
    if not both:
        return []
    samples = int(np.isin(other.groups.astype(str), both).sum())
    return [
        Finding(
            "serious",
            f"{counted(len(both), 'group is', 'groups are')} in train and in {part}, with {samples} of its "
            f"{len(other)} samples",
            f"{part}: {first(both)}",
            "Split by group: otherwise the score measures how well known individuals are recognised.",
        )
    ]
