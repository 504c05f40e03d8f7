"""Settings of the optimizer, its schedule and its steps, checked before any work starts."""

import re
from dataclasses import dataclass
from difflib import get_close_matches

from longtail.arguments import check_choice, check_fraction, check_integer, check_positive, check_strength
from longtail.data.config import DataConfig
from longtail.training.schedule import SCHEDULES

SECOND_ORDER = ("adahessian",)  # the loop does not compute second derivatives


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig(DataConfig):
    """The optimizer of a run. The defaults are those of the long-tailed literature: SGD with momentum and a cosine.

    Raises:
        ValueError, TypeError: a setting out of its range.
    """

    optimizer: str = "sgd"
    """sgd is PyTorch's with momentum; any other name is one of timm's: adamw, nadamw, lamb, lion, nesterov, …"""
    learning_rate: float = 0.1
    """The highest learning rate."""
    schedule: str = "cosine"
    """How the learning rate falls: cosine (one value per epoch), or one value per step by timm: cosine-per-step,
    poly (linear), tanh, step (a tenth after each third of the epochs), constant."""
    warmup_epochs: int = 2
    """Epochs in which the learning rate rises linearly before it falls."""
    momentum: float = 0.9
    """Momentum of SGD (not Nesterov's) and of the optimizers of timm that have one."""
    weight_decay: float = 5e-4
    """Weight decay: of all parameters, in fine-tuning of all but biases and normalisation."""
    layer_decay: float = 1.0
    """Fine-tuning: factor of the learning rate from each layer to the one before it; 1 trains all at one rate."""
    tune: str = "all"
    """Fine-tuning: which parameters are trained: all, head (the classifier), last:N (the classifier and the last N
    layers), or bias (the classifier and all biases)."""
    ema: float = 0.0
    """Decay of an exponential moving average of the weights, such as 0.999; the averaged weights are evaluated and
    kept. 0 keeps no average."""
    accumulate: int = 1
    """Least number of parts into which each process divides its share of a batch to save memory. Their gradients are
    summed before the step, and a loss that learns counts them as one step: without batch norm the result is that of
    one part."""
    micro_batch_size: int | None = None
    """Most samples that a process takes at once; a larger share of a batch is divided as by `accumulate`. `batch_size`
    stays the number of samples of a step, whatever the number of processes."""
    clip_norm: float | None = None
    """Largest norm of the gradient of all parameters together; None does not clip."""
    sam_radius: float = 0.0
    """Radius ρ of sharpness-aware minimization (SAM), such as 0.05: the gradient of a step is taken at weights that are
    moved this far towards a higher loss. A step takes twice the time; 0 is plain training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_optimizer()
        check_choice("schedule", self.schedule, SCHEDULES)
        check_positive("learning_rate", self.learning_rate)
        check_integer("warmup_epochs", self.warmup_epochs, minimum=0)
        check_fraction("momentum", self.momentum)
        check_strength("weight_decay", self.weight_decay)
        check_fraction("layer_decay", self.layer_decay)
        check_positive("layer_decay", self.layer_decay)
        check_fraction("ema", self.ema)
        check_strength("sam_radius", self.sam_radius)
        check_integer("accumulate", self.accumulate, minimum=1)
        if self.micro_batch_size is not None:
            check_integer("micro_batch_size", self.micro_batch_size, minimum=1)
        if self.ema == 1:
            raise ValueError("`ema` must be below 1: the average would never leave the initial weights. Got 1.")
        if self.clip_norm is not None:
            check_positive("clip_norm", self.clip_norm)
        if not re.fullmatch(r"all|head|bias|last:[1-9]\d{0,8}", self.tune):
            raise ValueError(f"`tune` must be all, head, bias or last:N with N of at least 1. Got {self.tune!r}.")

    def _check_optimizer(self) -> None:
        if self.optimizer in ("sgd", "adamw"):  # importing timm takes seconds
            return
        from timm.optim import list_optimizers

        known = [str(name) for name in list_optimizers() if name not in SECOND_ORDER]
        near = get_close_matches(self.optimizer, known, n=3)
        if self.optimizer not in known:
            guess = f" Did you mean {' or '.join(near)}?" if near else ""
            raise ValueError(
                "`optimizer` must be sgd or one of timm's (timm.optim.list_optimizers()), such as adamw, nadamw, lamb "
                f"or lion. Got {self.optimizer!r}.{guess}"
            )
