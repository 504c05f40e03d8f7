import math
import shutil

import numpy as np
import pytest
import torch

from longtail.analysis import (
    accuracy_trade_off,
    calibration_by_group,
    class_geometry,
    class_groups,
    classifier_weight_norms,
    confusion_flow,
    trade_off,
    worst_confusions,
)
from longtail.data import long_tailed_digits
from longtail.recipes import digits_lt
from longtail.runs import RunFolder
from longtail.training import run_experiment
from longtail.training.network import trained_network


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_experiment(digits_lt(loss="ce", epochs=3), data=None, out=tmp_path_factory.mktemp("runs") / "ce")


@pytest.mark.slow
def test_geometry_is_that_of_vectors_and_features_one_by_one(run):
    config, network, digits = run.header["config"], trained_network(run), long_tailed_digits(50)
    vectors = network.classifier.get_parameter("weight").detach().double()
    found = class_geometry(run)
    np.testing.assert_allclose(
        found.weight_norm, [math.sqrt(sum(x * x for x in row)) for row in vectors.tolist()], rtol=1e-6
    )
    np.testing.assert_array_equal(classifier_weight_norms(run), found.weight_norm)
    for part, images, target in (
        ("train", digits.train_images, digits.train_target),
        ("test", digits.test_images, digits.test_target),
    ):
        with torch.no_grad():
            pixels = ((images[:, None] * 240).to(torch.uint8).float() / 255 - config["mean"][0]) / config["std"][0]
            features = network.features(pixels).double()
        cosines: dict[int, list[float]] = {}
        norms: dict[int, list[float]] = {}
        for row, label in zip(features, target.tolist(), strict=True):
            length = math.sqrt(float(row @ row))
            cosines.setdefault(label, []).append(float(row @ vectors[label]) / length / found.weight_norm[label])
            norms.setdefault(label, []).append(length)
        np.testing.assert_allclose(
            found.similarity[part], [np.mean(cosines[c]) for c in range(10)], rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(found.feature_norm[part], [np.mean(norms[c]) for c in range(10)], rtol=1e-4)


def test_groups_have_the_bounds_of_the_run(run):
    groups = class_groups(run)
    counts = np.array(run.result["class_counts"])
    assert (groups["many"] == (counts > 50)).all()
    assert (groups["few"] == (counts < 10)).all()
    assert (np.sum(list(groups.values()), axis=0) == 1).all()


def test_the_trade_off_begins_at_the_raw_scores_and_passes_the_rebalanced(run):
    curve = trade_off(run)
    for name in ("many", "medium", "few"):
        assert curve[0.0][name] == pytest.approx(run.result["test"]["raw"][name])
        assert curve[1.0][name] == pytest.approx(run.result["test"]["inductive"][name])


def test_accuracy_and_balanced_accuracy_are_those_of_adjusted_logits(run):
    curve = accuracy_trade_off(run)
    raw = run.result["test"]["raw"]
    assert curve[0.0] == pytest.approx((raw["top1"], raw["balanced_accuracy"]))
    logits, target = run.load_predictions("test")
    predicted = (logits - 2 * np.log(run.result["class_counts"])).argmax(1)
    recalls = [np.mean(predicted[target == label] == label) for label in range(10)]
    assert curve[2.0] == pytest.approx((np.mean(predicted == target), np.mean(recalls)))


def test_calibration_is_that_of_each_group_alone(run):
    logits, target = run.load_predictions("test")
    few = class_groups(run)["few"][target]
    probability = torch.from_numpy(logits).double().softmax(1).numpy()[few]
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(15)]
    for row, label in zip(probability, target[few], strict=True):
        bins[min(int(row.max() * 15), 14)].append((row.max(), row.argmax() == label))
    expected = sum(abs(sum(c - r for c, r in inside)) for inside in bins) / few.sum()
    assert calibration_by_group(run)["few"].top_label == pytest.approx(expected)


def test_flow_counts_wrong_samples_class_by_class():
    rng = np.random.default_rng(0)
    target, predicted = rng.integers(0, 6, 200), rng.integers(0, 6, 200)
    groups = {"a": np.array([1, 1, 0, 0, 0, 0], bool), "b": np.array([0, 0, 1, 1, 1, 1], bool)}
    flow = confusion_flow(target, predicted, groups)
    for row, own in enumerate(groups.values()):
        for column, other in enumerate(groups.values()):
            shares = []
            for label in np.flatnonzero(own):
                taken = [p for t, p in zip(target, predicted, strict=True) if t == label]
                shares.append(sum(p != label and other[p] for p in taken) / len(taken))
            assert flow[row, column] == pytest.approx(np.mean(shares))
    empty = confusion_flow(np.array([0]), np.array([1]), groups)
    assert np.isnan(empty[1]).all()
    assert empty[0].tolist() == [1.0, 0.0]


def test_the_worst_confusions_come_first_with_their_samples():
    target, predicted = np.array([0, 0, 0, 0, 1, 1, 2]), np.array([1, 1, 2, 0, 0, 1, 0])
    worst = worst_confusions(target, predicted)
    assert [(c.true, c.predicted, c.number, c.share) for c in worst] == [
        (2, 0, 1, 1.0),
        (0, 1, 2, 0.5),
        (1, 0, 1, 0.5),
        (0, 2, 1, 0.25),
    ]
    assert worst[1].samples.tolist() == [0, 1]
    assert worst_confusions(target, target) == []
    assert len(worst_confusions(target, predicted, most=2)) == 2


def test_an_unfinished_run_has_no_numbers_yet(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "run")
    for file in (tmp_path / "run").glob("predictions-*.npz"):
        file.unlink()
    (tmp_path / "run/result.json").unlink()
    for function in (
        class_groups,
        classifier_weight_norms,
        class_geometry,
        trade_off,
        accuracy_trade_off,
        calibration_by_group,
    ):
        with pytest.raises(ValueError, match="`folder` must be a complete run"):
            function(RunFolder.open(tmp_path / "run"))
