import dataclasses

from longtail.recipes import features
from longtail.reports import comparison_table
from longtail.runs import RunFolder

SCORES = {"top1": 0.4, "balanced_accuracy": 0.4, "many": 0.6, "medium": 0.4, "few": 0.1}


def finished(path, *notes):
    folder = RunFolder.create(path, config={"loss_arguments": []}, seed=0)
    folder.finish({"test": {"raw": SCORES}, "parameters": 10, "training_minutes": 1.0, "notes": list(notes)})
    return folder


def test_notes_of_runs_stand_below_the_table(tmp_path):
    both, one = "few held-out images", "EQL is cross-entropy here"
    runs = {"ce": [finished(tmp_path / "ce", both)], "eql": [finished(tmp_path / f"eql{k}", both, one) for k in (0, 1)]}
    notes = comparison_table(runs, {}).notes
    assert [note for note in notes if both in note] == [both]
    assert [note for note in notes if one in note] == [f"eql: {one}"]


def test_without_a_finished_run_nothing_is_said_of_features():
    recipe = {**dataclasses.asdict(features()), "dataset": "photos"}
    table = comparison_table({"ce": []}, {"ce": ["seed 0: no weights"]}, recipe)
    assert "features as they are" not in " ".join(table.notes)
    assert recipe["model"] in table.notes[0]
