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


def docstrings_of(is_kind):
    packages = [getattr(longtail, name) for name in longtail._PACKAGES]
    names = {name: getattr(package, name) for package in packages for name in package.__all__}
    return {name: kind.__doc__ or "" for name, kind in names.items() if is_kind(kind)}


def without_example(docstrings):
    return [name for name, text in docstrings.items() if ">>>" not in text or "doctest: +SKIP" in text]


def is_exception(kind):
    return inspect.isclass(kind) and issubclass(kind, BaseException)


def test_every_function_has_an_example_that_runs():
    functions = docstrings_of(inspect.isfunction)
    assert len(functions) > 100
    assert without_example(functions) == []


def test_every_class_has_an_example_that_runs():
    classes = docstrings_of(lambda kind: inspect.isclass(kind) and not is_exception(kind))
    assert len(classes) > 80
    assert without_example(classes) == []


def test_every_exception_has_an_example_or_is_named_by_a_function_that_raises_it():
    """Users catch exceptions and do not construct them, so a `Raises` section does as well as an example."""
    raised = [
        text.partition("Raises:")[2].partition("Example:")[0] for text in docstrings_of(inspect.isfunction).values()
    ]
    exceptions = docstrings_of(is_exception)
    assert len(exceptions) > 3
    assert [name for name in without_example(exceptions) if not re.search(rf"\b{name}\b", "".join(raised))] == []


def test_every_package_is_in_the_architecture():
    text = (ROOT / "docs/architecture.md").read_text()
    assert all(f"| `{package}` |" in text for package in longtail._PACKAGES)


def test_every_document_is_linked_from_the_readme():
    text = (ROOT / "README.md").read_text()
    assert all(f"(docs/{page.name})" in text for page in (ROOT / "docs").glob("*.md"))


def test_the_page_of_methods_lists_all_with_their_sources():
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|.*\| ([^|]+) \|$", (ROOT / "docs/methods.md").read_text(), re.MULTILINE)
    assert dict(rows) == {name: method.source for name, method in METHODS.items()}
    assert len(rows) == len(METHODS)


def test_the_page_of_methods_names_the_first_stages():
    text = (ROOT / "docs/methods.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z-]+)` \|.*\| `([a-z-]+)` \| [^|]+ \|$", text, re.MULTILINE))
    assert rows == {name: method.first_stage for name, method in METHODS.items() if method.first_stage}


def test_every_method_is_cited():
    references = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]
    short = {"IEEE Transactions on Pattern Analysis and Machine Intelligence": "TPAMI"}
    venues = [
        paper["conference"]["name"]
        if "conference" in paper
        else f"{short.get(paper['journal'], paper['journal'])} {paper['year']}"
        for paper in references
    ]
    cited = {
        f"{paper['authors'][0]['family-names']} et al., {venue}"
        for paper, venue in zip(references, venues, strict=True)
    }
    sources = {method.source for method in METHODS.values()} - {"cross-entropy, as in PyTorch"}
    assert sources <= cited
    assert len(cited) == len(references)
