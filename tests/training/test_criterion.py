import pytest

from longtail.recipes import digits_lt
from longtail.training import run_experiment


def test_the_result_of_a_run_has_the_note(tmp_path):
    settings = {"loss": "eql", "epochs": 1}
    assert any("EQL is cross-entropy here" in note for note in _notes(tmp_path / "as-in-the-paper", **settings))
    assert _notes(tmp_path / "higher", loss_arguments=("threshold=0.02",), **settings) == []


def _notes(out, **settings):
    return run_experiment(digits_lt(**settings), data=None, out=out).result["notes"]


def test_weights_that_would_never_begin_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`reweight_from` must be at most `epochs`, 2: .* Got 3"):
        run_experiment(digits_lt(epochs=2, reweight_from=3), data=None, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
