"""Progress of work that reads the data many times: a bar on a terminal, else one line per step."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from longtail.cli.console import PlainConsole
from longtail.printable import printable


class Passes:
    """Counts passes and shows the current one on standard error; call it with a step and its completed share.

    Args:
        console: the console; by default standard error.
        counted: show the number of the pass, else the completed share.

    Attributes:
        finished: number of finished passes.
    """

    def __init__(self, console: Console | None = None, *, counted: bool = True) -> None:
        self.console = console or PlainConsole(stderr=True)
        self.finished = 0
        self._steps: set[str] = set()
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            *([TextColumn("pass {task.fields[number]}")] if counted else [TextColumn("{task.percentage:.0f} %")]),
            console=self.console,
            transient=True,
            expand=True,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task("", total=1.0, number=1)

    def __call__(self, step: str, share: float) -> None:
        """Show the progress of a step."""
        if step not in self._steps and not self.console.is_terminal:
            self.console.print(step, soft_wrap=True)
        self._steps.add(step)
        if self.console.is_terminal:
            self._bar.update(self._task, completed=share, description=printable(step), number=self.finished + 1)
        if share == 1:
            self.finished += 1

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()
