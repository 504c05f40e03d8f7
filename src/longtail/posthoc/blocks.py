"""Rows in blocks that stay in the processor's cache, so that a file on disk can take the place of an array."""

from collections.abc import Iterator

NUMBERS_AT_ONCE = 131_072  # 1 MiB of float64


def row_blocks(num_rows: int, num_columns: int, least: int = 1) -> Iterator[slice]:
    """Consecutive slices that cover all rows, each of at least `least` rows but for the last.

    Example:
        >>> [(block.start, block.stop) for block in row_blocks(5, 60_000)]
        [(0, 2), (2, 4), (4, 5)]
    """
    rows = max(least, NUMBERS_AT_ONCE // num_columns)
    for start in range(0, num_rows, rows):
        yield slice(start, min(start + rows, num_rows))
