import contextlib

import pytest

from longtail.cli import main


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["predict"], "or as in the training data, which favours frequent classes."),  # of a function
        (["train", "finetune"], "the classifier and the last N layers), or bias"),  # of a configuration
    ],
)
def test_lines_end_at_the_width_of_the_terminal_alone(command, sentence, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    with contextlib.suppress(SystemExit):
        main([*command, "--help"])
    assert sentence in capsys.readouterr().out
