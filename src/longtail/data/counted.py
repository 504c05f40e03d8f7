"""Numbers of things, in singular or plural, for messages."""


def counted(number: int, one: str, many: str) -> str:
    """A number and what it counts.

    Example:
        >>> counted(1, "class has", "classes have"), counted(1200, "class has", "classes have")
        ('1 class has', '1,200 classes have')
    """
    return f"{number:,} {one if number == 1 else many}"
