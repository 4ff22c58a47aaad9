"""What an export form is: how it is written from a model, and how what was written is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from ..card import Card
from ..data.dataset import Pictures
from ..errors import MissingExtra
from ..metrics import Probabilities
from .parity import EXACT, Bounds

Ask: TypeAlias = Callable[[Pictures], Probabilities]  # pictures (n, *card.picture.shape) -> (n, classes)


@dataclass(frozen=True)
class Source:
    """What a form is made from: a model in ONNX, and pictures like those that it will see."""

    name: str
    data: bytes
    card: Card
    pictures: Pictures


@dataclass(frozen=True)
class Form:
    """One form of a model.

    `write` makes a file, or where `folder` is True a folder, at a path where nothing is yet; `open` gives
    what answers from it. `ending` is what its name ends in where none is said. `modules` are what it imports,
    and `extra` is what installs them. `bounds` is how nearly it answers as the model in ONNX does; where what
    was written is less exact, `write` gives other ones. `here` is whether it runs on this machine as it does
    where it is used, so that its speed can be measured.
    """

    name: str
    about: str
    ending: str
    write: Callable[[Source, Path], Bounds | None]
    open: Callable[[Path], Ask]
    folder: bool = False
    modules: tuple[str, ...] = ()
    extra: str = ""
    bounds: Bounds = EXACT
    here: bool = True
    hint: str = "This is a fault of Lapel or of a library; updating that library may help."

    @property
    def installed(self) -> bool:
        """Whether what it needs is there."""
        return all(find_spec(module) is not None for module in self.modules)

    def require_extra(self) -> None:
        """Raise MissingExtra where something that it needs is not installed."""
        for module in self.modules:
            if find_spec(module) is None:
                raise MissingExtra(module, self.extra)
