"""Which data sets can be fetched: of the built-in ones only CIFAR."""


def refuse_download(dataset: str, download: bool) -> None:
    """Raise where a data set is asked for that can't be fetched.

    Raises:
        ValueError: `download` is set.
    """
    if download:
        raise ValueError(
            f"`download` must be off for {dataset}: only CIFAR can be fetched. Got on. Leave --download out."
        )
