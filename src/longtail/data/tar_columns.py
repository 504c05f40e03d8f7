"""The columns of samples of tar files: the suffixes of their files, and the fields of their JSON files."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from longtail.data.options import Options
from longtail.data.table_columns import GROUP_COLUMNS, SPLIT_COLUMNS, label_columns
from longtail.data.tar_headers import TarHeaders
from longtail.data.tar_members import fields_of, is_image, key_and_suffix, samples_of

LABELS = ("cls", "cls.txt", "label.txt", "class.txt")
"""Suffixes of labels, of which the first that there is comes before any other column."""
JSON, TEXT = "json", "txt"
FIRST = 100  # a field may be left out where it has no value
MOST = 30  # where names have dots in them, there are as many suffixes as files


@dataclass(frozen=True)
class TarColumns:
    """What the columns are, and which of them are read.

    Attributes:
        shards: the tar files.
        options: names of columns that are given.
    """

    shards: Sequence[TarHeaders]
    options: Options

    @cached_property
    def suffixes(self) -> list[str]:
        """Those of files that are neither images nor JSON, the most frequent first."""
        counted = Counter(key_and_suffix(name)[1] for headers in self.shards for name in headers.names)
        others = [suffix for suffix, _ in counted.most_common() if suffix not in ("", JSON) and not is_image(suffix)]
        return [name for place, name in enumerate(others) if place < MOST or name in {*LABELS, *self._given}]

    @cached_property
    def fields(self) -> list[str]:
        """The fields of the first JSON files of images, but those that are called as a suffix is."""
        of_images = (sample for sample in samples_of(self.shards) if JSON in sample.rows and sample.images)
        contents = (sample.headers.part(sample.rows[JSON]) for sample in islice(of_images, FIRST))
        found = dict.fromkeys(name for content in contents for name in fields_of(content))
        return [name for name in found if name not in self.suffixes]

    @property
    def names(self) -> list[str]:
        """All of them."""
        return [*self.suffixes, *self.fields]

    @cached_property
    def label(self) -> str | None:
        """The one of the labels: given, or of a usual name, or else text; `None` where several may be, or none."""
        if self.options.label is not None:
            return self.options.label
        found = [name for name in LABELS if name in self.suffixes][:1] or label_columns(self.names)
        if not found and TEXT in self.suffixes:
            return TEXT
        return found[0] if len(found) == 1 else None

    @property
    def says_classes(self) -> bool:
        """Whether columns are named, or one has the usual name of labels: then folders are no classes."""
        usual = [*self._given, *label_columns(self.names)]
        return bool(usual) or (self.label is not None and self.label != TEXT)

    @cached_property
    def read(self) -> frozenset[str]:
        """Those whose values are read."""
        usual = (name for name in self.names if name.lower() in {*GROUP_COLUMNS, *SPLIT_COLUMNS})
        return frozenset(name for name in (self.label, *self._given, *usual) if name is not None)

    @property
    def _given(self) -> list[str]:
        options = self.options
        return [name for name in (options.label, options.group, options.split) if name is not None]
