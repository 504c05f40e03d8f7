import pytest

from data.large_set_files import write_tiny
from longtail.data.large_sets import LARGE_SETS


@pytest.fixture(params=["imagenet-lt", "places-lt", "inaturalist18"])
def name(request):
    return request.param


@pytest.fixture
def tiny_set(name, tmp_path, monkeypatch):
    """The folder of a data set of that name which has three classes."""
    monkeypatch.setitem(LARGE_SETS, name, write_tiny(name, tmp_path / name))
    return tmp_path / name
