"""The documentation site: it is built without warnings, and holds every page and every public name."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import longtail
from longtail.cli.commands import COMMANDS

ROOT = Path(__file__).parent.parent


PAGES_WITHOUT = """
import importlib.abc, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[2:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
sys.path.insert(0, sys.argv[1])
import build

for package in build.PACKAGES:
    build.page_of_docstrings(package)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "docs"
    done = subprocess.run(
        [sys.executable, ROOT / "docs/site/build.py", out], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "site"


@pytest.mark.slow
@pytest.mark.parametrize("package", sorted(set(longtail._PACKAGES) - {"cli"}))
def test_every_public_name_has_its_docstring(package, site):
    page = (site / "api" / f"{package}.html").read_text()
    module = getattr(longtail, package)
    names = [name for name in module.__all__ if hasattr(getattr(module, name), "__module__")]  # constants have none
    shown = re.findall(rf'id="{re.escape(module.__name__)}\.([\w.]+)"', page)
    assert [name for name in names if name not in shown and f"{name}.{name}" not in shown] == []


@pytest.mark.slow
def test_every_command_is_shown_with_its_options(site):
    page = (site / "commands.html").read_text()
    assert [name for name in COMMANDS if f'id="longtail-{name}"' not in page] == []
    assert "--on-bad-file" in page
    assert "--layer-decay" in page


@pytest.mark.slow
def test_examples_are_code(site):
    page = re.sub(r"</?(span|a)[^>]*>", "", (site / "api" / "losses.html").read_text())
    assert re.search(r"<code>&gt;&gt;&gt; import torch\s+&gt;&gt;&gt; FocalLoss\(2, gamma=1.0\)", page)


@pytest.mark.slow
def test_nothing_is_fetched_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    loaded = [tag for page in pages for tag in re.findall(r"<(?:script|link|img)[^>]*>", page.read_text())]
    assert [tag for tag in loaded if re.search(r'(src|href)="(https?:)?//', tag)] == []


def test_every_page_is_in_the_navigation():
    nav = (ROOT / "docs/site/zensical.toml").read_text()
    listed = re.findall(r'= "([\w./-]+\.md)"', str(nav))
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} | {"index.md", "CHANGELOG.md", "commands.md"}
    results = {f"results/{page.name}" for page in (ROOT / "results").glob("*.md")}
    packages = {f"api/{package}.md" for package in longtail._PACKAGES if package != "cli"}
    assert sorted(listed) == sorted(pages | results | packages)
    assert tomllib.loads(nav)["project"]["nav"]


@pytest.mark.parametrize("holds", ["a folder", "a file"])
def test_nothing_but_an_earlier_build_is_removed(holds, tmp_path):
    out = tmp_path if holds == "a folder" else tmp_path / "thesis.md"
    (tmp_path / "thesis.md").write_text("years of work")
    done = subprocess.run(
        [sys.executable, ROOT / "docs/site/build.py", out], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == f"OUT must be a new or an empty folder, or that of an earlier build. Got {out}.\n"
    assert (tmp_path / "thesis.md").read_text() == "years of work"


def test_the_extra_docs_installs_what_the_pages_are_made_of():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    modules = {
        module
        for module, distributions in importlib.metadata.packages_distributions().items()
        if {name.lower().replace("_", "-") for name in distributions} & (needed(extras, "dev") - needed(extras, "docs"))
    }
    assert {"onnxruntime", "torchmetrics"} <= modules
    done = subprocess.run(
        [sys.executable, "-c", PAGES_WITHOUT, ROOT / "docs/site", *sorted(modules)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def needed(extras, extra):
    """The packages that an extra installs by name, its own extras among them."""
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in extras[extra]}
    inner = [own for requirement in extras[extra] for own in re.findall(r"longtail\[([\w,]+)\]", requirement)]
    return names.union(*(needed(extras, own) for listed in inner for own in listed.split(",")))
