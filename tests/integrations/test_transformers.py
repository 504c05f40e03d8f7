"""The loss in the `Trainer` of transformers: accumulated batches, several processes, checkpoints, refusals."""

import json
import pickle
import re
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from accelerate.data_loader import prepare_data_loader
from torch.utils.data import DataLoader, IterableDataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from longtail.integrations import TransformersLoss
from longtail.losses import ClassBalancedLoss, DeferredReweighting, GALALoss
from longtail.samplers import ClassAwareSampler

pytestmark = pytest.mark.slow

CLASSES = 4
COUNTS = torch.tensor([20, 8, 3, 1])
GENERATOR = torch.Generator().manual_seed(0)
TOKENS = torch.randint(1, 30, (32, 6), generator=GENERATOR)
LABELS = torch.arange(CLASSES).repeat_interleave(COUNTS)[torch.randperm(32, generator=GENERATOR)]
QUESTIONS = [{"input_ids": ids, "labels": label} for ids, label in zip(TOKENS, LABELS, strict=True)]
MODEL = torch.nn.Linear(1, 1)


def config(**settings):
    return BertConfig(
        vocab_size=30,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=8,
        num_labels=CLASSES,
        pad_token_id=29,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        **settings,
    )


def trainer(out, loss, *, model=None, model_init=None, data=None, parts=1, **settings):
    torch.manual_seed(0)
    if model_init is None:
        model = model or BertForSequenceClassification(config())
    arguments = TrainingArguments(
        str(out),
        **{
            "per_device_train_batch_size": 8 // parts,
            "gradient_accumulation_steps": parts,
            "num_train_epochs": 2,
            "learning_rate": 0.05,
            "optim": "sgd",
            "max_grad_norm": 0.0,
            "use_cpu": True,
            "report_to": [],
            "disable_tqdm": True,
            "dataloader_pin_memory": False,
            "save_steps": 3,
            **settings,
        },
    )
    data = data or QUESTIONS
    given = {"train_dataset": data, "eval_dataset": data, "compute_loss_func": loss, "callbacks": [loss]}
    return Trainer(model, arguments, model_init=model_init, **given)


@pytest.fixture
def in_order(monkeypatch):
    """Samples in their order; `train_sampling_strategy` is not in transformers 4."""
    monkeypatch.setattr(
        Trainer, "_get_train_sampler", lambda self, *_: torch.utils.data.SequentialSampler(self.train_dataset)
    )


def weights_of(done):
    return torch.cat([parameter.detach().flatten() for parameter in done.model.parameters()])


def trained(out, criterion, **settings):
    loss = TransformersLoss(criterion)
    done = trainer(out, loss, **settings)
    done.train()
    return weights_of(done), loss.criterion


@pytest.mark.parametrize(
    "make", [lambda: GALALoss(CLASSES, accumulate="released"), lambda: torch.nn.CrossEntropyLoss()], ids=["gala", "ce"]
)
def test_accumulated_batches_are_one_step(tmp_path, make):
    whole, criterion = trained(tmp_path / "whole", make())
    parts, divided = trained(tmp_path / "parts", make(), parts=4)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-6)
    for name, value in criterion.state_dict().items():
        torch.testing.assert_close(divided.state_dict()[name], value, rtol=1e-5, atol=1e-5)


def test_training_is_that_of_a_plain_loop(tmp_path, in_order):
    weights, criterion = trained(tmp_path, GALALoss(CLASSES), num_train_epochs=1)
    torch.manual_seed(0)
    model, own = BertForSequenceClassification(config()), GALALoss(CLASSES)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for step in range(4):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 4)  # the default schedule of Trainer
        rows = slice(8 * step, 8 * step + 8)
        own(model(TOKENS[rows]).logits, LABELS[rows]).backward()
        optimizer.step()
        optimizer.zero_grad()
    torch.testing.assert_close(criterion.theta, own.theta)
    expected = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    torch.testing.assert_close(weights, expected, rtol=0, atol=1e-6)


def test_a_resumed_training_is_the_one_that_was_not_interrupted(tmp_path):
    weights, criterion = trained(tmp_path / "out", GALALoss(CLASSES))
    loss = TransformersLoss(GALALoss(CLASSES))
    again = trainer(tmp_path / "again", loss)
    again.train(resume_from_checkpoint=str(tmp_path / "out/checkpoint-3"))
    assert torch.equal(weights_of(again), weights)
    assert torch.equal(loss.criterion.theta, criterion.theta)
    state = json.loads((tmp_path / "out/checkpoint-3/trainer_state.json").read_text())
    kept = torch.tensor(state["stateful_callbacks"]["TransformersLoss"]["attributes"]["criterion"]["theta"])
    assert 0 < kept.sum() < criterion.get_buffer("theta").sum()


def test_a_checkpoint_without_this_loss_is_refused(tmp_path):
    plain = trainer(tmp_path / "plain", TransformersLoss(torch.nn.CrossEntropyLoss()))
    plain.compute_loss_func = None
    plain.pop_callback(TransformersLoss)
    plain.train()
    again = trainer(tmp_path / "again", TransformersLoss(GALALoss(CLASSES)))
    with pytest.raises(ValueError, match=r"`resume_from_checkpoint` must name .* It has the state of none"):
        again.train(resume_from_checkpoint=str(tmp_path / "plain/checkpoint-3"))
    trained(tmp_path / "other", GALALoss(CLASSES, accumulate="released"))
    other = trainer(tmp_path / "again", TransformersLoss(GALALoss(CLASSES)))
    with pytest.raises(
        ValueError, match=r"`resume_from_checkpoint` must name a checkpoint .* GALALoss.*theta_inner\". Make"
    ):
        other.train(resume_from_checkpoint=str(tmp_path / "other/checkpoint-3"))


def test_evaluation_is_plain_cross_entropy(tmp_path):
    loss = TransformersLoss(GALALoss(CLASSES))
    done = trainer(tmp_path, loss)
    done.train()
    theta = loss.criterion.get_buffer("theta").clone()
    predictions = done.predict(QUESTIONS)
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(predictions.predictions), LABELS)
    assert done.evaluate()["eval_loss"] == pytest.approx(expected.item(), abs=1e-5)
    assert torch.equal(loss.criterion.get_buffer("theta"), theta)


def test_labels_of_tokens_and_those_that_are_ignored(tmp_path, in_order):
    labels = torch.randint(CLASSES, (32, 6), generator=GENERATOR).masked_fill(TOKENS > 15, -100)
    labels[:2] = -100  # of the first two batches of one sample nothing counts
    data = [{"input_ids": ids, "labels": own} for ids, own in zip(TOKENS, labels, strict=True)]
    settings = {"data": data, "num_train_epochs": 1}
    found = [
        trained(tmp_path / str(parts), GALALoss(CLASSES), model=tokens_model(), parts=parts, **settings)
        for parts in (1, 8)
    ]
    assert found[0][1].theta.sum() > 0
    torch.testing.assert_close(found[1][0], found[0][0], rtol=0, atol=1e-6)
    torch.testing.assert_close(found[1][1].theta, found[0][1].theta)


def tokens_model():
    torch.manual_seed(1)
    return BertForTokenClassification(config())


def test_probabilities_as_labels_count_samples():
    torch.manual_seed(0)
    logits, labels = torch.randn(6, CLASSES, requires_grad=True), torch.rand(6, CLASSES).softmax(1)
    loss = TransformersLoss(torch.nn.CrossEntropyLoss())
    loss.on_train_begin(TrainingArguments(use_cpu=True), *trainer_state(), model=torch.nn.Linear(2, CLASSES))
    parts = [loss({"logits": logits[rows]}, labels[rows], labels.numel()) for rows in (slice(0, 2), slice(2, 6))]
    torch.testing.assert_close(sum(parts), torch.nn.functional.cross_entropy(logits, labels))


def trainer_state(**values):
    return TrainerState(**values), TrainerControl()


def test_a_loss_that_changes_is_told_the_epoch(tmp_path):
    seen = []

    class Epochs(DeferredReweighting):
        def set_epoch(self, epoch):
            seen.append(epoch)
            super().set_epoch(epoch)

    trained(tmp_path / "out", Epochs(torch.nn.CrossEntropyLoss(), COUNTS, start_epoch=2), num_train_epochs=3)
    assert seen == [1, 2, 3]
    seen.clear()
    loss = TransformersLoss(Epochs(torch.nn.CrossEntropyLoss(), COUNTS, start_epoch=2))
    again = trainer(tmp_path / "again", loss, num_train_epochs=3)
    again.train(resume_from_checkpoint=str(tmp_path / "out/checkpoint-6"))
    assert seen == [2, 3]
    seen.clear()
    trained(tmp_path / "stream", loss.criterion, data=Stream(), max_steps=10)
    assert seen == [1, 2, 3]


class Stream(IterableDataset):
    """Data without a length."""

    def __iter__(self):
        yield from QUESTIONS


def test_the_epoch_is_counted_also_where_its_length_is_unknown(tmp_path):
    seen = []

    class Epochs(DeferredReweighting):
        def set_epoch(self, epoch):
            seen.append(epoch)

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            yield from QUESTIONS

    loss = Epochs(torch.nn.CrossEntropyLoss(), COUNTS, start_epoch=2)
    trained(tmp_path, loss, data=Stream(), max_steps=12)  # 4 in each pass over the stream
    assert seen == [1, 2, 3]


def test_a_criterion_in_evaluation_mode_is_trained_with_nonetheless():
    loss = TransformersLoss(GALALoss(CLASSES).eval())
    loss.on_train_begin(TrainingArguments(use_cpu=True), *trainer_state(), model=MODEL)
    loss({"logits": torch.zeros(2, CLASSES, requires_grad=True)}, torch.tensor([0, 1]))
    assert loss.criterion.get_buffer("theta").sum() > 0


def test_a_step_of_ignored_labels_alone_has_no_loss():
    logits, ignored = torch.randn(3, CLASSES, requires_grad=True), torch.full((3,), -100)
    loss = TransformersLoss(GALALoss(CLASSES))
    loss.on_train_begin(TrainingArguments(use_cpu=True), *trainer_state(), model=MODEL)
    for number in (0, torch.tensor(0)):
        assert loss({"logits": logits}, ignored, number).item() == 0


@pytest.mark.parametrize("average", [True, False])
def test_replicas_of_the_model_leave_the_loss_as_it_is(tmp_path, average):
    logits, labels = torch.randn(8, CLASSES), torch.arange(8) % CLASSES
    loss = TransformersLoss(torch.nn.CrossEntropyLoss())
    done = trainer(tmp_path, loss, average_tokens_across_devices=average)
    done.args._n_gpu = 2
    loss.on_init_end(done.args, *trainer_state())
    loss.on_train_begin(done.args, *trainer_state(), model=MODEL)
    batch = {"labels": labels}
    found = done.compute_loss(
        lambda **_: {"logits": logits}, dict(batch), False, done._get_num_items_in_batch([batch], "cpu")
    )
    torch.testing.assert_close(found.mean(), torch.nn.functional.cross_entropy(logits, labels))


def test_a_loss_that_is_there_twice_is_refused(tmp_path):
    loss = TransformersLoss(GALALoss(CLASSES))
    twice = trainer(tmp_path, loss)
    twice.add_callback(loss)
    with pytest.raises(
        ValueError, match="`callbacks` of the Trainer must hold one TransformersLoss, once. Got several"
    ):
        twice.train()


@pytest.mark.parametrize(
    "damage",
    [
        lambda own: own.clear(),
        lambda own: own["criterion"].update(theta=["1"] * CLASSES),
        lambda own: own["criterion"].update(theta=None),
        lambda own: own.update(criterion=[1]),
    ],
    ids=["nothing", "text", "null", "list"],
)
def test_a_damaged_state_is_refused(damage):
    loss = TransformersLoss(GALALoss(CLASSES))
    stored = loss.state()
    damage(stored["attributes"])
    state = trainer_state(global_step=1, stateful_callbacks={"TransformersLoss": stored})
    with pytest.raises(ValueError, match="`resume_from_checkpoint` must .* trainer_state.json is damaged"):
        loss.on_train_begin(TrainingArguments(use_cpu=True), *state, model=MODEL)


def test_training_that_is_stopped_within_a_step_leaves_no_step_open(tmp_path):
    class Stop(TrainerCallback):
        def on_substep_end(self, args, state, control, **given):
            control.should_training_stop = True

    loss = TransformersLoss(GALALoss(CLASSES))
    stopped = trainer(tmp_path, loss, parts=2)
    stopped.add_callback(Stop())
    stopped.train()
    assert loss.criterion.get_buffer("theta").sum() == 0
    loss.criterion(torch.randn(2, CLASSES, requires_grad=True), torch.tensor([0, 1]))
    assert loss.criterion.get_buffer("theta").sum() > 0


def test_another_model_begins_with_the_initial_statistics(tmp_path):
    loss = TransformersLoss(GALALoss(CLASSES))
    first = trainer(tmp_path / "first", loss)
    first.train()
    once = loss.criterion.get_buffer("theta").clone()
    trainer(tmp_path / "second", loss).train()
    assert torch.equal(loss.criterion.get_buffer("theta"), once)


def test_model_init_begins_with_the_initial_statistics(tmp_path):
    """As each trial of a search does."""
    loss = TransformersLoss(GALALoss(CLASSES))
    again = trainer(tmp_path, loss, model_init=lambda: BertForSequenceClassification(config()))
    again.train()
    once = loss.criterion.get_buffer("theta").clone()
    again.train()
    assert torch.equal(loss.criterion.get_buffer("theta"), once)


def test_a_model_that_is_trained_further_keeps_its_statistics(tmp_path):
    loss = TransformersLoss(GALALoss(CLASSES))
    loss.criterion.get_buffer("theta").fill_(1)  # of an earlier training, as loaded by the caller
    longer = trainer(tmp_path, loss)
    longer.train()
    once = loss.criterion.get_buffer("theta").clone()
    longer.train()
    assert (once > 1).all()
    assert (loss.criterion.get_buffer("theta") > once).all()


def test_a_trained_loss_can_be_pickled(tmp_path):
    loss = TransformersLoss(GALALoss(CLASSES))
    trainer(tmp_path, loss).train()
    copy = pickle.loads(pickle.dumps(loss))
    assert torch.equal(copy.criterion.theta, loss.criterion.get_buffer("theta"))


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        (lambda: GALALoss(CLASSES, reduction="sum"), "`reduction` of the criterion must be 'mean'.* Got 'sum'"),
        (lambda: ClassBalancedLoss(COUNTS, ignore_index=-1), "`ignore_index` of the criterion must be -100.* Got -1"),
        (lambda: DeferredReweighting(torch.nn.CrossEntropyLoss(reduction="sum"), COUNTS), "`reduction` .* Got 'sum'"),
    ],
)
def test_a_criterion_that_trainer_would_misunderstand_is_refused(criterion, message):
    with pytest.raises(ValueError, match=message):
        TransformersLoss(criterion())


def test_a_function_is_refused():
    with pytest.raises(TypeError, match="`criterion` must be a loss, an nn.Module. Got function"):
        TransformersLoss(torch.nn.functional.cross_entropy)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label_smoothing_factor": 0.1}, r"`label_smoothing_factor` must be 0.* label_smoothing=0.1"),
        ({"restore_callback_states_from_checkpoint": True}, "`restore_callback_states_from_checkpoint` must be False"),
        ({"model": BertForSequenceClassification(config(problem_type="regression"))}, "problem_type='regression'"),
        (
            {"model": GPT2LMHeadModel(GPT2Config(vocab_size=30, n_embd=8, n_layer=1, n_head=1))},
            "Got GPT2LMHeadModel, whose labels are the next tokens",
        ),
    ],
    ids=["smoothing", "callbacks", "regression", "language-model"],
)
def test_settings_that_would_change_the_loss_silently_are_refused(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        trainer(tmp_path, TransformersLoss(GALALoss(CLASSES)), **settings)


@pytest.mark.parametrize("dispatch", [False, True])
@pytest.mark.parametrize(
    ("replicas", "prepared", "message"),
    [
        (2, True, r"`num_replicas` of ClassAwareSampler must be 1.* Got 2. Make it with rank=0 and num_replicas=1"),
        (1, False, "draws of ClassAwareSampler must be divided among the 2 processes.* self.accelerator.prepare"),
        (1, True, None),
        (2, False, None),
    ],
)
def test_the_draws_of_a_sampler_are_divided_once(replicas, prepared, message, dispatch):
    sampler = ClassAwareSampler(LABELS, rank=0, num_replicas=replicas)
    loader: DataLoader = DataLoader(QUESTIONS, batch_size=4, sampler=sampler)
    if prepared:
        shared = {"num_processes": 2, "process_index": 0, "dispatch_batches": dispatch, "put_on_device": True}
        loader = prepare_data_loader(loader, torch.device("cpu"), **shared)
    arguments = SimpleNamespace(world_size=2)
    loss = TransformersLoss(GALALoss(CLASSES))
    with pytest.raises(ValueError, match=message) if message else nullcontext():
        loss.on_train_begin(arguments, *trainer_state(), model=loss.criterion, train_dataloader=loader)


def test_both_places_of_the_loss_are_needed(tmp_path):
    loss = TransformersLoss(GALALoss(CLASSES))
    arguments = TrainingArguments(str(tmp_path), use_cpu=True, report_to=[], disable_tqdm=True, num_train_epochs=1)
    model = BertForSequenceClassification(config())
    with pytest.raises(ValueError, match=re.escape("`callbacks` of the Trainer must hold the loss, too")):
        Trainer(model, arguments, train_dataset=QUESTIONS, compute_loss_func=loss).train()
    with pytest.raises(ValueError, match="`compute_loss_func` of the Trainer must be the loss"):
        Trainer(model, arguments, train_dataset=QUESTIONS, callbacks=[TransformersLoss(GALALoss(CLASSES))]).train()


def test_batches_without_labels_are_refused():
    with pytest.raises(ValueError, match="`labels` must be in each batch"):
        TransformersLoss(GALALoss(CLASSES))({"logits": torch.zeros(2, CLASSES)}, None)


def test_names_as_labels_are_refused_with_what_to_give_instead(tmp_path):
    named = [{**question, "labels": f"class {question['labels']}"} for question in QUESTIONS]
    with pytest.raises(ValueError, match="Got none: .* class indices in the place of names, since Trainer leaves out"):
        trainer(tmp_path, TransformersLoss(GALALoss(CLASSES)), data=named).train()


def test_a_model_without_logits_is_refused():
    with torch.no_grad(), pytest.raises(ValueError, match="`model` must return `logits`.* It returns start_logits"):
        TransformersLoss(GALALoss(CLASSES))({"start_logits": torch.zeros(2, 9)}, torch.zeros(2))


@pytest.mark.parametrize("logits", [None, (torch.zeros(2, CLASSES),) * 2], ids=["none", "several"])
def test_logits_that_are_no_tensor_are_refused(logits):
    with torch.no_grad(), pytest.raises(ValueError, match="`model` must return `logits`, one tensor.* Got (None|tup)"):
        TransformersLoss(GALALoss(CLASSES))({"logits": logits}, torch.zeros(2))


def test_a_model_may_return_the_logits_alone_or_first():
    logits, labels, loss = torch.randn(4, CLASSES), torch.arange(4) % CLASSES, TransformersLoss(GALALoss(CLASSES))
    with torch.no_grad():
        values = [loss(outputs, labels) for outputs in (logits, (logits, "hidden"), {"logits": logits})]
    assert values[0] == values[1] == values[2]


def test_labels_that_are_neither_indices_nor_probabilities_are_refused():
    with torch.no_grad(), pytest.raises(ValueError, match=r"`labels` must be class indices .* Got torch.float32 of"):
        TransformersLoss(GALALoss(CLASSES))({"logits": torch.zeros(2, CLASSES)}, torch.zeros(2))
