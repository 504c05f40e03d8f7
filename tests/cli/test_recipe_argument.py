import pytest

from longtail.cli import main, recipe_argument
from longtail.recipes import RECIPES


def help_of(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_every_recipe_is_described():
    assert set(recipe_argument.DESCRIPTIONS) == set(RECIPES)


@pytest.mark.parametrize("command", ["train", "compare"])
@pytest.mark.parametrize("asked", [["--help"], ["-h"], ["--out", "folder", "--help"]], ids=" ".join)
def test_a_help_that_names_no_recipe_is_that_with_the_settings_of_all(command, asked, capsys, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(recipe_argument, "_configurations", lambda: pytest.fail("the recipes were imported"))
        named = help_of([command, *asked], capsys)
    monkeypatch.setattr(recipe_argument, "_names_only", lambda _: False)
    assert help_of([command, *asked], capsys) == named


def test_the_help_of_a_recipe_shows_its_settings_and_defaults(capsys):
    said = help_of(["train", "finetune", "--help"], capsys)
    assert "--layer-decay" in said
    assert "--record-gradients" in said
    assert "--seeds" in help_of(["compare", "digits-lt", "-h"], capsys)
