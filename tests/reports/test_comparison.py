import dataclasses

import pytest

from longtail.recipes import digits_lt, features, finetune, scratch
from longtail.reports import comparison_table
from longtail.runs import RunFolder

SCORES = {"top1": 0.4, "balanced_accuracy": 0.4, "many": 0.6, "medium": 0.4, "few": 0.1}


def finished(path, *notes, seed=0, **test):
    folder = RunFolder.create(path, config={"loss_arguments": ["gamma=2.0"]}, seed=seed)
    scores = {"raw": SCORES, **test}
    folder.finish({"test": scores, "parameters": 10, "training_minutes": 1.0, "notes": list(notes)})
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


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (finetune(), "augmented by light;"),
        (finetune(augment="none"), "augmented by nothing;"),
        (scratch(), "augmented by crop, flip;"),
        (digits_lt(), "augmented by crop;"),
    ],
)
def test_the_augmentation_of_all_runs_is_named(recipe, said):
    assert said in comparison_table({"ce": []}, {"ce": ["seed 0: no weights"]}, dataclasses.asdict(recipe)).notes[0]


def test_the_numbers_of_each_run_are_kept(tmp_path):
    """Paired tests and figures need the seeds, and shares that are not rounded."""
    better = {**SCORES, "balanced_accuracy": 0.41234, "top1": 0.5, "many": None}
    runs = [finished(tmp_path / "0", inductive=better), finished(tmp_path / "1", seed=1, raw=better, inductive=SCORES)]
    frame = comparison_table({"focal": runs, "ce": []}, {"ce": ["seed 0: no weights"]}).frame()
    assert list(frame.columns) == [
        *("method", "settings", "predictions", "seed", "all", "many", "medium", "few", "accuracy"),
        *("parameters", "minutes"),
    ]
    assert frame.groupby("predictions")["all"].apply(list).to_dict() == {
        "raw": [0.4, 0.41234],
        "inductive": [0.41234, 0.4],
    }
    assert frame["seed"].tolist() == [0, 1, 0, 1]
    assert frame["many"].isna().tolist() == [False, True, True, False]
    assert set(frame["settings"]) == {"gamma=2.0"}


def test_without_a_finished_run_the_frame_is_empty():
    frame = comparison_table({"ce": []}, {"ce": ["seed 0: no weights"]}).frame()
    assert frame.empty
    assert "seed" in frame.columns
