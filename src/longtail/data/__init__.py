"""Data with a long tail: class counts of anything that has labels, and long-tailed subsets. No side effects.

>>> import numpy as np
>>> from longtail.data import class_counts, long_tailed_indices
>>> labels = np.repeat(np.arange(10), 500)
>>> class_counts(labels[long_tailed_indices(labels, imbalance=50)])
tensor([500, 323, 209, 135,  87,  56,  36,  23,  15,  10])
"""

from longtail.data.cifar import load_cifar
from longtail.data.config import DataConfig
from longtail.data.contract import Augment, DataInfo, Split, Splits
from longtail.data.digits import long_tailed_digits
from longtail.data.features import FeatureViews
from longtail.data.labels import class_counts, labels_of
from longtail.data.listing import Listing, class_folders, label_table, list_file
from longtail.data.plankton import load_plankton
from longtail.data.resident import ResidentImages
from longtail.data.sources import SOURCES, Source, load_splits
from longtail.data.subset import long_tailed_counts, long_tailed_indices

__all__ = [
    "SOURCES",
    "Augment",
    "DataConfig",
    "DataInfo",
    "FeatureViews",
    "Listing",
    "ResidentImages",
    "Source",
    "Split",
    "Splits",
    "class_counts",
    "class_folders",
    "label_table",
    "labels_of",
    "list_file",
    "load_cifar",
    "load_plankton",
    "load_splits",
    "long_tailed_counts",
    "long_tailed_digits",
    "long_tailed_indices",
]
