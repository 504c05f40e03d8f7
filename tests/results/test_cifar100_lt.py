"""The page of CIFAR100-LT shows what is kept, and nothing that is not there yet."""

import json
import shutil
from pathlib import Path

import pytest

from results.test_run_rows import SCORES, diverged, made_up
from write_pages import text_of

RESULTS = Path(__file__).parent.parent.parent / "results"


@pytest.fixture
def page(tmp_path):
    results = tmp_path / "results"
    shutil.copytree(RESULTS, results, ignore=shutil.ignore_patterns("*.svg", "__pycache__", "pending*", "data"))
    for kept in (results / "runs").glob("*.json"):
        if not kept.stem.endswith("-first"):  # what the queue keeps changes
            kept.unlink()

    def write(**runs):
        for name, run in runs.items():
            (results / "runs" / f"{name}.json").write_text(json.dumps(run))
        return text_of("cifar100-lt", results)

    return write


def gala(imbalance, seed, **settings):
    arguments = ["accumulate=released", "form=released", "lambda_positive=1.2"]
    run = made_up(loss="gala", loss_arguments=arguments, imbalance=imbalance, seed=seed, **settings)
    run["result"]["test"] |= {name: SCORES | {"balanced_accuracy": 0.55} for name in ("transductive", "inductive")}
    run["result"] |= {"theta_slope": 0.9, "theta_correlation": 0.99}
    return run


def test_sections_appear_with_their_runs_the_largest_imbalance_first(page):
    before = page()
    assert [line for line in before.splitlines() if line.startswith("## Imbalance")] == ["## Imbalance 100"]
    assert "held-out images (*all*)" not in before
    text = page(a=gala(50.0, 0), b=gala(200.0, 0), c=gala(200.0, 1, all_=0.6))
    headings = [line for line in text.splitlines() if line.startswith("## Imbalance")]
    assert headings == ["## Imbalance 200", "## Imbalance 100", "## Imbalance 50"]
    section = text.split("## Imbalance 100")[0]
    assert "| 0, 1 | A | raw | 55.0 ± 7.1 |" in section
    assert "GALA has 55.0 raw and 55.0 re-balanced transductively. The paper reports 48.0 and 48.5" in " ".join(
        section.split()
    )
    assert "One seed" not in section
    assert "Processors: A: Some CPU; B: not recorded." in " ".join(text.split())


def test_more_seeds_of_known_code_stand_beside_those_of_unknown_code(page):
    text = page(a=gala(100.0, 1, all_=0.52), b=gala(100.0, 2, all_=0.54))
    assert "commit not recorded) | 0 |" in text
    assert "commit aaaaaaaaaaaa) | 1, 2 |" in text
    assert "GALA has 53.0 raw" in text  # the row with most seeds


def test_runs_with_held_out_images_are_apart(page):
    run = made_up(0.99, validation_per_class=20)
    run["result"]["validation"] = SCORES | {"balanced_accuracy": 0.41}
    text = page(a=run)
    section = text.split("## Settings compared on held-out images")[1].split("\n## ")[0]
    assert "| 41.0 | 70.0 | 50.0 | 25.0 |" in section
    assert "99.0" not in text


def test_an_imbalance_whose_runs_all_diverged(page):
    text = page(a=diverged(loss="gala", imbalance=10.0))
    section = text.split("## Imbalance 10\n")[1].split("\n## ")[0]
    assert "diverged: the loss is nan in epoch 3" in section
    assert "GALA has" not in section
