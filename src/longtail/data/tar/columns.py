"""The columns of samples of tar files: the suffixes of their files, and the fields of their JSON files."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from longtail.data.options import Options
from longtail.data.tables.columns import GROUP_COLUMNS, SPLIT_COLUMNS, label_columns
from longtail.data.tar.headers import TarHeaders
from longtail.data.tar.samples import fields_of, is_image, key_and_suffix, samples_of

LABELS = ("cls", "cls.txt", "label.txt", "class.txt")
"""Suffixes of labels: the first of these that exists comes before any other column."""
JSON, TEXT = "json", "txt"
FIRST = 100  # JSON files whose fields are looked up, more than one: a field without a value may be left out
MOST = 30  # suffixes that become columns: with dots in the names of samples there are as many suffixes as files


@dataclass(frozen=True)
class TarColumns:
    """Which columns there are, and which of them are read.

    Attributes:
        shards: the tar files.
        options: may name columns.
    """

    shards: Sequence[TarHeaders]
    options: Options

    @cached_property
    def suffixes(self) -> list[str]:
        """Suffixes of files that are neither images nor JSON, the most frequent first."""
        counted = Counter(key_and_suffix(name)[1] for headers in self.shards for name in headers.names)
        others = [suffix for suffix, _ in counted.most_common() if suffix not in ("", JSON) and not is_image(suffix)]
        return [name for place, name in enumerate(others) if place < MOST or name in {*LABELS, *self._given}]

    @cached_property
    def fields(self) -> list[str]:
        """Fields of the first JSON files of images, without those that have the name of a suffix."""
        of_images = (sample for sample in samples_of(self.shards) if JSON in sample.rows and sample.images)
        contents = (sample.headers.part(sample.rows[JSON]) for sample in islice(of_images, FIRST))
        found = dict.fromkeys(name for content in contents for name in fields_of(content))
        return [name for name in found if name not in self.suffixes]

    @property
    def names(self) -> list[str]:
        """All columns except the image."""
        return [*self.suffixes, *self.fields]

    @cached_property
    def label(self) -> str | None:
        """The column of labels: the given one, else one of a usual name, else text; `None` if none or several fit."""
        if self.options.label is not None:
            return self.options.label
        found = [name for name in LABELS if name in self.suffixes][:1] or label_columns(self.names)
        if not found and TEXT in self.suffixes:
            return TEXT
        return found[0] if len(found) == 1 else None

    @property
    def says_classes(self) -> bool:
        """Whether columns are given, or one has a usual name of labels: then folders are not read as classes."""
        usual = [*self._given, *label_columns(self.names)]
        return bool(usual) or (self.label is not None and self.label != TEXT)

    @cached_property
    def read(self) -> frozenset[str]:
        """The columns whose values are read."""
        usual = (name for name in self.names if name.lower() in {*GROUP_COLUMNS, *SPLIT_COLUMNS})
        return frozenset(name for name in (self.label, *self._given, *usual) if name is not None)

    @property
    def _given(self) -> list[str]:
        options = self.options
        return [name for name in (options.label, options.group, options.split) if name is not None]
