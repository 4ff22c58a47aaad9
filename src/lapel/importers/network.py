"""A network that was trained elsewhere, whatever file it came in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

LARGEST = 512 * 1024 * 1024  # bytes of a whole file; no larger model would be loaded in the end

_BATCH = 256  # pictures at once


@dataclass(frozen=True)
class ImportedNetwork:
    """A network that was trained elsewhere, whole and ready to answer.

    `takes` is the shape of its input, the batch first, None where a length may be anything; it is None
    itself where nothing is said. `number` is numpy's name for the type of that input. `answers` maps a
    batch of inputs to a row of numbers for each; `graph` makes an ONNX graph with one input and one output
    of it, for inputs of the shape given (without the batch).
    """

    source: str
    form: str
    takes: tuple[int | None, ...] | None
    number: str
    answers: Callable[[NDArray[Any]], NDArray[Any]] = field(repr=False)
    graph: Callable[[tuple[int, ...]], onnx.ModelProto] = field(repr=False)

    @property
    def whole_numbers(self) -> bool:
        """Whether it takes pixels as they are, 0 to 255, and nothing else."""
        return np.dtype(self.number).kind in "iu"

    def ask(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the network answers to inputs (n, …): (n, …). Whatever it raises comes through."""
        return in_batches(self.answers, inputs.astype(self.number), self.takes[0] if self.takes else None)


def in_batches(
    answers: Callable[[NDArray[Any]], NDArray[Any]], inputs: NDArray[Any], batch: int | None = None
) -> NDArray[np.float32]:
    """Ask about inputs a batch at a time; where the batch has a fixed size, the last one is filled up."""
    size = batch or min(_BATCH, len(inputs))
    missing = math.ceil(len(inputs) / size) * size - len(inputs) if batch else 0
    filled = np.concatenate([inputs, np.repeat(inputs[-1:], missing, axis=0)]) if missing else inputs
    parts = [answers(filled[start : start + size]) for start in range(0, len(filled), size)]
    return np.concatenate(parts)[: len(inputs)].astype(np.float32)


def words(text: str) -> frozenset[str]:
    """The words of a list that is written as a text."""
    return frozenset(text.split())
