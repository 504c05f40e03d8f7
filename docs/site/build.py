"""Builds the documentation site: the pages of docs/, README, the results, and the docstrings of all public names.

    python docs/site/build.py [OUT]

It needs no connection, and neither do its pages: open OUT/site/index.html (OUT is by default build/docs). Their search
needs a server: python -m http.server --directory OUT/site.
"""

import contextlib
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import wrap

import longtail
from longtail.cli import main
from longtail.cli.commands import COMMANDS

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(name for name in longtail._PACKAGES if name != "cli")
WITH_FORMULAS = ("losses", "posthoc")
RECIPES = ("features", "finetune", "scratch", "cifar100-lt", "imagenet-lt")
"""Of `longtail train`, whose options are shown; those of the others are among them."""
COLUMNS = 100


def build(out: Path) -> None:
    """Build the site in `out`, whose pages are in `out/site`; broken links and warnings are errors."""
    gather(out)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    if subprocess.run(command, cwd=out, check=False).returncode:
        raise SystemExit("The site was not built: see the warnings above.")
    print(f"{out / 'site' / 'index.html'}; with search: python -m http.server --directory {out / 'site'}")


def gather(out: Path) -> None:
    """Write what the site is built from; what an earlier build has left in `out` is removed."""
    if out.exists():
        if not out.is_dir() or (any(out.iterdir()) and not is_of_a_build(out)):
            raise SystemExit(f"OUT must be a new or an empty folder, or that of an earlier build. Got {out}.")
        shutil.rmtree(out)
    pages = out / "docs"
    (pages / "api").mkdir(parents=True)
    for name in ("zensical.toml", "example_sections.py"):
        shutil.copy(Path(__file__).parent / name, out)
    for path in [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/*.md"), *ROOT.glob("results/*.md")]:
        write_page(path, pages)
    shutil.copy(Path(__file__).parent / "site.css", pages)
    for path in [ROOT / "CITATION.cff", *ROOT.glob("examples/*.py"), *ROOT.glob("results/figures/**/*.svg")]:
        target = pages / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (pages / "commands.md").write_text(page_of_commands())
    for name in PACKAGES:
        (pages / "api" / f"{name}.md").write_text(page_of_docstrings(name))


def is_of_a_build(folder: Path) -> bool:
    """Whether `gather` has written this folder."""
    return (folder / "zensical.toml").is_file() and (folder / "docs" / "api").is_dir()


def write_page(path: Path, pages: Path) -> None:
    """Write a page of the repository, with README in the place of the first and docs/ at the top."""
    text, place = path.read_text(), path.relative_to(ROOT)
    if place == Path("README.md"):
        place, text = Path("index.md"), text.replace("](docs/", "](")
    elif place.parts[0] == "docs":
        place, text = Path(path.name), re.sub(r"\]\(\.\./(results|examples)/", r"](\1/", text)
    else:
        text = text.replace("](../docs/", "](../")
    (pages / place).parent.mkdir(exist_ok=True)
    (pages / place).write_text(text)


def page_of_commands() -> str:
    """The help of every command."""
    os.environ["COLUMNS"] = str(COLUMNS)
    text = "# Command line\n"
    for command in [[], *([name] for name in COMMANDS), *(["train", recipe] for recipe in RECIPES)]:
        title = " ".join(["longtail", *command])
        text += f"\n## {title}\n\n```text\n{help_of(command)}\n```\n"
    return text


def help_of(command: list[str]) -> str:
    """What it prints, with long lines wrapped."""
    written = io.StringIO()
    with contextlib.redirect_stdout(written), contextlib.suppress(SystemExit):
        main([*command, "--help"])
    return "\n".join(part for line in written.getvalue().splitlines() for part in wrap(line, COLUMNS) or [""])


def page_of_docstrings(package: str) -> str:
    """The public names of a package, and the formulas of the papers, which are in the docstrings of its modules."""
    text = f"# longtail.{package}\n\n::: longtail.{package}\n"
    for name in called_as_their_module(package):
        text += f"\n::: longtail.{package}.{name}.{name}\n    options: {{show_root_heading: true, heading_level: 2}}\n"
    if package in WITH_FORMULAS:
        text += "\n## Papers and formulas\n"
        for module in modules_of(package):
            text += f"\n### {module}\n\n::: {module}\n    options: {{members: [], summary: false}}\n"
    return text


def called_as_their_module(package: str) -> list[str]:
    """Public names for which Griffe finds the module where they are defined."""
    module = importlib.import_module(f"longtail.{package}")
    return [name for name in module.__all__ if importlib.util.find_spec(f"{module.__name__}.{name}")]


def modules_of(package: str) -> list[str]:
    """The modules that the public names of a package are defined in."""
    module = importlib.import_module(f"longtail.{package}")
    found = {
        getattr(module, name).__module__ for name in module.__all__ if hasattr(getattr(module, name), "__module__")
    }
    return sorted(name for name in found if name.startswith(module.__name__))


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "docs")
