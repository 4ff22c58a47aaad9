"""How a training shows itself: a bar in a terminal, a line an epoch elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..training.watch import Beginning, Epoch, Watch
from .bar import open_bar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class TrainingProgress(Watch):
    """Watches a training, and leaves the terminal as it was."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.path: Path | None = None  # of the run, once the training has begun
        self._quiet = quiet
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._prepares = False

    def prepare(self, what: str, done: int, count: int) -> None:
        """Move a bar for what is made before an epoch; elsewhere than in a terminal, one line."""
        if self._quiet:
            return
        if not self._prepares:
            self._prepares = True
            if not sys.stderr.isatty():
                _say(f"{what} of {count:,} pictures …")
            elif self._bar is None:
                from rich.progress import TaskProgressColumn

                text = "{task.completed:,} of {task.total:,} pictures"
                self._bar, self._task = open_bar(
                    what, TaskProgressColumn(), text, total=count, fields={}, titled=True
                )
        if self._bar and self._task is not None:
            self._bar.update(self._task, description=what, completed=done, total=count)
        if done == count:
            self._prepares = False
            self._after_preparing()

    def begin(self, beginning: Beginning) -> None:
        """Say what is trained on what, and open the bar."""
        self.path = beginning.path
        environment, recipe, done = beginning.environment, beginning.recipe, len(beginning.history)
        data = environment["dataset"]
        self._count, self._epochs, self._number = data["train"], recipe.training.epochs, done + 1
        self._learned, self._began = 0, time.perf_counter()
        if self._quiet:
            return
        again = f", going on after epoch {done}" if done else ""
        _say(
            f"{recipe.name}: {environment['parameters']:,} parameters, {data['name']}, "
            f"{data['train']:,} pictures to learn and {data['validation']:,} to validate, "
            f"{_engine(environment['engine'])} on {environment['device']} in {environment['precision']}, "
            f"seed {environment['seed']}{again}"
        )
        if (start := environment.get("start")) and not done:
            _say(_started(start))
        if sys.stderr.isatty():
            from rich.progress import TaskProgressColumn

            text = "loss {task.fields[loss]}   {task.fields[speed]} pictures/s   {task.fields[left]} left"
            fields = {"loss": "-", "speed": "-", "left": "-"}
            self._bar, self._task = open_bar(
                self._title(), TaskProgressColumn(), text, total=self._count, fields=fields, titled=True
            )

    def batch(self, done: int, count: int, loss: float) -> None:
        """Move the bar."""
        self._count = count
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

    def end(self) -> None:
        """Leave the terminal as it was."""
        if self._bar:
            self._bar.stop()

    def _after_preparing(self) -> None:
        """Close a bar that was opened before the training began, or give it back to the epoch."""
        if self._bar is None or self._task is None:
            return
        if self.path is None:
            self._bar.stop()
            self._bar = self._task = None
        else:
            self._bar.reset(self._task, description=self._title())

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


def _started(start: dict[str, Any]) -> str:
    drawn = len(start["drawn"])
    rest = f"; the other {drawn} are drawn: {', '.join(start['drawn'][:3])}" if drawn else ""
    return f"Started from {start['from']}: {start['weights']} weights{rest}{' …' if drawn > 3 else ''}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
