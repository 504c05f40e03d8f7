"""ImageNet-LT, Places-LT and iNaturalist 2018: official lists, and images in the layouts that people have."""

from longtail.data.large_sets.facts import LARGE_SETS, LargeSet, ListFacts
from longtail.data.large_sets.missing import missing_files
from longtail.data.large_sets.reading import LargeSetFiles, read_large_set

__all__ = ["LARGE_SETS", "LargeSet", "LargeSetFiles", "ListFacts", "missing_files", "read_large_set"]
