"""Fabric is imported with nothing that training doesn't need."""

import importlib
import subprocess
import sys

import pytest

from longtail.training.fabric_import import import_fabric


@pytest.mark.slow
def test_training_imports_neither_torchmetrics_nor_torchvision_nor_scipy():
    code = (
        "import sys; from longtail.recipes import digits_lt; "
        "from longtail.training.hardware import make_fabric, resolve; "
        "make_fabric(resolve(digits_lt(device='cpu', precision='float32'))); "
        "print(sorted({'lightning_fabric', 'scipy', 'torchmetrics', 'torchvision'} & set(sys.modules))); "
        "from lightning_fabric.utilities import imports; print(imports._TORCHMETRICS_GREATER_EQUAL_1_0_0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['lightning_fabric']", "True"]


def test_a_fabric_that_needs_more_of_torchmetrics_gets_it(tmp_path, monkeypatch):
    (tmp_path / "lightning_fabric.py").write_text("from torchmetrics import Metric as Fabric")
    (tmp_path / "torchmetrics.py").write_text("class Metric: pass")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("lightning_fabric", "torchmetrics"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import_fabric()
    assert importlib.import_module("lightning_fabric").Fabric.__module__ == "torchmetrics"
    assert importlib.import_module("torchmetrics").__file__ == str(tmp_path / "torchmetrics.py")
