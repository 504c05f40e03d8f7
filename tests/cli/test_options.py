import importlib
import re

import pytest

from longtail.cli import main
from longtail.cli.commands import COMMANDS
from longtail.cli.options import given_to, is_flag, options_of, settings_of
from longtail.cli.report import report


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_of_a_command_are_those_of_its_help(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    recipe = ["digits-lt"] if name in ("train", "compare") else []
    with pytest.raises(SystemExit):
        main([name, *recipe, "--help"])
    shown = set(re.findall(r"^\W*(--[a-z][a-z-]+)", capsys.readouterr().out, re.M))
    command = getattr(importlib.import_module(f"longtail.cli.{name}"), name)
    known = {*options_of(command), *(settings_of(recipe[0]) if recipe else ())}
    assert shown == known


def test_a_flag_takes_no_value():
    assert is_flag(report, "--force")
    assert not is_flag(report, "--out")


def test_the_words_behind_an_option_end_at_the_next():
    assert given_to("--out", ["report", "--out=a", "--force"]) == ["a"]
    assert given_to("--batch-size", ["train", "--batch_size", "8", "--seed", "1"]) == ["8"]
    assert given_to("--seed", ["train", "--batch_size", "8"]) == []
