"""What the documents say: every option of every command is mentioned, and every package has its place."""

import contextlib
import inspect
import io
import re
from pathlib import Path

import pytest
import yaml

import longtail
from longtail.cli import main
from longtail.cli.commands import COMMANDS
from longtail.recipes.methods import METHODS

ROOT = Path(__file__).parent.parent
RECIPES = {"train": ["features", "finetune", "cifar100-lt", "imagenet-lt", "digits-lt"], "compare": ["features"]}


def documents():
    return "\n".join(page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def help_of(*command):
    written = io.StringIO()
    with contextlib.redirect_stdout(written), contextlib.suppress(SystemExit):
        main([*command, "--help"])
    return written.getvalue()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_mentioned(command):
    pages = [help_of(command), *(help_of(command, recipe) for recipe in RECIPES.get(command, []))]
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", "".join(pages)))
    assert "--help" in options
    text = documents()
    missing = {option for option in options if not re.search(rf"{option}(?![\w-])", text)}
    assert not missing


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_shown_with_what_it_takes(command):
    assert re.search(rf"longtail {command} [^\s#-]", documents())


def test_every_function_and_every_loss_has_an_example_that_runs():
    packages = [getattr(longtail, name) for name in longtail._PACKAGES]
    names = {name: getattr(package, name) for package in packages for name in package.__all__}
    functions = {name: kind.__doc__ or "" for name, kind in names.items() if inspect.isfunction(kind)}
    losses = {name: kind.__doc__ or "" for name, kind in names.items() if inspect.isclass(kind) and "Loss" in name}
    assert len(functions) > 100
    assert len(losses) > 10
    assert [name for name, text in (functions | losses).items() if ">>>" not in text or "doctest: +SKIP" in text] == []


def test_every_package_is_in_the_architecture():
    text = (ROOT / "docs/architecture.md").read_text()
    assert all(f"| `{package}` |" in text for package in longtail._PACKAGES)


def test_every_document_is_linked_from_the_readme():
    text = (ROOT / "README.md").read_text()
    assert all(f"(docs/{page.name})" in text for page in (ROOT / "docs").glob("*.md"))


def test_every_method_is_cited():
    references = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]
    cited = {
        f"{paper['authors'][0]['family-names']} et al., {paper['conference']['name']}"
        for paper in references
        if "conference" in paper
    }
    sources = {method.source for method in METHODS.values()} - {"cross-entropy, as in PyTorch"}
    assert sources <= cited
    assert len(cited) == len(references) - 1  # Saerens et al. is an article
