"""Notes that hold for several parts, which are read one by one."""


def note_once(text: str, notes: list[str]) -> None:
    """Add a note unless it is among the notes.

    Example:
        >>> notes = ["The names of 3 classes are read."]
        >>> note_once("The names of 3 classes are read.", notes)
        >>> len(notes)
        1
    """
    if text not in notes:
        notes.append(text)
