"""Everything Lapel refuses, and how it says so.

LapelError            something expected went wrong: one clear line and a hint
├── DataError         a dataset is missing, broken or not what it says
├── PictureError      one picture cannot be read (the others can)
├── RecipeError       a recipe or one of its settings is not valid
├── RunError          a run folder cannot be used as asked
├── ModelError        a model file cannot be used as asked
└── MissingExtra      a part of Lapel that is not installed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LapelError(Exception):
    """Something expected went wrong.

    `message` says what was expected and what came, `hint` what to do about it. The command line prints
    both and exits with 1; a program can catch this one class.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class DataError(LapelError):
    """A dataset is missing, broken or not what it says."""


class PictureError(LapelError):
    """One picture cannot be read; the others can."""


class RecipeError(LapelError):
    """A recipe, or one of its settings, is not valid."""


class RunError(LapelError):
    """A run folder cannot be used as asked."""


class ModelError(LapelError):
    """A model file cannot be used as asked."""


class MissingExtra(LapelError):
    """A part of Lapel that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed.", f"Install it with: pip install 'lapel[{extra}]'")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Say which known word comes nearest, or list them all.

    >>> did_you_mean("epoch", ["epochs", "batch"])
    'Did you mean "epochs"?'
    """
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f'Did you mean "{near[0]}"?' if near else f"Known: {', '.join(names)}."


def first_line(error: BaseException) -> str:
    """What an error says first, cut to a line of a message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    # TensorFlow begins with the whole way to the error, and ends with the error.
    return lines[-1 if lines[0].startswith("in user code") else 0][:300]
