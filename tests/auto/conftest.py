"""A run on small photographs, which the tests of predictions share."""

import pytest

from auto.photographs import SETTINGS, write_photographs
from longtail import fit


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    return write_photographs(tmp_path_factory.mktemp("photographs") / "animals")


@pytest.fixture(scope="session")
def trained(photographs, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGTAIL_CACHE", str(out / "cache"))
        return fit(photographs, out=out / "run", epochs=20, batch_size=16, device="cpu", threads=1, **SETTINGS)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LONGTAIL_CACHE", str(tmp_path / "cache"))
