"""A loss for the `Trainer` of Hugging Face transformers: its share of a step, and its state in checkpoints."""

import math
import weakref
from typing import Any

import torch
from torch import Tensor, nn

from longtail.integrations.losses_within import LossesWithin
from longtail.losses.reduction import divisor_of_mean
from longtail.samplers.contract import LongTailedSampler

try:
    from accelerate.data_loader import BatchSamplerShard, DataLoaderDispatcher
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    from transformers.trainer_callback import ExportableState
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"longtail.integrations.transformers needs {error.name}: pip install 'transformers[torch]'", name=error.name
    ) from error

IGNORED = -100  # the label that `Trainer` leaves out where it counts those of a batch


class TransformersLoss(TrainerCallback, ExportableState):  # type: ignore[misc]
    """A loss as `compute_loss_func` and callback of a `transformers.Trainer`.

    The batches of `gradient_accumulation_steps` are one step: the loss is their mean, and one that learns counts them
    once. Its state is in the checkpoints of the `Trainer`, and `resume_from_checkpoint` restores it. It is told which
    epoch begins. Evaluation is plain cross-entropy.

    Args:
        criterion: a loss of this library or `nn.CrossEntropyLoss` for class indices or probabilities, with
            `reduction="mean"` and `ignore_index=-100`. With class weights, a step is the mean of its batches by their
            number of samples.

    Raises:
        TypeError: `criterion` is no module.
        ValueError: it has another `reduction` or `ignore_index`. When the `Trainer` is made: `label_smoothing_factor`,
            which is the loss's own argument; `restore_callback_states_from_checkpoint`, which would put another object
            in the place of this one; a model that is no classifier. When training begins: draws of a sampler of this
            library that are divided among several processes twice, or not at all; a checkpoint without the state of
            this loss.

    Example:
        >>> from transformers import BertConfig, BertForSequenceClassification
        >>> from longtail import GALALoss
        >>> model = BertForSequenceClassification(BertConfig(num_hidden_layers=1, hidden_size=12, num_labels=3))
        >>> loss = TransformersLoss(GALALoss(num_classes=3))
        >>> # Trainer(model, arguments, train_dataset=questions, compute_loss_func=loss, callbacks=[loss]).train()

    Source: the contract of `compute_loss_func` in transformers 5.
    """

    def __init__(self, criterion: nn.Module) -> None:
        if not isinstance(criterion, nn.Module):
            raise TypeError(f"`criterion` must be a loss, an nn.Module. Got {type(criterion).__name__}.")
        for loss in criterion.modules():  # also one within `DeferredReweighting`
            _check_arguments(loss)
        self.criterion = criterion
        self._losses = LossesWithin(criterion)
        self._initial = self._values()
        self._device: torch.device | None = None
        self._trained: weakref.ref[nn.Module] | None = None  # the model that the statistics are of
        self._is_callback = False  # seen by `Trainer` as one of its callbacks
        self._is_called = False
        self._epoch = 0  # counted here: `state.epoch` of data without a length is a share of `max_steps`
        self._replicas = 1  # of the model, by `nn.DataParallel`

    def __call__(self, outputs: Any, labels: Tensor | None, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """The contribution of a batch to the mean loss of its step.

        Args:
            outputs: of the model, with `logits` (…, C).
            labels: (…) class indices, or probabilities (…, C).
            num_items_in_batch: labels in all batches of the step; C times as many for probabilities.

        Raises:
            ValueError: the batch has no labels, or such that do not fit the logits; logits of another number of
                classes; in training, this object is not among the callbacks.
        """
        if labels is None:
            raise ValueError(
                "`labels` must be in each batch. Got none: give the column of the labels the name `label` or `labels`, "
                "and class indices in the place of names, since Trainer leaves out text."
            )
        if torch.is_grad_enabled() and not self._is_callback:
            raise ValueError("`callbacks` of the Trainer must hold the loss, too: callbacks=[loss].")
        self._is_called = True
        logits = _logits_of(outputs)
        if logits.device != self._device:
            self._device = logits.device
            self.criterion.to(self._device)
        if labels.is_floating_point() and labels.shape != logits.shape:
            raise ValueError(
                f"`labels` must be class indices (integers), or probabilities of the shape {tuple(logits.shape)} of "
                f"the logits. Got {labels.dtype} of the shape {tuple(labels.shape)}."
            )
        classes = logits.shape[-1]
        target = labels.reshape(-1, classes) if labels.is_floating_point() else labels.reshape(-1)
        mean: Tensor = self.criterion(logits.reshape(-1, classes), target)
        if num_items_in_batch is None:
            return mean
        number = divisor_of_mean(target, None, IGNORED)
        total = num_items_in_batch / classes if labels.is_floating_point() else num_items_in_batch
        part = number / torch.as_tensor(total, device=number.device).clamp(min=1)  # 0 if all of the step are ignored
        part = part / self._replicas  # Trainer multiplies by them, as if this were the loss of one
        return torch.where(number > 0, mean, 0.0) * part  # a mean over ignored labels alone is NaN

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copies, which go on from the statistics: a reference to a model can't be pickled."""
        return {**vars(self), "_trained": None}

    def state(self) -> dict[str, dict[str, Any]]:
        """The buffers of the loss, as JSON values; `Trainer` keeps them in `trainer_state.json`."""
        return {"args": {}, "attributes": {"criterion": self._values()}}

    def on_init_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Refuse settings that would change the loss silently."""
        if args.label_smoothing_factor:
            raise ValueError(
                "`label_smoothing_factor` must be 0: Trainer does not pass it to a loss function. "
                f"Got {args.label_smoothing_factor}. Use GALALoss(…, label_smoothing={args.label_smoothing_factor})."
            )
        if args.restore_callback_states_from_checkpoint:
            raise ValueError(
                "`restore_callback_states_from_checkpoint` must be False: Trainer would make another callback in the "
                "place of the loss. The state of the loss is restored without it."
            )
        _check_model(given.get("model"))
        self._replicas = max(1, args.n_gpu)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """Restore the loss from the checkpoint that training is resumed from."""
        self._losses.drop_step()
        self.criterion.train()  # it is no part of the model, whose mode Trainer sets
        self._is_callback, self._is_called, self._epoch = True, False, math.floor(state.epoch or 0)
        _check_sampler(given.get("train_dataloader"), args.world_size)
        stored, model = state.stateful_callbacks.get(type(self).__name__), given["model"]
        if isinstance(stored, list):
            raise ValueError(f"`callbacks` of the Trainer must hold one {type(self).__name__}, once. Got several.")
        if state.global_step:
            self._restore(stored)
        elif self._trained is not None and self._trained() is not model:
            self._load(self._initial)
        self._trained = weakref.ref(model)

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """Tell the loss which epoch begins."""
        self._epoch += 1
        self._losses.set_epoch(self._epoch)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """Begin a step of one or several batches."""
        self._losses.begin_step()

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """Let the loss learn from the batches of the step."""
        if not self._is_called:
            raise ValueError("`compute_loss_func` of the Trainer must be the loss that is among its callbacks.")
        self._losses.end_step()

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Forget the batches of a step that training was stopped in."""
        self._losses.drop_step()

    def _values(self) -> dict[str, Any]:
        return {name: value.tolist() for name, value in self.criterion.state_dict().items()}

    def _restore(self, stored: dict[str, Any] | None) -> None:
        rule = f"`resume_from_checkpoint` must name a checkpoint that was saved with this loss, {self.criterion}."
        if stored is None:
            raise ValueError(f"{rule} It has the state of none. Train from the beginning.")
        try:
            self._load(stored["attributes"]["criterion"])
        except RuntimeError as error:  # names and shapes that do not fit
            fault = " ".join(str(error).split()).rstrip(". ")
            raise ValueError(f"{rule} {fault}. Make the loss as it was.") from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"{rule} The state in its trainer_state.json is damaged ({error}). Take another checkpoint."
            ) from error

    def _load(self, values: dict[str, Any]) -> None:
        own = self.criterion.state_dict()
        tensors = {
            name: torch.tensor(value, dtype=own[name].dtype if name in own else None) for name, value in values.items()
        }
        self.criterion.load_state_dict(tensors)


def _check_arguments(loss: nn.Module) -> None:
    for name, needed in (("reduction", "mean"), ("ignore_index", IGNORED)):
        value = getattr(loss, name, needed)
        if value != needed:
            raise ValueError(f"`{name}` of the criterion must be {needed!r}, as Trainer expects. Got {value!r}.")


def _logits_of(outputs: Any) -> Tensor:
    """The logits (…, C) among the outputs of a model; the first of a tuple.

    Raises:
        ValueError: outputs with names, of which none is `logits`.
    """
    if isinstance(outputs, dict) and "logits" not in outputs:
        raise ValueError(f"`model` must return `logits`, as classifiers do. It returns {', '.join(outputs)}.")
    found = outputs["logits"] if isinstance(outputs, dict) else outputs
    logits = found[0] if isinstance(found, tuple) and found and found is outputs else found
    if not isinstance(logits, Tensor):
        raise ValueError(f"`model` must return `logits`, one tensor, as classifiers do. Got {type(logits).__name__}.")
    return logits


def _check_sampler(loader: Any, processes: int) -> None:
    batches = sampler = getattr(loader, "batch_sampler", None)
    while (inner := getattr(sampler, "batch_sampler", getattr(sampler, "sampler", None))) is not None:
        sampler = inner
    if not isinstance(sampler, LongTailedSampler):
        return
    name = type(sampler).__name__
    shared = isinstance(batches, BatchSamplerShard) and batches.num_processes > 1
    if (shared or (processes > 1 and isinstance(loader, DataLoaderDispatcher))) and sampler.num_replicas > 1:
        raise ValueError(
            f"`num_replicas` of {name} must be 1: `accelerator.prepare` divides its draws among the processes. Got "
            f"{sampler.num_replicas}. Make it with rank=0 and num_replicas=1."
        )
    if processes > 1 and sampler.num_replicas == 1 and not (shared or isinstance(loader, DataLoaderDispatcher)):
        raise ValueError(
            f"The draws of {name} must be divided among the {processes} processes. All of them draw the same: let "
            "`get_train_dataloader` return self.accelerator.prepare(loader)."
        )


def _check_model(model: Any) -> None:
    name, problem = type(model).__name__, getattr(getattr(model, "config", None), "problem_type", None)
    if problem in ("regression", "multi_label_classification"):
        name += f" with problem_type={problem!r}"
    elif name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values():
        name += ", whose labels are the next tokens"
    else:
        return
    raise ValueError(
        f"`model` must be a classifier with one class per label, such as BertForSequenceClassification. Got {name}."
    )
