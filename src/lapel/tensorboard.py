"""A watch that writes a run's history as TensorBoard reads it."""

from __future__ import annotations

import shutil
from typing import Any

from .errors import MissingExtra
from .files import file_errors
from .runs import Run
from .training.watch import Beginning, Epoch, Watch


class TensorBoard(Watch):
    """Writes one event file; begins with the epochs that a resumed run already has."""

    def __init__(self) -> None:
        try:
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ModuleNotFoundError as error:
            raise MissingExtra("TensorBoard", "tensorboard") from error
        self._open: Any = EventFileWriter
        self._writer: Any = None

    def begin(self, beginning: Beginning) -> None:
        """Begin the file anew, with the epochs so far."""
        self._folder = Run(beginning.path).tensorboard_folder
        shutil.rmtree(self._folder, ignore_errors=True)
        with file_errors(self._folder):
            self._writer = self._open(str(self._folder))
        for epoch in beginning.history:
            self.epoch(epoch)

    def epoch(self, epoch: Epoch, seconds: float = 0.0, best: bool = False) -> None:  # noqa: ARG002
        """Put one epoch on the board."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = {
            "loss/train": epoch.loss,
            "loss/validation": epoch.validation_loss,
            "accuracy/train": epoch.accuracy,
            "accuracy/validation": epoch.validation_accuracy,
            "learning_rate": epoch.learning_rate,
        }
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        with file_errors(self._folder):
            self._writer.add_event(Event(step=epoch.number, summary=summary))
            self._writer.flush()

    def end(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            with file_errors(self._folder):
                self._writer.close()
