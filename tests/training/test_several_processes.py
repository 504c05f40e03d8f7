"""Two and four processes under torchrun end as one process with the same batches, where there is no batch norm."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from longtail.analysis import GradientRecorder, RecordedGradients
from longtail.models import BACKBONES
from longtail.runs import RunFolder
from longtail.training import TrainingStopped, run_experiment
from training.launch import torchrun
from training.own import write_photographs
from training.several_processes import LOOPS, ROWS, RUNS, FlatBackbone, interrupted, run_all, train_a_perceptron
from training.test_resume import At

pytestmark = pytest.mark.slow

AGREEMENT = 1e-5
"""Relative difference of weights and θ: the order of float32 sums."""


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return write_photographs(tmp_path_factory.mktemp("own") / "photographs")


@pytest.fixture(scope="module", autouse=True)
def flat():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGTAIL_CACHE", "")
        patch.setitem(BACKBONES, "flat", FlatBackbone)
        yield


@pytest.fixture(scope="module")
def one(photographs, tmp_path_factory):
    out = tmp_path_factory.mktemp("one")
    loops = {name: train_a_perceptron(out / f"loop-{name}", name) for name in LOOPS}
    run_all(photographs, out)
    return out, loops


@pytest.fixture(scope="module", params=[2, 4])
def several(request, photographs, tmp_path_factory):
    out = tmp_path_factory.mktemp(f"processes{request.param}")
    stop = At(7, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingStopped, match="Stopped in epoch 2 after step 2 of 5"):
        run_experiment(interrupted(), data=photographs, out=out / "interrupted", callbacks=[GradientRecorder(), stop])
    done = torchrun(request.param, "several_processes.py", photographs, out)
    assert done.returncode == 0, done.stderr
    return out, [torch.load(out / f"rank{rank}.pt", weights_only=True) for rank in range(request.param)]


def relative_difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm().clamp_min(1e-12))


def assert_same_weights(found: dict, expected: dict) -> None:
    for group in ("model", "criterion"):
        for name, tensor in expected[group].items():
            assert relative_difference(found[group][name], tensor) < AGREEMENT, (group, name)


@pytest.mark.parametrize("name", LOOPS)
def test_the_loop_ends_as_with_one_process(name, one, several):
    expected, ranks = one[1][name], [rank["loops"][name] for rank in several[1]]
    for found in ranks:
        assert_same_weights(found, expected)
        for group in ("model", "criterion"):
            assert all(torch.equal(ranks[0][group][key], tensor) for key, tensor in found[group].items())
    assert ranks[0]["losses"] == pytest.approx(expected["losses"], rel=AGREEMENT)
    for whole, *shares in zip(expected["seen"], *(rank["seen"] for rank in ranks), strict=True):
        assert [label for share in shares for label in share] == whole


def test_a_divided_batch_is_one_step_in_one_process(one, tmp_path):
    for name in ("gala", "weighted", "deferred"):
        undivided = train_a_perceptron(tmp_path / f"{name}-whole", name, micro_batch_size=None)
        divided = train_a_perceptron(tmp_path / f"{name}-divided", name, micro_batch_size=4)
        assert_same_weights(divided, undivided)
        assert divided["seen"] == undivided["seen"]


@pytest.mark.parametrize("name", ["gala", "uneven", "weighted"])
def test_gradients_are_recorded_over_all_processes(name, one, several):
    expected, found = (RecordedGradients.load(out / f"loop-{name}") for out in (one[0], several[0]))
    for field in vars(expected):
        ours, theirs = getattr(found, field), getattr(expected, field)
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4, err_msg=field)


@pytest.mark.parametrize("samples", ROWS)
def test_each_sample_is_computed_once_and_rows_come_back_in_order(samples, several):
    ranks = [rank["rows"] for rank in several[1]]
    assert sorted(index for rank in ranks for index in rank[f"computed{samples}"]) == list(range(samples))
    if samples >= len(ranks):
        assert all(rank[f"computed{samples}"] for rank in ranks)
    expected = torch.arange(samples * 2.0).view(samples, 2) + 0.5
    assert torch.equal(ranks[0][f"first{samples}"], expected)
    assert all(len(rank[f"first{samples}"]) == 0 for rank in ranks[1:])
    assert all(torch.equal(rank[f"all{samples}"], expected) for rank in ranks)


@pytest.mark.parametrize("name", RUNS)
def test_a_whole_run_ends_as_with_one_process(name, one, several):
    expected, found = (RunFolder.open(out / name) for out in (one[0], several[0]))
    assert found.header["config"]["processes"] == len(several[1])
    assert_same_weights(found.load_weights(), expected.load_weights())
    sets = sorted(file.name for file in expected.path.glob("predictions-*.npz"))
    assert sorted(file.name for file in found.path.glob("predictions-*.npz")) == sets
    for file in sets:
        kept = file.removeprefix("predictions-").removesuffix(".npz")
        (logits, target), (theirs, labels) = found.load_predictions(kept), expected.load_predictions(kept)
        assert (target == labels).all()
        np.testing.assert_allclose(logits, theirs, rtol=1e-4, atol=1e-4)
    for line, other in zip(found.metrics, expected.metrics, strict=True):
        assert set(line) == set(other)
        for key in set(line) - {"seconds"}:
            assert line[key] == other[key] or line[key] == pytest.approx(other[key], rel=1e-5), key
    assert found.result["test"]["raw"] == pytest.approx(expected.result["test"]["raw"])


def test_features_are_computed_once_and_kept_by_the_first_process(one, several):
    for out in (one[0], several[0]):
        assert len(list((out / "cache/features").iterdir())) == 4  # two views of training, validation, test
    first, second = (RunFolder.open(several[0] / name).load_weights() for name in ("features", "from-the-cache"))
    assert all(torch.equal(second["model"][name], tensor) for name, tensor in first["model"].items())


def test_files_that_any_process_left_out_are_noted(several):
    for rank in several[1]:
        assert [note.partition(" became")[0] for note in rank["left_out"]] == [
            f"test: {number}.jpg" for number in range(len(several[1]))
        ]


def test_a_run_folder_that_a_process_does_not_see_is_refused(several):
    first, *others = (rank["refused"] for rank in several[1])
    assert first == ""
    for rank, message in enumerate(others, 1):
        assert message.startswith("`out` must be on storage that all processes share. Rank 0 finds the run ")
        assert f", rank {rank} does not." in message


def test_a_run_that_one_process_left_within_an_epoch_is_resumed(one, several):
    expected, found = (RunFolder.open(out / "interrupted") for out in (one[0], several[0]))
    assert_same_weights(found.load_weights(), expected.load_weights())
    losses = [[line["loss"] for line in folder.metrics] for folder in (expected, found)]
    assert losses[1] == pytest.approx(losses[0], rel=AGREEMENT)
    ours, theirs = (RecordedGradients.load(folder.path) for folder in (found, expected))
    for field in vars(theirs):
        np.testing.assert_allclose(getattr(ours, field), getattr(theirs, field), rtol=1e-3, atol=1e-4, err_msg=field)
    notes = [note for note in found.result["notes"] if note.startswith(f"resumed with {len(several[1])} processes")]
    assert len(notes) == 1
    assert "begun with 1: the same batches" in notes[0]


@pytest.mark.parametrize("name", ["batch-norm", "balanced-contrastive", "probabilistic-contrastive"])
def test_a_run_with_batch_norm_is_one_folder(name, several):
    # Each process normalises its share of the batch with the share's own statistics, as everywhere in the field: with
    # batch norm two processes are another run than one, and the run folder says how many there were.
    folder = RunFolder.open(several[0] / name)
    assert folder.header["config"]["processes"] == len(several[1])
    assert [line["epoch"] for line in folder.metrics] == [1]
    assert not list(Path(folder.path).glob(".*.part"))


def test_buffers_are_those_of_the_first_process_once_they_are_shared(several):
    assert [rank["buffers"] for rank in several[1]] == [[0.0, 0.0]] * len(several[1])
