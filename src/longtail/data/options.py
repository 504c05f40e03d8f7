"""How data are to be read: the options of `read_data` that readers see."""

from dataclasses import dataclass
from pathlib import Path


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
            ValueError: the option, by name.
        """
        given = next((name for name in names if getattr(self, name) is not None), None)
        if given is not None:
            raise ValueError(f"`{given}` must be left out for {what}. Got {str(getattr(self, given))!r}.")
