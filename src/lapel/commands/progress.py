"""How a training shows itself: a bar in a terminal, a line an epoch elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ..engines.protocol import Epoch, Fitting
    from ..recipes.schema import Recipe
    from ..runs import Run


class TrainingProgress:
    """Watches a training. Use it in a `with` block, so that the terminal is left as it was."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.run: Run | None = None  # once the training has begun
        self._quiet = quiet
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def begin(self, run: Run, recipe: Recipe, fitting: Fitting, history: list[Epoch]) -> None:
        """Say what is trained on what, and open the bar."""
        self.run = run
        environment = run.environment
        data = environment["dataset"]
        self._count, self._epochs, self._number = data["train"], recipe.training.epochs, len(history) + 1
        self._learned, self._began = 0, time.perf_counter()
        if self._quiet:
            return
        again = f", going on after epoch {len(history)}" if history else ""
        _say(
            f"{recipe.name}: {environment['parameters']:,} parameters, {data['name']}, "
            f"{data['train']:,} pictures to learn and {data['validation']:,} to validate, "
            f"{_engine(environment['engine'])} on {fitting.device} in {fitting.precision}, "
            f"seed {environment['seed']}{again}"
        )
        if sys.stderr.isatty():
            self._open()

    def batch(self, done: int, count: int, loss: float) -> None:
        """Move the bar."""
        if self._bar and self._task is not None:
            self._bar.update(
                self._task,
                completed=done,
                total=count,
                loss=f"{loss:.4f}",
                speed=self._speed(done),
                left=self._left(done),
            )

    def epoch(self, epoch: Epoch, seconds: float, best: bool) -> None:
        """One line for the epoch, and a new bar."""
        self._learned += self._count
        self._number = epoch.number + 1
        if self._quiet:
            return
        line = (
            f"epoch {epoch.number:>{len(str(self._epochs))}}/{self._epochs}   loss {epoch.loss:.4f}   "
            f"accuracy {epoch.accuracy:6.2%}   "
            f"validation {epoch.validation_accuracy:6.2%}{'*' if best else ' '}  "
            f"{self._count / seconds:>9,.0f} pictures/s   {self._left(0)} left"
        )
        if self._bar and self._task is not None:
            self._bar.console.print(line, highlight=False)
            self._bar.reset(self._task, description=self._title(), visible=self._number <= self._epochs)
        else:
            _say(line)

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn(
                "loss {task.fields[loss]}   {task.fields[speed]} pictures/s   {task.fields[left]} left"
            ),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(self._title(), total=self._count, loss="-", speed="-", left="-")
        self._bar.start()

    def _title(self) -> str:
        return f"epoch {min(self._number, self._epochs)}/{self._epochs}"

    def _speed(self, done: int) -> str:
        return f"{(self._learned + done) / (time.perf_counter() - self._began):,.0f}"

    def _left(self, done: int) -> str:
        learned = self._learned + done
        to_come = (self._epochs - self._number + 1) * self._count - done
        seconds = round(to_come * (time.perf_counter() - self._began) / max(1, learned))
        return f"{seconds // 60}:{seconds % 60:02d}"


def _engine(made: dict[str, str]) -> str:
    return f"{made['name']} ({made['backend']})" if "backend" in made else made["name"]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
