"""What all tests share: the real data, a tiny data set, and one thread."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from training.tiny import tiny_cifar10, write_tiny

torch.set_num_threads(1)

LONG_EXAMPLES = {
    "longtail.auto.evaluation.evaluate_on",
    "longtail.auto.fitting.fit",
    "longtail.auto.fitting.train_and_fix",
    "longtail.auto.predictor.load",
    "longtail.estimators.rebalanced_classifier.RebalancedClassifier",
    "longtail.export.model_folder.export_safetensors",
    "longtail.export.onnx_file.export_onnx",
    "longtail.repair",
    "longtail.repair.diagnosis.diagnose",
    "longtail.repair.evaluation.evaluate_fix",
    "longtail.repair.fix.Fix.from_predictions",
    "longtail.reports.diagnosis_page.fix_page",
    "longtail.reports.page.Page",
}  # doctests of half a second and more


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many seeded inputs the tests in `fuzz` try; by default a thousand."""
    parser.addoption("--fuzz", type=int, metavar="N", help="seeded inputs of the tests in tests/fuzz")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of data sets that are unpacked first, and the examples that train or write whole pages."""
    for item in items:
        if {"cifar100", "fish"} & set(getattr(item, "fixturenames", ())) or item.name in LONG_EXAMPLES:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data that `LONGTAIL_DATA` names."""
    folder = os.environ.get("LONGTAIL_DATA")
    if not folder:
        pytest.skip("LONGTAIL_DATA is not set: it names the folder of real data")
    return Path(folder)


@pytest.fixture(scope="session")
def cifar100(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CIFAR-100 in its official binary layout, unpacked from the sprites in the folder of real data."""
    out = tmp_path_factory.mktemp("cifar")
    subprocess.run([sys.executable, str(real_data / "cifar100/unpack.py"), str(out)], check=True)
    return out


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a data set that trains in seconds."""
    return write_tiny(tmp_path_factory.mktemp("data"))


@pytest.fixture
def tiny(tiny_data: Path) -> Iterator[Path]:
    """The same, while "cifar10" means it."""
    with tiny_cifar10():
        yield tiny_data


@pytest.fixture(scope="session")
def fish(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of the fish photographs."""
    out = tmp_path_factory.mktemp("fish")
    with zipfile.ZipFile(real_data / "fish/images.zip") as archive:
        archive.extractall(out)
    return out / "images"


@pytest.fixture(autouse=True)
def two_repeats(monkeypatch):
    """Of the cross-fitting, where a test does not say how many: ten take five times as long."""
    monkeypatch.setattr("longtail.repair.diagnosis.MOST_REPEATS", 2)
