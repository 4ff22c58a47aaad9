"""A model in ONNX, asked a batch at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..data.dataset import Pictures
from ..metrics import Probabilities
from ..model_file import open_session
from ..runtime import cores
from .form import Ask

BATCH = 64


def in_batches(ask: Ask, pictures: Pictures, size: int = BATCH) -> Probabilities:
    """Ask about pictures so many at a time."""
    starts = range(0, len(pictures), size)
    return np.concatenate([ask(pictures[at : at + size]) for at in starts])


def ask_onnx(data: bytes) -> Ask:
    """What a model's bytes answer: one pass, without the second look that a tagger takes."""
    session = open_session(data, cores())

    def ask(pictures: Pictures) -> Probabilities:
        answers: Probabilities
        (answers,) = session.run(["probabilities"], {"pictures": np.ascontiguousarray(pictures)})
        return answers

    return ask


def open_onnx(path: Path) -> Ask:
    """What a model file answers."""
    return ask_onnx(path.read_bytes())
