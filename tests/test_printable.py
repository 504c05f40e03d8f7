import json

import pytest

from longtail.printable import printable, printable_json

UNSAFE = ["\x00", "\x1b", "\x7f", "\x9b", "\u00ad", "\u200b", "\u202e", "\u2066", "\u2028", "\ufeff", "\udcff"]


@pytest.mark.parametrize("character", UNSAFE)
def test_an_unsafe_character_becomes_an_escape(character):
    shown = printable(f"a{character}b")
    assert shown.isprintable()
    assert shown.encode().decode("unicode_escape") == f"a{character}b"
    assert printable_json(json.dumps(f"a{character}b", ensure_ascii=False)).isprintable()
    assert json.loads(printable_json(json.dumps(f"a{character}b", ensure_ascii=False))) == f"a{character}b"


@pytest.mark.parametrize("text", ["", "plain", "Käfer", "日本語", "αβγ → τ", "a\u00a0b", "🦊", "שלום"])
def test_other_text_stays(text):
    assert printable(text) == text


def test_line_breaks_stay_in_lines_and_not_in_cells():
    assert printable("a\n\tb") == "a\n\tb"
    assert printable("a\n\tb", lines=False) == r"a\n\tb"
