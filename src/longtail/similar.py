"""Which of several names was meant; this needs no PyTorch."""

import difflib
from collections.abc import Iterable

SYNONYMS = {"gpu": "cuda"}
"""Words whose letters are like those of another choice."""


def most_similar(word: str, names: Iterable[str]) -> str:
    """The name that was probably meant; empty if none is similar. Case and underscores do not count.

    Example:
        >>> most_similar("Batch_Sise", ["batch-size", "seed"]), most_similar("gpu", ["auto", "cpu", "cuda"])
        ('batch-size', 'cuda')
    """
    spelled = {_plain(name): name for name in names}
    meant = SYNONYMS.get(_plain(word))
    near = [meant] if meant in spelled else difflib.get_close_matches(_plain(word), list(spelled), n=1)
    return spelled[near[0]] if near else ""


def _plain(word: str) -> str:
    return word.casefold().replace("_", "-")
