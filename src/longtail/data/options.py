"""How data are to be read: the options of `read_data` that readers see."""

from dataclasses import dataclass
from pathlib import Path


class OptionDoesNotApplyError(ValueError):
    """An option that names what the data do not have, or says nothing about their kind.

    Args:
        option: its name as an argument.
        message: what the user reads.
    """

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True)
class Options:
    """Each is `None`, or empty, where nothing was said."""

    root: Path | None = None
    path_column: str | None = None
    label: str | None = None
    split: str | None = None
    group: str | None = None
    first_of: tuple[str, ...] = ()

    def refuse(self, what: str, *names: str) -> None:
        """Raise where an option is given that says nothing about `what`.

        Raises:
            OptionDoesNotApplyError: names the option.
        """
        given = next((name for name in names if getattr(self, name) is not None), None)
        if given is not None:
            got = str(getattr(self, given))
            raise OptionDoesNotApplyError(given, f"`{given}` must be left out for {what}. Got {got!r}.")
