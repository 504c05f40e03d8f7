"""Templates are filled strictly, and their prose is wrapped."""

import pytest
from jinja2 import UndefinedError

from pages import rendering
from pages.rendering import FalseClaimError, claim, render, wrapped


@pytest.fixture
def template(tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "TEMPLATES", tmp_path)

    def write(text):
        (tmp_path / "page.md.jinja").write_text(text)
        return "page.md.jinja"

    return write


def test_numbers_are_filled_in(template):
    name = template("{{ few | percent }} of {{ shares | spread }}, {{ gain | signed }}\n")
    assert render(name, {"few": 0.2, "shares": [0.1, 0.3], "gain": -0.01}) == "20.0 of 20.0 ± 14.1, −1.0\n"


def test_a_missing_number_is_an_error(template):
    with pytest.raises(UndefinedError, match="few"):
        render(template("{{ few }}"), {})


def test_a_claim_stands_only_if_it_is_true():
    assert claim(2 > 1, "GALA is ahead") == "GALA is ahead"
    with pytest.raises(FalseClaimError, match="GALA is ahead"):
        claim(1 > 2, "GALA is ahead")


def test_only_prose_is_wrapped():
    words, row = "word " * 40, f"| {'cell ' * 40}|"
    text = wrapped(f"# Title\n\n{words}\n{words}\n\n- {words}\n  {words}\n- short\n\n{row}\n\n    {words}\n")
    lines = text.splitlines()
    assert [line for line in lines if len(line) > 120] == [row, f"    {words}"]
    assert text.split() == f"# Title {words} {words} - {words} {words} - short {row} {words}".split()
    assert lines[-5] == "- short"
    assert any(line.startswith("  word") for line in lines)


def test_no_line_begins_with_the_sign_of_a_percentage():
    text = wrapped("x" * 118 + " 5 % and more")
    assert "\n5 % and more" in text
