"""The contract of every loss: a drop-in for `nn.CrossEntropyLoss` whose subclasses write only their mathematics."""

import inspect
from typing import Any, TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from longtail.arguments import check_choice, check_flag, check_keywords, check_num_classes
from longtail.losses.buffer_precision import KeepsPrecision
from longtail.losses.cross_entropy import cross_entropy_from_log_probs, weight_for
from longtail.losses.fused import Received, check_fused, fuses, is_eager, refuse_without_margins
from longtail.losses.fused_loss import fused_loss, margins_to_fuse
from longtail.losses.inputs import (
    check_arguments,
    check_indices,
    check_values,
    checked_head_target,
    checked_target,
    class_dimension,
)
from longtail.losses.linear_loss import linear_loss, no_linear_error
from longtail.losses.margins import Margins
from longtail.losses.reduction import divisor_of_mean
from longtail.signatures import name_arguments, without_other_keywords


class CrossEntropyArguments(TypedDict, total=False):
    """The keyword arguments of every loss; `LongTailedLoss` explains them and holds their defaults."""

    ignore_index: int
    reduction: str
    label_smoothing: float
    validate: bool
    margins_without_grad: bool
    fused: bool | str


MARGINS = {"margins", "margins_for"}
PLAIN_PATH = {"adjust", "combine", "observe", "learn"}


class LongTailedLoss(KeepsPrecision, nn.CrossEntropyLoss):
    """Cross-entropy on adjusted logits in training, plain cross-entropy on raw logits in `eval()` or without gradients.

    Without gradients (`torch.no_grad()`, `torch.inference_mode()`) statistics are not updated either, so that a
    validation loss is right even where only the model was put into `eval()`.

    A subclass overrides `margins` if each class has a constant margin, `margins_for` if margins differ between samples,
    and `adjust` otherwise. If it is not cross-entropy on the adjusted logits, it overrides `combine`, which turns their
    log-probabilities into a loss; if it learns from the batch, `observe`, and with margins also `observe_received`. One
    that needs more overrides `training_loss`. Buffers stay in the precision they were made in (float32 for anything
    accumulated), whatever `.half()` says. Training losses are computed and returned in float32 at least.

    Args:
        num_classes: C, at least 2.
        weight: (C,) class weights, as in `nn.CrossEntropyLoss`; so are the next three.
        ignore_index: targets of this value count for nothing.
        reduction: "mean", "sum" or "none".
        label_smoothing: in [0, 1].
        validate: check values on every call; synchronises the device.
        margins_without_grad: in training mode, adjust the logits without gradients too (statistics are still not
            updated). Re-entrant activation checkpoints need it, as does a line search that evaluates the training loss
            under `no_grad`.
        fused: whether losses that are cross-entropy on adjusted logits use a compiled kernel on the CPU, which never
            writes these logits to memory and also draws the random numbers of EQL and GCL. "auto": from 1,000 classes
            on, for float32 and bfloat16 logits (N, C), if there is a C compiler (the kernel is compiled once for each
            machine, in about a second). `True`: at any size, or raise; on a CUDA device by Triton, for class indices
            outside of compiled graphs. Values agree with those of `False` to float32 rounding, except that EQL and GCL
            draw different random numbers of the same distribution on the CPU.
    """

    observes = False
    fused: bool | str = "auto"
    margins_suffice = False  # whether the loss is cross-entropy with its margins and weights; set for each class

    def __init__(
        self,
        num_classes: int,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        validate: bool = False,
        margins_without_grad: bool = False,
        fused: bool | str = "auto",
        **unknown: Any,
    ) -> None:
        if unknown:
            check_keywords(type(self).__name__, unknown, inspect.signature(type(self)).parameters)
        check_num_classes(num_classes)
        check_choice("reduction", reduction, ["mean", "sum", "none"])
        check_arguments(num_classes, weight, ignore_index, label_smoothing)
        check_flag("validate", validate)
        check_flag("margins_without_grad", margins_without_grad)
        check_fused(fused)
        if not self.margins_suffice:
            refuse_without_margins(fused, self)
        super().__init__(weight, ignore_index=int(ignore_index), reduction=reduction, label_smoothing=label_smoothing)
        self.num_classes = num_classes
        self.validate = validate
        self.margins_without_grad = margins_without_grad
        self.fused = fused

    def __init_subclass__(cls) -> None:
        """Let `inspect.signature` and `help` show the arguments that a subclass passes on as `**arguments`.

        And let errors name those that are misspelt.
        """
        super().__init_subclass__()
        if vars(cls).keys() & (MARGINS | PLAIN_PATH):
            cls.margins_suffice = bool(vars(cls).keys() & MARGINS)
        name_arguments(cls)

    @property
    def has_margins(self) -> bool:
        """Whether a call would adjust the logits now; otherwise it is plain cross-entropy."""
        return self.training and (self.margins_without_grad or torch.is_grad_enabled())

    def margins(self) -> Margins | None:
        """How logits are adjusted now, where that takes no more than numbers of the classes.

        The loss must then be cross-entropy with `class_weights`; it may take the fused path. `None`: it never does.
        """
        return None

    def margins_for(self, logits: Tensor, target: Tensor) -> Margins | None:
        """The margins of a batch: `margins`, unless they differ between samples (`Margins.each`)."""
        return self.margins()

    def class_weights(self) -> Tensor | None:
        """(C,) the weights of the cross-entropy, or `None`."""
        return self.weight

    def adjust(self, logits: Tensor, target: Tensor) -> Tensor:
        """The logits that training sees; the logits themselves, the same object, where the strength is 0.

        Class indices are int64 here and in the next methods.
        """
        margins = self.margins_for(logits, target)
        if margins is None:
            raise NotImplementedError
        return margins.applied(logits, target)

    def observe(self, log_probs: Tensor, target: Tensor) -> None:
        """Learn from log-probabilities of the adjusted logits, without gradients; called where `observes` is true."""

    def observe_received(self, received: Received) -> None:
        """Learn from what the fused path has found, in the place of `observe`."""

    @property
    def combines(self) -> bool:
        """Whether the loss, by its settings of now, is another than cross-entropy on adjusted logits."""
        return False

    def combine(self, log_probs: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced, from log-probabilities of the adjusted logits: cross-entropy, unless a loss says other.

        A loss that overrides it also overrides `combines`.
        """
        return cross_entropy_from_log_probs(
            log_probs, target, self.class_weights(), self.ignore_index, self.reduction, self.label_smoothing
        )

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins, counted from 1. A loss that changes in the course of training overrides it."""

    def summary(self) -> dict[str, Tensor]:
        """Values of each class by name, (C,) on the CPU: learnt statistics, class weights, values made from counts.

        Example:
            >>> from longtail.losses import GALALoss
            >>> GALALoss(num_classes=2).summary()
            {'theta': tensor([0., 0.]), 'phi': tensor([0., 0.])}
        """
        each = (self.num_classes,)
        return {name: value.detach().cpu().clone() for name, value in self.named_buffers() if value.shape == each}

    def notes(self) -> list[str]:
        """What a result must say of this loss, such as that its settings have no effect on these class counts."""
        return []

    def mean_divisor(self, target: Tensor) -> Tensor:
        """What `reduction="mean"` divides the sum of the losses by in training: a scalar, float32.

        The mean over a batch is then Σ mean_i · divisor_i / Σ divisor_i over its parts i, on one rank or on several.
        """
        return divisor_of_mean(target, self.weight, self.ignore_index)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss: a scalar, or one value per sample with `reduction="none"`.

        Args:
            input: the logits, (N, C), (N, C, d1, …) or (C,); named as in `nn.CrossEntropyLoss`.
            target: class indices, integers of any dtype, the shape of the logits without C; or probabilities, their
                whole shape.

        Raises:
            ValueError: a shape does not fit; with `validate`, logits that are not finite or targets that are not
                distributions.
            TypeError: a dtype does not fit.
            IndexError: a class index outside [0, C).
        """
        target = checked_target(input, target, self.num_classes, self.ignore_index)
        if self.validate:
            check_values(input, target, self.ignore_index)
        try:
            return self.training_loss(input, target) if self.has_margins else self._plain_loss(input, target)
        except IndexError:
            check_indices(target, self.num_classes, self.ignore_index)
            raise

    def linear(self, features: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor) -> Tensor:
        """The loss of a linear classifier, as `criterion(F.linear(features, weight, bias), target)` in less memory.

        The logits are formed, and multiplied into the gradients, a chunk of rows at a time. For classifiers of 10,000
        classes and more, of the losses whose margins are numbers of the classes (cross-entropy on logits that are
        shifted, scaled or weighted by class). Values and statistics agree with those of the logits to rounding; the
        loss is float32 at least. Inside `torch.compile`, an exported program, `torch.func` or forward-mode
        differentiation the logits are formed; second derivatives are refused.

        Args:
            features: (N, D) or (…, D), what the classifier is applied to.
            weight: (C, D) of the classifier, as that of `nn.Linear`; not the class weights.
            bias: (C,) of the classifier, or `None`.
            target: class indices, integers of any dtype, the shape of the features without D; not probabilities.

        Raises:
            ValueError: a shape does not fit; the loss is of another kind; with `validate`, logits that are not finite.
            TypeError: a dtype does not fit.
            IndexError: a class index outside [0, C).
            RuntimeError: `backward(create_graph=True)`.

        Example:
            >>> import torch
            >>> from longtail.losses import GALALoss
            >>> criterion, classifier = GALALoss(num_classes=10_000), torch.nn.Linear(16, 10_000)
            >>> features, target = torch.randn(8, 16), torch.arange(8)
            >>> criterion.linear(features, classifier.weight, classifier.bias, target).backward()
            >>> classifier.weight.grad.shape
            torch.Size([10000, 16])
        """
        margins = self._margins_of_linear()
        target = checked_head_target(features, weight, bias, target, self.num_classes)
        shape, target = target.shape, target.reshape(-1)
        features = features.reshape(-1, features.shape[-1])
        if is_eager(features, weight, target) and (bias is None or is_eager(bias)):
            loss = linear_loss(self, features, weight, bias, target, margins)
        else:
            loss = self(F.linear(features, weight, bias), target)
        return loss.view(shape) if self.reduction == "none" else loss

    def _margins_of_linear(self) -> Margins:
        """The margins, if the loss is no more than cross-entropy with them and class weights."""
        names = ("forward", "training_loss", "margins_for")
        base = all(getattr(type(self), name) is getattr(LongTailedLoss, name) for name in names)
        margins = self.margins() if base and self.margins_suffice else None
        if margins is None:
            raise no_linear_error(self)
        return margins

    def training_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced, and `observe`; a loss that is not a function of adjusted logits alone overrides it."""
        learning = self.observes and torch.is_grad_enabled()
        dim = class_dimension(logits)
        if fuses(self.fused, logits, target) and (margins := margins_to_fuse(self, logits, target)) is not None:
            return fused_loss(self, logits, target, margins, learning)
        adjusted = self.adjust(logits, target)
        if adjusted is logits and not self.combines:
            loss = self._plain_loss(logits, target)
            precise = torch.promote_types(logits.dtype, torch.float32)
            log_probs = F.log_softmax(logits.detach(), dim, dtype=precise) if learning else logits
        else:
            log_probs = F.log_softmax(adjusted, dim, dtype=torch.promote_types(adjusted.dtype, torch.float32))
            del adjusted
            loss = self.combine(log_probs, target)
        if learning:
            with torch.no_grad():
                self.observe(log_probs, target)
        return loss

    def _plain_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        weight = None if self.weight is None else weight_for(logits, self.weight)
        return F.cross_entropy(
            logits,
            target,
            weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"num_classes={self.num_classes}"


LongTailedLoss.__init__.__signature__ = without_other_keywords(LongTailedLoss.__init__)  # type: ignore[attr-defined]
