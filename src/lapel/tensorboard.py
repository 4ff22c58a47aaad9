"""A run's history as TensorBoard reads it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from .engines.protocol import Epoch
from .errors import MissingExtra


class Board:
    """Writes one event file; begins with the epochs that a resumed run already has."""

    def __init__(self, folder: Path, history: list[Epoch]) -> None:
        try:
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ModuleNotFoundError as error:
            raise MissingExtra("TensorBoard", "tensorboard") from error
        shutil.rmtree(folder, ignore_errors=True)
        self._writer: Any = EventFileWriter(str(folder))
        for epoch in history:
            self.add(epoch)

    def add(self, epoch: Epoch) -> None:
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
        self._writer.add_event(Event(step=epoch.number, summary=summary))
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
