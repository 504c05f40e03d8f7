"""A small version of the simulation: promised gains are covered, and none is promised where there is none."""

import json

import numpy as np
import pytest

from fix_coverage import BIAS, SIZES, WORLDS, World, joined, long_tail, main, row_of

REPETITIONS, REPEATS = 5, 2


def rows_of(world, metric="balanced-accuracy"):
    return [row_of(world, (10, 500), metric, number, repeats=REPEATS) for number in range(REPETITIONS)]


@pytest.mark.parametrize(
    ("world", "metric"),
    [
        ("a tail with a gain", "balanced-accuracy"),
        ("classes of one to three samples", "balanced-accuracy"),
        ("groups of copies", "balanced-accuracy"),
        ("classes of one to three samples", "macro-f1"),
        ("a tail with a gain", "worst-tenth"),
    ],
)
@pytest.mark.slow
def test_promised_gains_are_covered(world, metric):
    rows = rows_of(world, metric)
    promised = [row for row in rows if row["strength"] > 0]
    missed = [row for row in promised if not row["interval"][0] <= row["truth"] <= row["interval"][1]]
    assert len(promised) >= REPETITIONS / 2
    assert len(missed) <= 1  # nominally one in a hundred
    assert all(row["truth"] > 0 for row in rows if row["verdict"] == "use")


@pytest.mark.slow
def test_a_balanced_model_is_kept():
    assert sum(row["verdict"] == "use" for row in rows_of("a balanced model")) == 0


def test_worlds_are_what_they_say():
    rng = np.random.default_rng(0)
    rare = np.bincount(WORLDS["classes of one to three samples"].sample(30, 1000, rng).target, minlength=30)
    assert rare[-10:].min() >= 1
    assert rare[-10:].max() <= 3
    copies = WORLDS["groups of copies"].sample(10, 500, rng)
    assert (np.bincount(copies.groups) == 4).all()
    clean = World().fresh(10, np.random.default_rng(1)).target
    noisy = World(noise=0.3).fresh(10, np.random.default_rng(1)).target
    assert (clean != noisy)[clean < 5].sum() == 0
    assert 0.2 < (clean != noisy)[clean >= 5].mean() < 0.3


def test_the_truth_has_as_many_wrong_labels_as_the_samples():
    """Wrong labels of a rare class come from the more frequent ones of the tail, so they are many."""
    world, rng = WORLDS["label noise in the tail"], np.random.default_rng(0)
    fresh, drawn = world.fresh(10, rng), world.sample(10, 200_000, rng)
    right = []
    for logits, target, weight in ((fresh.logits, fresh.target, fresh.weight), (drawn.logits, drawn.target, None)):
        rarest = target == 9
        decided = (logits[rarest] - BIAS * np.log(long_tail(10))).argmax(1) == 9
        right.append(np.average(decided, weights=None if weight is None else weight[rarest]))
    assert right[0] == pytest.approx(right[1], abs=0.06)


def content(commit, *rows):
    return {
        "computed": [{"commit": commit, "versions": {}}],
        "rows": [
            {"world": "a balanced model", "classes": 10, "metric": metric, "repetition": repetition, "verdict": verdict}
            for metric, repetition, verdict in rows
        ],
    }


def test_files_of_several_processes_are_joined():
    own, other = content("a", ("cost", 0, "keep"), ("accuracy", 1, "use")), content("b", ("accuracy", 0, "keep"))
    both = joined([own, other, content("a", ("cost", 0, "use"))])
    assert [row["commit"] for row in both["computed"]] == ["a", "b"]
    order = [(row["repetition"], row["metric"], row["verdict"]) for row in both["rows"]]
    assert order == [(0, "accuracy", "keep"), (0, "cost", "use"), (1, "accuracy", "use")]


def test_the_command_computes_what_is_missing_and_takes_over_files(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "fix_coverage.row_of",
        lambda world, size, metric, repetition: (
            asked.append(world)
            or {"world": world, "classes": size[0], "metric": metric, "repetition": repetition, "verdict": "keep"}
        ),
    )

    def run(name, *options):
        asked.clear()
        monkeypatch.setattr("sys.argv", ["fix_coverage.py", "--json", str(tmp_path / name), *options])
        main()
        return len(asked), len(json.loads((tmp_path / name).read_text())["rows"])

    each = len(SIZES) * len(WORLDS)
    one = ("--repetitions", "1", "--metrics")
    assert run("one.json", *one, "cost") == (each, each)
    assert run("one.json", *one, "cost") == (0, each)
    assert run("two.json", *one, "accuracy") == (each, each)
    assert run("one.json", "--add", str(tmp_path / "two.json")) == (0, 2 * each)
