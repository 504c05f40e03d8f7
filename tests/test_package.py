"""What the package as a whole promises: its names, its weight at import, its documentation."""

import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_origin
from unittest import mock

import pytest

import longtail
from longtail.losses.catalogue import LOSSES
from longtail.recipes import METHODS

ROOT = Path(__file__).parent.parent
PACKAGES = [module.name for module in pkgutil.iter_modules(longtail.__path__) if module.ispkg]


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_exactly_those_documented(package):
    module = importlib.import_module(f"longtail.{package}")
    reference = (ROOT / "docs/reference.md").read_text()
    section = re.search(rf"^## `{re.escape(module.__name__)}`\n(.*?)(?=^## |\Z)", reference, re.M | re.S)
    assert section, f"docs/reference.md has no section on {module.__name__}"
    documented = re.findall(r"^\| `(\w+)", section[1], re.M)
    assert sorted(documented) == sorted(module.__all__)
    for name in module.__all__:
        value = getattr(module, name)
        assert value.__doc__ or isinstance(value, (int, dict)) or get_origin(value)  # a type alias has no docstring


@pytest.mark.slow
def test_names_and_packages_are_reached_from_the_package():
    code = "import longtail; longtail.metrics.macro_f1, longtail.data.class_counts, longtail.runs.RunFolder"
    subprocess.run([sys.executable, "-c", code], check=True)
    public = {name for package in longtail._NAMES for name in importlib.import_module(f"longtail.{package}").__all__}
    assert set(longtail.__all__) == public
    assert len(longtail.__all__) == len(public)
    assert dir(longtail) == sorted(public | set(PACKAGES) | {"__version__"})
    assert longtail.GALALoss is importlib.import_module("longtail.losses").GALALoss
    assert longtail.METRICS is importlib.import_module("longtail.repair").METRICS
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        longtail.nothing  # noqa: B018


def test_import_loads_nothing_but_itself():
    code = (
        "import sys; before = set(sys.modules); import longtail; "
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))"
    )
    added = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert added == ["longtail"]


@pytest.mark.slow
def test_losses_and_post_hoc_methods_load_torch_and_numpy_alone():
    code = (
        "import sys, torch; before = set(sys.modules); import longtail.losses, longtail.posthoc; "
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    added = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"torchmetrics", "sklearn", "pandas", "altair", "rich", "torchvision", "timm", "matplotlib"}
    assert "longtail" in added
    assert not heavy & set(added)


def test_the_version_is_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == longtail.__version__
    assert f"version: {longtail.__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f"## {longtail.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_constraints_name_versions_and_nothing_else():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"#.*|[a-zA-Z0-9._-]+==[a-zA-Z0-9._]+", line), line


@pytest.mark.parametrize("page", ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))])
@pytest.mark.slow
def test_the_documentation_s_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)
    namespace = {"__name__": "__docs__"}
    with mock.patch.dict(LOSSES), mock.patch.dict(METHODS):  # an example registers a loss
        for block in blocks:
            exec(compile(block, page, "exec"), namespace)
    if page == "README.md":
        assert len(blocks) >= 2


def test_links_between_documents_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "results").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
