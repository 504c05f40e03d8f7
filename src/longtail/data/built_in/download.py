"""Which data sets can be downloaded: of the built-in ones only CIFAR."""


def refuse_download(dataset: str, download: bool) -> None:
    """Refuse to download a data set that can't be downloaded.

    Raises:
        ValueError: `download` is set.
    """
    if download:
        raise ValueError(
            f"`download` must be off for {dataset}: only CIFAR can be fetched. Got on. Leave --download out."
        )
