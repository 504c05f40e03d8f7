"""A finding: what, where, how severe, and what to do."""

from dataclasses import asdict, dataclass

SEVERITIES = ("serious", "warning", "fact")


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes:
        severity: "serious" (a result would be wrong), "warning" (it may mislead) or "fact".
        what: in one sentence, with its numbers.
        where: the part, the classes or the files.
        advice: what to do; empty for a fact.

    Example:
        >>> Finding("fact", "10 classes", "train").as_dict()["severity"]
        'fact'
    """

    severity: str
    what: str
    where: str
    advice: str = ""

    def as_dict(self) -> dict[str, str]:
        """The finding as plain values, for JSON."""
        return asdict(self)
