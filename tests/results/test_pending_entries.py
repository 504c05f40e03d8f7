"""What `pending.toml` may say."""

import dataclasses
import json
from pathlib import Path

import pytest

from pending.entries import Entry, read_entries
from results.queues import group

PENDING = Path(__file__).parents[2] / "results/pending.toml"


def read(tmp_path, *groups):
    file = tmp_path / "pending.toml"
    file.write_text("\n".join(groups))
    return read_entries(file)


def test_a_group_runs_through_its_values_the_first_name_slowest(tmp_path):
    text = group("ce-{seed}-{imbalance}", each="{ seed = [0, 1], imbalance = [4, 2.5] }", seed="{seed}", loss="ce")
    entries = read(tmp_path, text + '\nimbalance = "{imbalance}"\nloss_arguments = ["a={imbalance}"]')
    assert [entry.name for entry in entries] == ["ce-0-4", "ce-0-2.5", "ce-1-4", "ce-1-2.5"]
    assert dict(entries[1].settings) == {"seed": 0, "loss": "ce", "imbalance": 2.5, "loss_arguments": ("a=2.5",)}
    assert (entries[1].config().imbalance, entries[1].config().model) == (2.5, "resnet8-cifar")


def test_an_entry_survives_the_json_by_which_a_worker_gets_it(tmp_path):
    text = group("gala", loss="gala") + '\nloss_arguments = ["form=paper"]'
    (entry,) = read(tmp_path, text)
    assert Entry(**json.loads(json.dumps(dataclasses.asdict(entry)))).config() == entry.config()


def test_a_lower_priority_number_comes_first(tmp_path):
    late, soon = group("late"), group("soon").replace("recipe", "priority = -1\nrecipe", 1)
    assert [entry.name for entry in read(tmp_path, late, soon)] == ["soon", "late"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[group", "must be TOML"),
        (group("a", recipe="cifar-lt"), "group 1: `recipe` must be one of cifar100-lt, cifar10-lt, .* Got 'cifar-lt'"),
        (group("a", los="ce"), "group 1: the run a can't be computed. .*'los'"),
        (group("a", epochs=0), "can't be computed. `epochs` must be at least 1. Got 0"),
        (group("a", loss="{loss}"), "`each` must have the value 'loss'"),
        (group("a") + "\n" + group("b").replace("why", "because"), "group 2 must have the keys .* Got because"),
        (group("a").replace("why", "gpu"), "group 1 must have the keys name, why, recipe. Missing: why"),
        (group("a", each="{ seed = [0, 1] }"), "must give each run a name of its own. Got 'a' twice"),
        (group("a").replace("recipe", 'stage = "crt"\nafter = "b"\nrecipe', 1), "`after` of a must .* Got 'b'"),
        (group("../a"), "A name must consist of letters, digits, .* Got '../a'"),
        (group("a").replace("recipe", 'priority = "high"\nrecipe', 1), "`priority` must be a int. Got 'high'"),
        (group("a", each="3"), "`each` must be a dict. Got 3"),
        (group("a-{seed}", each="{ seed = 3 }"), "`each` must give a list of values for seed. Got 3"),
        (group("a").replace("recipe", 'stage = "ctr"\nrecipe', 1), "`stage` must be one of crt, .* Got 'ctr'"),
        (group("a").replace("recipe", 'stage = "crt"\nrecipe', 1), "`after` and `stage` must be given together"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_run(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text)


def test_the_paper_s_headline_comes_first():
    entries = read_entries(PENDING)
    assert [entry.name for entry in entries[:3]] == [
        "cifar100-lt-200-gala-0",
        "cifar100-lt-200-ce-0",
        "cifar100-lt-200-balanced-softmax-0",
    ]
    first = entries[0].config()
    assert (first.imbalance, first.epochs, first.model, first.precision) == (200, 200, "resnet32-cifar", "bfloat16")


@pytest.mark.parametrize("text", ["[[groups]]", "group = 5", "", "group = []\nmore = 1"])
def test_a_file_holds_groups_and_nothing_else(tmp_path, text):
    with pytest.raises(ValueError, match=r"must hold \[\[group\]\] tables and nothing else"):
        read(tmp_path, text)
