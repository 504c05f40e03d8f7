"""Two repeats of the cross-fitting where a test does not say how many: ten take five times as long."""

import pytest


@pytest.fixture(autouse=True)
def two_repeats(monkeypatch):
    monkeypatch.setattr("longtail.repair.diagnosis.MOST_REPEATS", 2)
