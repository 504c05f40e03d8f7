"""What became of the tensors of a file of weights."""

from collections.abc import Sequence
from dataclasses import dataclass

SHOWN = 5


@dataclass(frozen=True)
class WeightReport:
    """What became of the tensors of a file of weights.

    Attributes:
        file: its path.
        matched: tensors of the network that were loaded.
        missing: tensors of the network that keep their values, for want of one in the file.
        unexpected: tensors of the file that the network has no place for.
        dropped: tensors of the file's classifier, if it is of another size or kind than the network's.

    Example:
        >>> print(WeightReport("w.pt", ("backbone.weight",), ("classifier.weight",), (), ("fc.weight",)).summary())
        w.pt: 1 tensor loaded; its classifier is of another size or kind and was dropped: fc.weight.
    """

    file: str
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    dropped: tuple[str, ...]

    def summary(self) -> str:
        """One line for a log."""
        parts = [f"{self.file}: {len(self.matched)} tensor{'s' if len(self.matched) != 1 else ''} loaded"]
        if self.dropped:
            parts.append(f"its classifier is of another size or kind and was dropped: {cut_list(self.dropped)}")
        elif self.missing:
            parts.append(f"not in the file: {cut_list(self.missing)}")
        if self.unexpected:
            parts.append(f"not in the network: {cut_list(self.unexpected)}")
        return "; ".join(parts) + "."


def cut_list(entries: Sequence[str]) -> str:
    """The first entries, and how many there are beyond them."""
    more = f" and {len(entries) - SHOWN} more" if len(entries) > SHOWN else ""
    return ", ".join(entries[:SHOWN]) + more
