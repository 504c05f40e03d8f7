"""A plugin of pytest that leaves one share of the tests: SHARE=0/8 is the first of eight."""

import os

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    share, shares = (int(number) for number in os.environ["SHARE"].split("/"))
    kept = items[share::shares]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
