"""The pages of results say what their JSON files say."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pages import fix, prediction_sets
from pages.rendering import TEMPLATES, FalseClaimError
from write_pages import PAGES, file_of, text_of

ROOT = Path(__file__).parent.parent.parent
RESULTS = ROOT / "results"
NUMBER = re.compile(r"(?<![A-Za-z\d])\d[\d.,]*(?:e-\d+)?|\b(?:two|three|four|five|six|seven|eight|nine|ten|twelve)\b")


@pytest.fixture
def copy(tmp_path):
    """The results, and the README beside them, to be changed."""
    shutil.copytree(RESULTS, tmp_path / "results", ignore=shutil.ignore_patterns("*.svg", "__pycache__", "pending*"))
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path / "results"


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_what_its_numbers_give(page):
    assert file_of(page).read_text() == text_of(page), f"Run: python results/write_pages.py {page}"


@pytest.mark.parametrize("page", PAGES)
def test_no_result_is_typed_into_a_template(page):
    """Numbers in prose, words for numbers and texts of claims are settings that the first line of a template lists."""
    template = (TEMPLATES / f"{page}.md.jinja").read_text()
    header = re.match(r"\{# settings: (.*) #\}\n", template)
    assert header, "The first line must be {# settings: … #}."
    claims = re.findall(r'claim\(.*?, "([^"]*)"\) ?\}\}', template, re.DOTALL)
    prose = re.sub(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", "", template, flags=re.DOTALL)
    typed = {number.rstrip(".,") for number in NUMBER.findall("\n".join([prose, *claims]))}
    assert typed == set(header[1].split())


def keep_the_first_runs(copy):
    """Of imbalance 100, whatever has been run since."""
    for run in (copy / "runs").glob("cifar100-lt-100-*-[0-9].json"):
        run.unlink()


@pytest.mark.slow
def test_a_page_follows_its_numbers(copy):
    keep_the_first_runs(copy)
    run = copy / "runs/cifar100-lt-100-gala-0-first.json"
    change(run, lambda content: content["result"]["test"]["raw"].update(balanced_accuracy=0.5222, many=0.7111))
    page = text_of("cifar100-lt", copy)
    assert "| raw | 52.2 | 71.1 | 50.8 | 32.4 |" in page
    assert "GALA has 52.2 raw" in page
    assert "GALA differs by +1.9 points" in page
    assert "GALA 52.2 (seed 0)." in text_of("README", copy)


@pytest.mark.slow
def test_each_loss_says_its_seeds(copy):
    keep_the_first_runs(copy)
    second = copy / "runs/cifar100-lt-100-ce-1-second.json"
    shutil.copy(copy / "runs/cifar100-lt-100-ce-0-first.json", second)
    change(second, lambda content: content.update(seed=1))
    text = " ".join(text_of("README", copy).split())
    section = text[text.index("imbalance 100, last epoch") :]
    assert "(seeds 0, 1; re-balanced" in section
    assert "(seed 0)." in section


def test_a_sentence_that_became_false_stops_the_page(copy):
    def lose(content):
        held_out = content["held-out run"]["rows"]
        next(row for row in held_out if row["fitted on"] == "held-out images")["all"] = 1.0

    change(copy / "cifar100-lt-fit-sets.json", lose)
    with pytest.raises(FalseClaimError, match="Held-out images are as good as the test set itself"):
        text_of("cifar100-lt", copy)


@pytest.mark.slow
def test_the_command_names_pages_that_differ_and_writes_them(copy):
    def run(*arguments):
        command = [sys.executable, copy / "write_pages.py", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    page = copy / "digits.md"
    before = page.read_bytes()
    page.write_text("old")
    checked = run("--check", "digits", "methods-plankton")
    assert (checked.returncode, checked.stdout) == (1, "results/digits.md differs\n")
    assert page.read_text() == "old"
    assert run("digits").returncode == 0
    assert page.read_bytes() == before
    assert run("--check", "digits").returncode == 0
    unknown = run("numbers")
    assert unknown.returncode == 2
    assert "PAGE must be one of README, cifar100-lt, digits" in unknown.stderr
    assert "Traceback" not in unknown.stderr


@pytest.mark.parametrize(("document", "page"), [("fix", fix), ("prediction-sets", prediction_sets)])
def test_what_docs_say_of_results_is_what_their_page_says(document, page):
    said = " ".join((ROOT / f"docs/{document}.md").read_text().split())
    assert page.values(RESULTS)["summary"] in said
