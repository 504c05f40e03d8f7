"""What images are called in results: by their paths, or by the file and the row that hold them."""

from collections.abc import Sequence

from longtail.data.samples import Samples


def image_names(groups: Sequence[Samples]) -> list[str] | None:
    """(N,) the paths of the images of all groups if these differ, else FILE:ROW for images as bytes.

    Args:
        groups: samples; each group is of one kind.

    Returns:
        The names, or `None` where a group has neither files nor images as bytes.

    Example:
        >>> import numpy as np
        >>> from longtail.data.images.encoded_images import EncodedImages
        >>> images = EncodedImages([b"", b""], ["a.parquet:0", "a.parquet:1"], ["x.png", "x.png"])
        >>> image_names([Samples(np.zeros(2, dtype=np.int64), ("ant",), items=images)])
        ['a.parquet:0', 'a.parquet:1']
    """
    if any(group.files is None and group.encoded is None for group in groups):
        return None
    paths = [path for group in groups for path in _paths(group)]
    if all(paths) and len(set(paths)) == len(paths):
        return paths
    return [name for group in groups for name in (_paths(group) if group.encoded is None else group.encoded.names)]


def _paths(group: Samples) -> Sequence[str]:
    return group.files or () if group.encoded is None else group.encoded.paths
