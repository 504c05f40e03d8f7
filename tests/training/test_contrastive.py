"""Contrastive learning in a run: views, the added loss, the network that is kept, and what is refused."""

import copy
import os
import signal
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from longtail.data import Splits, load_splits
from longtail.losses import GALALoss, ProbabilisticContrastiveLoss, memory
from longtail.models import BACKBONES
from longtail.recipes import digits_lt, features
from longtail.runs import RunFolder
from longtail.training import SecondStageConfig, TrainingStopped, run_experiment
from longtail.training.contrastive import ContrastiveNetwork, ContrastiveStage, weights_of
from longtail.training.epochs import Epochs, augmentation
from longtail.training.hardware import make_fabric, resolve
from longtail.training.state import TrainingState
from longtail.training.step import TrainingStep
from longtail.training.views import EpochsOfViews
from reference.balanced_contrastive import balanced_contrastive
from reference.probabilistic_contrastive import probabilistic_contrastive
from training.own import feature_table, features_config, finetune_config, scratch_config, write_photographs
from training.test_resume import At, assert_same_end
from training.tiny import tiny_config


@pytest.fixture(scope="module")
def digits() -> Splits:
    return load_splits(digits_lt(), None, torch.device("cpu"))


def views_of(splits: Splits, **settings: object) -> EpochsOfViews:
    augment = augmentation(("crop",), 1)
    return EpochsOfViews(splits.train, augment, batch_size=16, seed=3, views=3, **settings)


def test_views_are_copies_of_the_samples_of_an_epoch_each_augmented(digits):
    plain = Epochs(digits.train, augmentation(("crop",), 1), batch_size=16, seed=3)
    labels = [target.tolist() for _, target in plain.batches(2)]
    batches = list(views_of(digits).batches(2))
    assert [target.tolist() for _, target in batches] == labels
    images, _ = batches[0]
    assert images.shape == (16, 3, 1, *images.shape[-2:])
    assert not any(torch.equal(images[:, 0], images[:, other]) for other in (1, 2))
    unaugmented = EpochsOfViews(digits.train, None, batch_size=16, seed=3, views=3)
    copies, _ = next(unaugmented.batches(2))
    assert torch.equal(copies[:, 0], copies[:, 1])
    assert torch.equal(copies[:, 0], copies[:, 2])


def test_views_are_the_same_from_any_step_on_and_shared_by_processes(digits):
    whole = list(views_of(digits).batches(1))
    for (images, target), (same, labels) in zip(whole[5:], views_of(digits).batches(1, first_step=5), strict=True):
        assert torch.equal(images, same)
        assert torch.equal(target, labels)
    shares = [list(views_of(digits, rank=rank, processes=3).batches(1)) for rank in range(3)]
    for (_, target), *parts in zip(whole, *shares, strict=True):
        assert torch.cat([labels for _, labels in parts]).tolist() == target.tolist()


@pytest.mark.parametrize(
    "config", [finetune_config(workers=0), finetune_config(augment="none", augmentations=("crop",))]
)
def test_views_of_photographs_differ(config, tmp_path):
    splits = load_splits(config.completed(), write_photographs(tmp_path / "data"), torch.device("cpu"))
    augment = augmentation(config.augmentations, 3)
    images, _ = next(EpochsOfViews(splits.train, augment, batch_size=4, seed=3, views=3).batches(1))
    assert images.shape == (4, 3, 3, 16, 16)
    for sample in images:
        assert len({view.numpy().tobytes() for view in sample}) == 3


class LeavesOut:
    """A split that leaves out the first rows of its batches, as where files could not be decoded."""

    def __init__(self, split, rows):
        self.split, self.rows, self.target = split, rows, split.target

    def __len__(self):
        return len(self.split)

    def batches(self, *arguments, **settings):
        for images, target in self.split.batches(*arguments, **settings):
            yield images[self.rows :], target[self.rows :]


@pytest.mark.parametrize(("rows", "shape"), [(3, (15, 3)), (6, (14, 3)), (1, (47,)), (2, (46,))])
def test_samples_without_all_their_views_are_no_views(digits, rows, shape):
    epochs = EpochsOfViews(LeavesOut(digits.train, rows), None, batch_size=16, seed=3, views=3)
    images, target = next(epochs.batches(1))
    assert images.shape[: len(shape)] == shape
    assert len(target) == shape[0]


class Plain(nn.Module):
    """A backbone without batch norm."""

    num_features = 6

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 6)

    def forward(self, inputs):
        return torch.relu(self.layer(inputs.flatten(1)))


def stage_of(splits: Splits, config):
    from contextlib import nullcontext

    from longtail.training.stages import StageInput, make_stage

    return make_stage(StageInput(config, splits, None, torch.device("cpu"), nullcontext))


def test_the_step_adds_the_weighted_loss_of_the_views(digits, monkeypatch):
    monkeypatch.setitem(BACKBONES, "plain", Plain)
    config = resolve(digits_lt(model="plain", contrastive=0.5, contrastive_temperature=0.2, device="cpu", threads=1))
    torch.manual_seed(0)
    stage = ContrastiveStage(stage_of(digits, config), config)
    images, target = next(views_of(digits).batches(1))
    model, network = stage.model.train(), stage.finished()
    found = model(images)
    features = network.features(images.flatten(0, 1)).view(16, 3, -1)
    torch.testing.assert_close(found.logits, network.classifier(features[:, 0]))
    views = F.normalize(model.of_features(features[:, 1:].flatten(0, 1)), dim=1)
    assert model.of_classes is not None
    centres = F.normalize(model.of_classes(network.classifier.weight), dim=1)
    expected = balanced_contrastive(views, target.repeat_interleave(2).tolist(), centres, 0.2)
    contrast = 0.5 * sum(expected) / len(expected)
    assert model.loss(found, target).item() == pytest.approx(contrast, rel=1e-5)

    fabric, criterion = make_fabric(config), GALALoss(10)
    state = TrainingState(model, criterion, torch.optim.SGD(stage.parameter_groups(), lr=0.0))
    wrapped, optimizer = fabric.setup(model, state.optimizer)
    step = TrainingStep(fabric, config, state, wrapped, optimizer, lambda: None, needs_gradients=True)
    logits, loss, gradient = step(images, target)
    plain = nn.CrossEntropyLoss()(logits, target)  # the first margins of GALA are 0
    assert loss.item() == pytest.approx(plain.item() + contrast, rel=1e-5)
    torch.testing.assert_close(gradient.sum(1), torch.zeros(16), rtol=0.0, atol=1e-6)
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert criterion.theta.sum() > 0


def test_class_weights_do_not_weight_the_views_of_a_part(digits, monkeypatch):
    monkeypatch.setitem(BACKBONES, "plain", Plain)
    config = resolve(digits_lt(model="plain", contrastive=0.5, micro_batch_size=6, device="cpu", threads=1))
    stage = ContrastiveStage(stage_of(digits, config), config)
    images, target = next(views_of(digits).batches(1))
    criterion = nn.CrossEntropyLoss(torch.logspace(0, 3, 10))
    state = TrainingState(stage.model, criterion, torch.optim.SGD(stage.parameter_groups(), lr=0.0))
    fabric = make_fabric(config)
    wrapped, optimizer = fabric.setup(stage.model.train(), state.optimizer)
    step = TrainingStep(fabric, config, state, wrapped, optimizer, lambda: None, needs_gradients=False)
    logits, loss, _ = step(images, target)
    parts = zip(images.tensor_split(3), target.tensor_split(3), strict=True)
    contrast = sum(len(labels) / 16 * stage.model.loss(stage.model(views), labels).item() for views, labels in parts)
    assert loss.item() == pytest.approx(criterion(logits, target).item() + contrast, rel=1e-5)


PROBABILISTIC = {"contrastive": 0.5, "contrastive_loss": "probabilistic", "contrastive_temperature": 0.2}


def probabilistic_step(digits, monkeypatch, **settings):
    """A stage without batch norm, its distributions, and a step of it that changes no weights."""
    monkeypatch.setitem(BACKBONES, "plain", Plain)
    config = resolve(digits_lt(model="plain", device="cpu", threads=1, **PROBABILISTIC, **settings))
    torch.manual_seed(0)
    stage = ContrastiveStage(stage_of(digits, config), config)
    model = stage.model.train()
    projection = model.of_features  # its batch norm would make projections depend on the part
    model.of_features = nn.Sequential(projection[0], projection[2], projection[3])
    fabric = make_fabric(config)
    state = TrainingState(model, GALALoss(10), torch.optim.SGD(stage.parameter_groups(), lr=0.0))
    wrapped, optimizer = fabric.setup(model, state.optimizer)
    return model, TrainingStep(fabric, config, state, wrapped, optimizer, lambda: None, needs_gradients=False)


def test_a_step_contrasts_with_distributions_of_the_steps_before(digits, monkeypatch):
    model, step = probabilistic_step(digits, monkeypatch)
    prior, criterion = digits.class_counts / digits.class_counts.sum(), GALALoss(10)
    views = []
    for number, (images, target) in zip(range(3), views_of(digits).batches(1), strict=False):
        means = torch.zeros(10, 128) if number == 0 else model.distributions.means()
        outputs = model(images)
        logits, loss, _ = step(images, target)
        labels = target.repeat_interleave(2)
        contrast = probabilistic_contrastive(
            outputs.projections.flatten(0, 1).detach(), labels.tolist(), means, prior.tolist(), 0.2
        )
        expected_loss = criterion(logits.requires_grad_(), target).item() + 0.5 * sum(contrast) / len(contrast)
        assert loss.item() == pytest.approx(expected_loss, rel=1e-4)
        views.append((outputs.projections.flatten(0, 1).detach(), labels))
        seen, of = torch.cat([own for own, _ in views]), torch.cat([own for _, own in views])
        expected = torch.stack([seen[of == c].mean(0) if (of == c).any() else torch.zeros(128) for c in range(10)])
        torch.testing.assert_close(model.distributions.means(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("settings", [{"micro_batch_size": 5}, {"accumulate": 4}, {"sam_radius": 0.1}])
def test_parts_and_second_passes_leave_the_same_distributions(settings, digits, monkeypatch):
    found = []
    own: dict[str, Any]
    for own in ({}, settings):
        model, step = probabilistic_step(digits, monkeypatch, **own)
        losses = [
            step(images, target)[1].item()
            for _, (images, target) in zip(range(2), views_of(digits).batches(1), strict=False)
        ]
        found.append((losses, model.distributions.means(), model.distributions.samples))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-6)
    assert found[0][2].sum() == 64


def test_a_second_pass_sees_the_same_distributions(digits, monkeypatch):
    _, step = probabilistic_step(digits, monkeypatch, sam_radius=0.1)
    seen = []
    forward = ProbabilisticContrastiveLoss.forward
    monkeypatch.setattr(
        ProbabilisticContrastiveLoss,
        "forward",
        lambda self, *given: (seen.append(self.means().clone()), forward(self, *given))[1],
    )
    for _, (images, target) in zip(range(2), views_of(digits).batches(1), strict=False):
        step(images, target)
    torch.testing.assert_close(seen[0], seen[1], rtol=0.0, atol=0.0)
    torch.testing.assert_close(seen[2], seen[3], rtol=0.0, atol=0.0)
    assert not torch.equal(seen[1], seen[2])


def test_a_batch_without_views_takes_part_in_the_sums_over_processes(digits, monkeypatch):
    """Else a process whose files could not be decoded would leave the others waiting, or add to other sums."""
    model, step = probabilistic_step(digits, monkeypatch, micro_batch_size=20)
    sent = []
    monkeypatch.setattr(memory, "sum_over_ranks", lambda _, *sums: (sent.append([own.shape for own in sums]), sums)[1])
    images, target = next(views_of(digits).batches(1))
    step(images, target)
    learnt = model.distributions.samples.clone()
    step(images.flatten(0, 1)[1:], target.repeat_interleave(3)[1:])
    assert len(sent) == 4  # of GALA and of the distributions, in each step
    assert sent[2:] == sent[:2]
    assert torch.equal(model.distributions.samples, learnt)


@pytest.mark.slow
def test_distributions_follow_the_last_two_epochs(tmp_path, monkeypatch):
    config = digits_lt(epochs=4, device="cpu", threads=1, **PROBABILISTIC)
    told, set_epoch = [], ProbabilisticContrastiveLoss.set_epoch

    def recorded(self, epoch):
        set_epoch(self, epoch)
        told.append((epoch, int(self.samples.sum()), int(self.former_samples.sum())))

    monkeypatch.setattr(ProbabilisticContrastiveLoss, "set_epoch", recorded)
    run = run_experiment(config, data=None, out=tmp_path / "run")
    steps = sum(run.result["class_counts"]) // config.batch_size
    views = 2 * steps * config.batch_size
    assert told == [(1, 0, 0), (2, 0, views), (3, 0, views), (4, 0, views)]


def test_outside_of_training_the_model_gives_logits(digits):
    config = digits_lt(contrastive=0.35)
    stage = ContrastiveStage(stage_of(digits, config), config)
    images, _ = next(views_of(digits).batches(1))
    network = stage.scored().eval()
    assert torch.equal(stage.model.eval()(images[:, 0]), network(images[:, 0]))


def test_a_batch_without_views_has_gradients_for_all_parameters(digits):
    """Else DDP would wait for those of the projections on one process only."""
    config = digits_lt(contrastive=0.35)
    stage = ContrastiveStage(stage_of(digits, config), config)
    images, target = next(views_of(digits).batches(1))
    logits = stage.model.train()(images[:, 0])
    F.cross_entropy(logits, target).backward()
    assert all(parameter.grad is not None for parameter in stage.model.parameters())
    assert not any(parameter.grad.any() for parameter in stage.model.of_features.parameters())


def test_parameters_are_those_of_the_network_once_and_of_the_projections(digits):
    config = digits_lt(contrastive=0.35)
    stage = ContrastiveStage(stage_of(digits, config), config)
    of_groups = [id(parameter) for group in stage.parameter_groups() for parameter in group["params"]]
    assert sorted(of_groups) == sorted({id(parameter) for parameter in stage.model.parameters()})
    assert isinstance(stage.model, ContrastiveNetwork)
    assert stage.model.of_features[-1].out_features == 128


KINDS = pytest.mark.parametrize("kind", ["balanced", "probabilistic"])


@pytest.mark.parametrize("settings", [{}, {"accumulate": 2}, {"sam_radius": 0.05}, {"ema": 0.9}, {"loss": "ldam"}])
@KINDS
@pytest.mark.slow
def test_only_the_network_is_kept(settings, kind, tmp_path):
    given = {"epochs": 2, "device": "cpu", "threads": 1, **settings}
    contrasted = digits_lt(contrastive=0.35, contrastive_loss=kind, **given)
    run = run_experiment(contrasted, data=None, out=tmp_path / "run")
    plain = run_experiment(digits_lt(**given), data=None, out=tmp_path / "plain")
    kept, others = run.load_weights()["model"], plain.load_weights()["model"]
    assert kept.keys() == others.keys()
    assert any(not torch.equal(kept[name], others[name]) for name in kept)
    assert run.result["parameters"] == plain.result["parameters"]


@KINDS
@pytest.mark.slow
def test_a_stopped_run_resumes_bit_identically(kind, tiny, tmp_path):
    config = tiny_config(epochs=2, contrastive=0.35, contrastive_loss=kind)
    run_experiment(config, data=tiny, out=tmp_path / "whole")
    with pytest.raises(TrainingStopped):
        run_experiment(
            config, data=tiny, out=tmp_path / "cut", callbacks=[At(8, lambda: os.kill(os.getpid(), signal.SIGINT))]
        )
    run_experiment(config, data=tiny, out=tmp_path / "cut", resume=True)
    assert_same_end(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.parametrize(
    "make",
    [
        scratch_config,
        finetune_config,
        lambda **settings: finetune_config(tune="head", workers=1, **settings),
        lambda **settings: finetune_config(micro_batch_size=3, precision="bfloat16", **settings),
    ],
)
@pytest.mark.slow
def test_it_trains_on_photographs(make, tmp_path):
    run = run_experiment(make(contrastive=0.35), data=write_photographs(tmp_path / "data"), out=tmp_path / "run")
    assert RunFolder.open(run.path).result["test"]["raw"]["balanced_accuracy"] > 0


def test_what_has_no_views_is_refused(tmp_path):
    with pytest.raises(ValueError, match='`mixing` must be "none" with `contrastive`'):
        digits_lt(contrastive=0.35, mixing="mixup")
    with pytest.raises(ValueError, match="`contrastive` must be 0 without `augmentations`"):
        digits_lt(contrastive=0.35, augmentations=())
    with pytest.raises(ValueError, match="`contrastive` must be 0 for features, which are not augmented"):
        features_config(contrastive=0.35, augmentations=("flip",), views=2)
    with pytest.raises(ValueError, match="`contrastive` must be 0 for features, which are not augmented"):
        features_config(contrastive=0.35)
    with pytest.raises(ValueError, match="`contrastive` must be 0 in a second stage"):
        SecondStageConfig(contrastive=0.35, learns="classifier", second_stage="crt", first_stage="0" * 64)
    config = scratch_config(contrastive=0.35, model="mlp", batch_size=8)
    with pytest.raises(ValueError, match="`contrastive` must be 0 for features"):
        run_experiment(config, data=feature_table(), out=tmp_path / "run")


def test_a_stage_that_keeps_a_copy_is_refused(digits, monkeypatch):
    config = digits_lt(contrastive=0.35)
    stage = stage_of(digits, config)
    monkeypatch.setattr(stage, "finished", lambda: copy.deepcopy(stage.model))
    with pytest.raises(ValueError, match='`contrastive` must be 0 for the stage "scratch", whose model does not'):
        ContrastiveStage(stage, config)


def test_a_classifier_without_weights_is_refused(digits):
    stage = stage_of(digits, digits_lt())
    stage.model.classifier = nn.Sequential(nn.Linear(64, 10))
    with pytest.raises(ValueError, match=r"no weights \(C, D\).* Got Sequential. Pass --contrastive 0"):
        weights_of(stage.model)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"contrastive": -1.0}, "`contrastive` must be finite and at least 0"),
        (
            {"contrastive": 0.0, "contrastive_loss": "probabilistic"},
            "`contrastive_loss` must be \"balanced\" without `contrastive`.* Got 'probabilistic'. Pass --contrastive 1",
        ),
        ({"contrastive_loss": "proco"}, "`contrastive_loss` must be one of 'balanced', 'probabilistic'"),
        ({"contrastive_temperature": 0.0}, "`contrastive_temperature` must be finite and greater than 0"),
    ],
)
def test_ranges(settings, message):
    with pytest.raises(ValueError, match=message):
        features(**settings)
