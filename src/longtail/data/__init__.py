"""Data with a long tail: people's own data, class counts of anything that has labels, long-tailed subsets.

>>> import numpy as np
>>> from longtail.data import class_counts, long_tailed_indices
>>> labels = np.repeat(np.arange(10), 500)
>>> class_counts(labels[long_tailed_indices(labels, imbalance=50)])
tensor([500, 323, 209, 135,  87,  56,  36,  23,  15,  10])

`read_data` reads folders, lists, tables, arrays and data set objects; `check_files` decodes their files before any work
starts; `make_splits` makes the validation and test parts that are not given.
"""

from typing import TYPE_CHECKING, Any

from longtail.data.built_in.cifar import load_cifar
from longtail.data.built_in.digits import long_tailed_digits
from longtail.data.built_in.plankton import load_plankton
from longtail.data.check import check_files, find_bad_files, require_trainable
from longtail.data.config import DataConfig
from longtail.data.contract import Augment, DataInfo, Split, Splits
from longtail.data.features.in_memory import FeatureViews
from longtail.data.features.stored import StoredFeatures
from longtail.data.images.folder import pillow
from longtail.data.images.resident import ResidentImages
from longtail.data.images.streamed import StreamedImages
from longtail.data.labels import class_counts, labels_of
from longtail.data.own import image_loader
from longtail.data.own_config import OwnDataConfig
from longtail.data.read import read_data
from longtail.data.samples import Parts, Samples
from longtail.data.sources import DATA_CONFIGS, SOURCES, Source, data_config, load_splits
from longtail.data.splits import SplitPlan, make_splits, plan_splits
from longtail.data.subset import long_tailed_counts, long_tailed_indices

if TYPE_CHECKING:
    from longtail.data.images.decoding import BadImageError, decode

__all__ = [
    "DATA_CONFIGS",
    "SOURCES",
    "Augment",
    "BadImageError",
    "DataConfig",
    "DataInfo",
    "FeatureViews",
    "OwnDataConfig",
    "Parts",
    "ResidentImages",
    "Samples",
    "Source",
    "Split",
    "SplitPlan",
    "Splits",
    "StoredFeatures",
    "StreamedImages",
    "check_files",
    "class_counts",
    "data_config",
    "decode",
    "find_bad_files",
    "image_loader",
    "labels_of",
    "load_cifar",
    "load_plankton",
    "load_splits",
    "long_tailed_counts",
    "long_tailed_digits",
    "long_tailed_indices",
    "make_splits",
    "plan_splits",
    "read_data",
    "require_trainable",
]


def __getattr__(name: str) -> Any:
    """What needs Pillow is imported when it is used."""
    if name not in ("BadImageError", "decode"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    pillow()
    from longtail.data.images import decoding

    return getattr(decoding, name)
