"""Progress of a run: a bar on a terminal, one line per epoch elsewhere."""

import time
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from longtail.printable import printable
from longtail.training.callbacks import Callback, Plan, Step

STEPS_BETWEEN_UPDATES = 10
WAITED = 0.2
"""From this share of the time on, waiting for data is shown."""


class ProgressReport(Callback):
    """Shows loss, learning rate, images per second and time left.

    Args:
        console: where to print; by default standard error.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, markup=False, emoji=False)
        self.loss = float("nan")

    def on_train_start(self, plan: Plan) -> None:
        """Print what is trained, and start the bar."""
        self.plan = plan
        self.first = (plan.first_epoch - 1) * plan.steps + plan.first_step
        self.total = plan.config.epochs * plan.steps
        self.of_a_step = min(plan.config.batch_size, plan.samples)
        self.done = self.first
        self.start = time.monotonic()
        self.waited = 0.0
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[state]}"),
            _TimeLeft(self),
            console=self.console,
            disable=not self.console.is_terminal,
            expand=True,
        )
        self.task = self.bar.add_task(self._epoch(plan.first_epoch), total=self.total, completed=self.first, state="")
        self._say(f"run: {plan.folder}")
        self._say(_described(plan))
        self.ended = plan.first_epoch > plan.config.epochs
        if self.first:
            self._say(f"resumed {self._resumed_at(plan)}")
        self.bar.start()

    def on_step_end(self, step: Step) -> None:
        """Update the bar, but not at each step: reading the loss waits for the GPU."""
        self.done += 1
        self.waited += step.waited
        if self.console.is_terminal and (step.step == 1 or self.done % STEPS_BETWEEN_UPDATES == 0):
            loss = float(step.loss)
            self.loss = loss if self.loss != self.loss else 0.9 * self.loss + 0.1 * loss
            state = f"loss {self.loss:.3f}  lr {step.learning_rate:.4f}  {self._pace()}"
            self.bar.update(self.task, completed=self.done, description=self._epoch(step.epoch), state=state)

    def on_epoch_end(self, metrics: Mapping[str, float | int | str]) -> None:
        """Print a line for the epoch; on a terminal only if it was evaluated."""
        tested = f"  test {100 * float(metrics['test_top1']):.1f} %" if "test_top1" in metrics else ""
        self.ended = int(metrics["epoch"]) == self.plan.config.epochs
        line = f"{self._epoch(int(metrics['epoch']))}  loss {metrics['loss']:.3f}  lr {metrics['learning_rate']:.4f}"
        if not self.console.is_terminal:
            pace = f"  {self._pace()}  {_duration(self.seconds_left())} left"
            self._say(f"{line}{pace if self.done > self.first else ''}{tested}")
        elif tested:
            self._say(f"{line}{tested}")

    def on_train_end(self) -> None:
        """Stop the bar."""
        self.bar.update(self.task, completed=self.done)
        self.bar.stop()
        if self.ended:  # and not only its steps: the evaluation after the last of them may have failed
            self._say("scoring the training and test samples")

    def speed(self) -> float:
        """Samples per second since this process began, evaluations included."""
        elapsed = max(time.monotonic() - self.start, 1e-9)
        return (self.done - self.first) * self.of_a_step / elapsed

    def _pace(self) -> str:
        """Samples per second and, where it is considerable, the share of the time that steps waited for their data."""
        share = self.waited / max(time.monotonic() - self.start, 1e-9)
        waiting = f" ({100 * share:.0f} % waiting for data)" if share >= WAITED else ""
        return f"{self.speed():,.0f} samples/s{waiting}"

    def seconds_left(self) -> float:
        """Seconds until the last step, at the speed so far."""
        return (self.total - self.done) * self.of_a_step / max(self.speed(), 1e-9)

    def _resumed_at(self, plan: Plan) -> str:
        if self.ended:
            return "after the last epoch"
        if self.first == self.total:
            return "after the last step, before its evaluation on the test set"
        return f"in epoch {plan.first_epoch} after step {plan.first_step} of {plan.steps}"

    def _epoch(self, epoch: int) -> str:
        return f"epoch {epoch}/{self.plan.config.epochs}"

    def _say(self, line: str) -> None:
        self.console.print(printable(line), soft_wrap=True)


class _TimeLeft(ProgressColumn):
    """Time left; rich's own column would count steps of an earlier process as done in no time."""

    def __init__(self, report: ProgressReport) -> None:
        super().__init__()
        self.report = report

    def render(self, task: Task) -> Text:
        return Text(f"{_duration(self.report.seconds_left())} left" if self.report.done > self.report.first else "")


def _described(plan: Plan) -> str:
    config = plan.config
    words = [config.loss, *config.loss_arguments]
    if config.mixing != "none":
        words.append(f"mixing={config.mixing}")
    words += [f"{name}={value:g}" for name in ("contrastive", "sam_radius") if (value := getattr(config, name))]
    if config.contrastive:
        words.append(f"contrastive_loss={config.contrastive_loss}")
    return (
        f"{plan.samples:,} training samples, {'features' if plan.of_features else config.model}, {' '.join(words)}, "
        f"{config.device}, {config.precision}, threads {config.threads}, processes {config.processes}"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
