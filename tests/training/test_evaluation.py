from contextlib import nullcontext

import numpy as np
import pytest
import torch

from longtail import GALALoss, PredictionRebalancer
from longtail.data import FeatureViews
from longtail.losses import DeferredReweighting
from longtail.posthoc.fixed_point import NoFixedPointError
from longtail.runs import RunFolder
from longtail.training.evaluation import (
    Scorer,
    best_on_test,
    predict_logits,
    prior_slope,
    score,
    score_all,
    scores_during_training,
)

COUNTS = np.array([200, 50, 5])


@pytest.fixture
def folder(tmp_path):
    generator = torch.Generator().manual_seed(0)
    folder = RunFolder.create(tmp_path / "run", config={}, seed=0)
    for name, prior in (("test", [1, 1, 1]), ("augmented", COUNTS), ("validation", [1, 2, 3])):
        target = torch.multinomial(torch.tensor(prior, dtype=torch.float), 300, replacement=True, generator=generator)
        logits = torch.randn(300, 3, generator=generator) + torch.nn.functional.one_hot(target, 3) * 1.5
        folder.save_predictions(name, logits + torch.tensor([2.0, 1.0, 0.0]), target)
    folder.finish({"class_counts": COUNTS, "fit_on": "augmented"})
    return folder


def recall(logits, target):
    return np.array([(logits.argmax(1) == target)[target == label].mean() for label in range(3)])


def test_scores_are_those_of_predictions_made_by_hand(folder):
    logits, target = folder.load_predictions("test")
    scores, notes = score_all(Scorer(COUNTS), folder.load_predictions, "augmented")
    assert notes == []
    np.testing.assert_allclose([scores["raw"][g] for g in ("many", "medium", "few")], recall(logits, target))
    for name, rebalancer in {
        "inductive": PredictionRebalancer().fit(*folder.load_predictions("augmented")),
        "inductive, fixed point": PredictionRebalancer(converge=True).fit(*folder.load_predictions("augmented")),
        "transductive": PredictionRebalancer().fit_transductive(logits),
        "transductive, fixed point": PredictionRebalancer(converge=True).fit_transductive(logits),
    }.items():
        expected = recall(logits + rebalancer.offset_, target)
        np.testing.assert_allclose([scores[name][g] for g in ("many", "medium", "few")], expected)
        assert scores[name]["few"] > scores["raw"]["few"]


def test_other_sets_and_strengths_are_taken_where_asked_for(folder):
    logits, target = folder.load_predictions("test")
    scores = score(folder, rebalance=0.5, fit_on="validation")
    assert list(scores) == ["raw", "inductive, τ = 0.5, fitted on validation"]
    rebalancer = PredictionRebalancer(tau=0.5).fit(*folder.load_predictions("validation"))
    assert scores["inductive, τ = 0.5, fitted on validation"]["few"] == pytest.approx(
        recall(logits + rebalancer.offset_, target)[2]
    )
    assert list(score(folder, rebalance=None)) == ["raw"]
    with pytest.raises(ValueError, match='must be another set than "test"'):
        score(folder, fit_on="test")
    with pytest.raises(FileNotFoundError, match=r"`fit_on` must be a labelled set of the run .*\. Got 'held-out'\.$"):
        score(folder, fit_on="held-out")
    (folder.path / "predictions-validation.npz").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError, match=r"\(augmented\)\. Got 'validation'\. Hold some out .*--validation 0.1"):
        score(folder, fit_on="validation")
    with pytest.raises(ValueError, match="`rebalance` must be finite and at least 0. Got -1"):
        score(folder, rebalance=-1)


def test_a_treatment_without_a_fixed_point_is_a_note(folder, monkeypatch):
    def fail(*_):
        raise NoFixedPointError("The fixed point was not reached.")

    monkeypatch.setattr("longtail.posthoc.rebalancing.fixed_point_offsets", fail)
    scores, notes = score_all(Scorer(COUNTS), folder.load_predictions, "augmented")
    assert list(scores) == ["raw", "inductive", "transductive"]
    assert notes == [
        "no row 'inductive, fixed point': The fixed point was not reached.",
        "no row 'transductive, fixed point': The fixed point was not reached.",
    ]
    with pytest.raises(NoFixedPointError):
        score(folder, converge=True)


@pytest.mark.parametrize("absent", [0, 2])
def test_a_test_set_that_lacks_a_class_is_not_balanced(absent, folder):
    logits, target = folder.load_predictions("test")
    kept = target != absent
    folder.save_predictions("test", torch.from_numpy(logits[kept]), torch.from_numpy(target[kept]))
    scores, notes = score_all(Scorer(COUNTS), folder.load_predictions, "augmented")
    assert list(scores) == ["raw", "inductive", "inductive, fixed point"]
    assert notes == ["no transductive rows: the classes of the test set are not of one size"]
    assert "test_top1_transductive" not in scores_during_training(
        torch.from_numpy(logits[kept]), torch.from_numpy(target[kept]), Scorer(COUNTS)
    )
    with pytest.raises(ValueError, match="`transductive` must be off where the classes of the test set"):
        score(folder, transductive=True)


def test_the_best_epoch_is_chosen_separately_raw_and_rebalanced():
    metrics = [
        {"epoch": 1, "loss": 3.0},
        {"epoch": 2, "test_top1": 0.3, "test_top1_transductive": 0.35},
        {"epoch": 4, "test_top1": 0.4, "test_top1_transductive": 0.33},
    ]
    assert best_on_test(metrics) == {
        "test_top1": {"epoch": 4, "top1": 0.4},
        "test_top1_transductive": {"epoch": 2, "top1": 0.35},
    }
    assert best_on_test(metrics[:1]) == {}


def test_the_learnt_prior_s_slope_is_that_of_log_theta_over_log_counts():
    criterion = GALALoss(4)
    counts = torch.tensor([1000, 100, 10, 0])
    criterion.theta.copy_(counts**0.7)
    assert prior_slope(criterion, counts) == pytest.approx({"theta_slope": 0.7, "theta_correlation": 1.0}, abs=1e-6)
    assert prior_slope(DeferredReweighting(criterion, torch.ones(4)), counts)["theta_slope"] == pytest.approx(
        0.7, abs=1e-6
    )
    assert prior_slope(torch.nn.CrossEntropyLoss(), counts) == {}
    assert prior_slope(criterion, torch.full((4,), 7)) == {}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_said_to_be_so(number):
    split = FeatureViews(torch.tensor([[[0.0], [number], [1.0]]]), torch.tensor([0, 1, 0]))
    with pytest.raises(ValueError, match=r"logits must be finite. Those of 1 of 3 samples are not: .*`learning_rate`"):
        predict_logits(torch.nn.Linear(1, 2), split, nullcontext)


def test_large_sets_have_no_rows_of_the_fixed_point(folder, monkeypatch):
    monkeypatch.setattr("longtail.training.evaluation.MOST_FOR_FIXED_POINT", 899)
    scores, notes = score_all(Scorer(COUNTS), folder.load_predictions, "augmented")
    assert list(scores) == ["raw", "inductive", "transductive"]
    assert [note.split(":")[0] for note in notes] == [
        "no row 'inductive, fixed point'",
        "no row 'transductive, fixed point'",
    ]
    assert all("longtail evaluate --converge" in note for note in notes)
    monkeypatch.setattr("longtail.training.evaluation.MOST_FOR_FIXED_POINT", 900)
    assert len(score_all(Scorer(COUNTS), folder.load_predictions, "augmented")[0]) == 5
