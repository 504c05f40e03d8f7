"""Kept runs become rows: what is averaged, what is not, and how tables say so."""

import copy
import json
from pathlib import Path

import pytest

from pages.run_rows import read_runs, rows_of
from pages.run_tables import Processors, best_on_test_table, provenance_table, scores_table, sweep_table

RUNS = Path(__file__).parent.parent.parent / "results/runs"
MADE = json.loads((RUNS / "cifar100-lt-100-ce-0-first.json").read_text())
SCORES = {"top1": 0.5, "balanced_accuracy": 0.5, "many": 0.7, "medium": 0.5, "few": 0.25}


def made_up(all_=0.5, commit="a" * 40, fingerprints=None, processor="Some CPU", versions=None, **settings):
    """A run whose numbers are made up."""
    run = copy.deepcopy(MADE)
    run["config"] |= {"seed": 0, **settings}
    run |= {
        "name": f"run-{run['config']['seed']}",
        "seed": run["config"]["seed"],
        "commit": commit,
        "fingerprints": fingerprints or {},
    }
    run["versions"] |= {"processor": processor, **(versions or {})}
    run["result"] |= {"test": {"raw": SCORES | {"balanced_accuracy": all_}}, "class_counts": [500, 5]}
    return run


def diverged(**settings):
    run = made_up(**settings)
    del run["result"]
    return run | {"failure": "the loss is nan in epoch 3"}


@pytest.fixture
def rows(tmp_path):
    def read(*runs):
        for number, run in enumerate(runs):
            (tmp_path / f"run-{number}.json").write_text(json.dumps(run))
        return rows_of(read_runs(tmp_path, "cifar100"))

    return read


def lines_of(table):
    return table.splitlines()[2:]


def test_seeds_are_averaged_whatever_the_machine_was(rows):
    (row,) = rows(made_up(0.5), made_up(0.52, seed=1, threads=2, device="cuda", versions={"gpu": "Some GPU"}))
    assert row.seeds == "0, 1"
    assert row.score("raw") == "51.0 ± 1.4"
    processors = Processors([row])
    assert processors.legend() == "A: Some CPU; B: Some GPU"
    assert lines_of(scores_table([row], processors))[0] == (
        "| cross-entropy | 0, 1 | A, B | raw | 51.0 ± 1.4 | 70.0 ± 0.0 | 50.0 ± 0.0 | 25.0 ± 0.0 |"
    )


def test_another_setting_is_another_row(rows):
    found = rows(
        made_up(), made_up(epochs=60), made_up(loss="gala", loss_arguments=["form=paper"]), made_up(imbalance=50.0)
    )
    assert [(row.config["imbalance"], row.name) for row in found] == [
        (100, "cross-entropy"),
        (100, "cross-entropy (epochs 60)"),
        (100, "GALA (form paper)"),
        (50, "cross-entropy"),
    ]


def test_a_setting_that_a_run_was_kept_before_has_its_default(rows):
    old, new = made_up(), made_up(seed=1)
    assert "sampler" not in old["config"]
    new["config"]["sampler"] = "shuffle"
    assert len(rows(old, new)) == 1
    new["config"]["sampler"] = "class-aware"
    assert [row.name for row in rows(old, new)] == ["cross-entropy", "cross-entropy (sampler class-aware)"]


def test_a_whole_number_is_one_setting_however_it_is_written(rows):
    assert len(rows(made_up(imbalance=100.0), made_up(imbalance=100, seed=1))) == 1


def test_commits_are_mixed_only_where_a_fingerprint_links_them(rows):
    runs = [
        made_up(0.5, commit="a" * 40, fingerprints={"a": "same"}),
        made_up(0.6, commit="b" * 40, fingerprints={"a": "same", "b": "other"}, seed=1),
        made_up(0.7, commit="c" * 40, fingerprints={"b": "other"}, seed=2),  # linked through the second
        made_up(0.1, commit="d" * 40, fingerprints={"d": "apart"}, seed=3),
    ]
    together, apart = sorted(rows(*runs), key=lambda row: row.seeds)
    assert (together.seeds, apart.seeds) == ("0, 1, 2", "3")
    assert together.score("raw") == "60.0 ± 10.0"
    assert apart.name == "cross-entropy (commit dddddddddddd)"
    assert together.name == "cross-entropy (commit aaaaaaaaaaaa, bbbbbbbbbbbb, cccccccccccc)"
    assert "| dddddddddddd |" in lines_of(provenance_table([apart]))[0]


def test_runs_without_a_commit_join_each_other_only(rows):
    fingerprints = {"a": "same"}
    found = rows(
        made_up(commit=None, fingerprints=fingerprints),
        made_up(commit=None, seed=1),
        made_up(commit="a" * 40, fingerprints=fingerprints, seed=2),
    )
    assert {row.seeds for row in found} == {"0, 1", "2"}
    assert "cross-entropy (commit not recorded)" in {row.name for row in found}


def test_one_commit_is_not_named_in_its_row(rows):
    (row,) = rows(made_up(), made_up(seed=1))
    assert row.name == "cross-entropy"


def test_a_run_that_diverged_is_a_line_that_says_so(rows):
    found = rows(made_up(), diverged(seed=1), diverged(loss="gala"))
    lines = lines_of(scores_table(found, Processors(found)))
    assert lines[0].startswith("| cross-entropy | 0 | A | raw | 50.0 |")
    assert [line for line in lines if "diverged" in line] == [
        "| cross-entropy | 1 | A | diverged: the loss is nan in epoch 3 |  |  |  |  |",
        "| GALA | 0 | A | diverged: the loss is nan in epoch 3 |  |  |  |  |",
    ]
    assert len(lines_of(best_on_test_table([row for row in found if row.complete], Processors(found)))) == 1


def test_a_method_that_trains_nothing_has_no_best_epoch(rows):
    trained, untrained = made_up(), made_up(loss="gala")
    untrained["result"]["best_on_test"] = {}
    found = rows(trained, untrained)
    lines = lines_of(best_on_test_table(found, Processors(found)))
    assert len(found) == 2
    assert [line.split(" | ")[0] for line in lines] == ["| cross-entropy"]


def test_sweeps_show_scores_on_held_out_images_the_best_first(rows):
    def sweep(share, decay, **settings):
        run = made_up(0.99, weight_decay=decay, validation_per_class=20, **settings)
        run["result"]["validation"] = SCORES | {"balanced_accuracy": share}
        return run

    found = rows(sweep(0.4, 1e-3), sweep(0.42, 1e-3, seed=1), sweep(0.45, 5e-4), made_up(), diverged(validation=0.1))
    assert [row.holds_out for row in found].count(False) == 1
    lines = lines_of(sweep_table([row for row in found if row.holds_out], Processors(found)))
    assert lines[0].startswith("| 100 | cross-entropy (validation_per_class 20) | 0 | A | 45.0 |")
    assert lines[1].startswith(
        "| 100 | cross-entropy (validation_per_class 20, weight_decay 0.001) | 0, 1 | A | 41.0 ± 1.4 |"
    )
    assert (
        lines[2] == "| 100 | cross-entropy (validation 0.1) | 0 | A | diverged: the loss is nan in epoch 3 |  |  |  |"
    )
    assert "99.0" not in "".join(lines)


def test_other_data_and_damaged_files(rows, tmp_path):
    assert rows(made_up(dataset="digits")) == []
    (tmp_path / "broken.json").write_text('{"config": {}}')
    with pytest.raises(ValueError, match=r"broken\.json must be a run that the queue kept"):
        read_runs(tmp_path, "cifar100")


def test_second_stages_are_rows_by_what_they_come_after(rows):
    def stage(first, seed):
        run = made_up(
            second_stage="crt", learns="classifier", first_stage=f"checksum {first} {seed}", seed=seed, epochs=10
        )
        run["result"]["first_stage"] = {"config": {**MADE["config"], "loss": first, "seed": seed}, "folder": "first"}
        return run

    found = rows(stage("ce", 0), stage("ce", 1), stage("gala", 0))
    assert sorted((row.name, row.seeds) for row in found) == [
        ("cRT after GALA", "0"),
        ("cRT after cross-entropy", "0, 1"),
    ]


def test_one_seed_does_not_count_twice(rows):
    with pytest.raises(ValueError, match="run-1 and run-1 do not: delete one"):
        rows(made_up(), made_up(seed=1), made_up(seed=1))
