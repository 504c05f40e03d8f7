"""Many, medium and few: the groups that the literature makes of classes by their training samples."""

from typing import Any, NamedTuple

from longtail.arguments import check_integer

MANY_ABOVE = 100
FEW_BELOW = 20


class GroupBounds(NamedTuple):
    """The bounds of the groups; those of a run are in its configuration.

    Attributes:
        many_above: "many" classes have more training samples than this.
        few_below: "few" classes have fewer; "medium" are all others.

    Example:
        >>> import numpy as np
        >>> members = GroupBounds().members(np.array([500, 100, 3]))
        >>> {name: np.flatnonzero(own).tolist() for name, own in members.items()}
        {'many': [0], 'medium': [1], 'few': [2]}
    """

    many_above: int = MANY_ABOVE
    few_below: int = FEW_BELOW

    @classmethod
    def of(cls, config: Any) -> "GroupBounds":
        """Those of a configuration, an object or a mapping, which may lack them."""
        found = config if isinstance(config, dict) else vars(config)
        return cls(found.get("many_above", MANY_ABOVE), found.get("few_below", FEW_BELOW))

    def check(self) -> None:
        """Raise for bounds that are not integers of at least 0, or that overlap."""
        check_integer("few_below", self.few_below, minimum=0)
        check_integer("many_above", self.many_above, minimum=0)
        if self.few_below > self.many_above + 1:
            raise ValueError(
                f"`few_below` must be at most `many_above` + 1. Got {self.few_below} and {self.many_above}."
            )

    def members(self, class_counts: Any) -> dict[str, Any]:
        """(C,) booleans of each group, an array or a tensor as the training samples (C,) of the classes are."""
        many, few = class_counts > self.many_above, class_counts < self.few_below
        return {"many": many, "medium": ~many & ~few, "few": few}


USUAL = GroupBounds()
