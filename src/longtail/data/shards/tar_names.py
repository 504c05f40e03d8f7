"""Names of tar files, compressed ones too."""

TAR = ".tar"
UNPACK = {
    **dict.fromkeys((".tar.gz", ".tgz"), "gunzip"),
    **dict.fromkeys((".tar.bz2", ".tbz2", ".tbz"), "bunzip2"),
    **dict.fromkeys((".tar.xz", ".txz"), "unxz"),
    **dict.fromkeys((".tar.zst", ".tzst"), "unzstd"),
}
"""How a compressed tar file is unpacked, by the end of its name."""


def is_tar_name(name: str) -> bool:
    """Whether a file of this name is a tar file, compressed or not.

    Example:
        >>> is_tar_name("train-000000.tar"), is_tar_name("train.TGZ"), is_tar_name("train.gz")
        (True, True, False)
    """
    return name.lower().endswith((TAR, *UNPACK))


def unpacked_name(name: str) -> str:
    """The name of a tar file after it is unpacked.

    Example:
        >>> unpacked_name("train.tar.gz"), unpacked_name("train.tgz"), unpacked_name("train.tar")
        ('train.tar', 'train.tar', 'train.tar')
    """
    suffix = next(suffix for suffix in (*UNPACK, TAR) if name.lower().endswith(suffix))
    return name[: -len(suffix)] + TAR
