"""Without a library its module says what to install, and the package is imported all the same."""

import importlib
import sys

import pytest

import longtail.integrations


def without(monkeypatch, module, *libraries):
    monkeypatch.delitem(sys.modules, f"longtail.integrations.{module}", raising=False)
    for library in libraries:
        monkeypatch.setitem(sys.modules, library, None)
    return importlib.import_module("longtail.integrations")


def test_transformers(monkeypatch):
    package = without(monkeypatch, "transformers", "transformers")
    with pytest.raises(ModuleNotFoundError, match=r"needs transformers: pip install 'transformers\[torch\]'"):
        package.TransformersLoss  # noqa: B018


def test_lightning(monkeypatch):
    package = without(monkeypatch, "lightning", "lightning", "lightning.pytorch", "pytorch_lightning")
    with pytest.raises(ModuleNotFoundError, match="needs Lightning: pip install lightning"):
        package.LightningLosses  # noqa: B018


@pytest.mark.slow
def test_lightning_under_its_older_name(monkeypatch):
    package = without(monkeypatch, "lightning", "lightning", "lightning.pytorch")
    assert issubclass(package.LightningLosses, importlib.import_module("pytorch_lightning").Callback)


def test_a_name_that_does_not_exist():
    with pytest.raises(AttributeError, match="has no attribute 'KerasLoss'"):
        longtail.integrations.KerasLoss  # noqa: B018
