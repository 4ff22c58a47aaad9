"""Lapel labels apparel: it trains, judges, exports and serves clothing classifiers.

>>> import lapel
>>> run = lapel.train("cnn")                         # fetches Fashion-MNIST where it is not there yet
>>> lapel.evaluate(run).accuracy                     # on the validation pictures
>>> tagger = lapel.load_tagger(lapel.export(run).path)
>>> tagger.tag("photo.jpg").label
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Where each public name lives; it is imported when first asked for, so that `import lapel` costs nothing.
_HOMES = {
    "Dataset": "data.dataset",
    "LapelError": "errors",
    "Run": "runs",
    "Tagger": "tagger",
    "compare": "compare",
    "evaluate": "evaluate",
    "export": "export",
    "import_model": "bring",
    "list_runs": "runs",
    "load_data": "data",
    "load_recipe": "recipes",
    "load_tagger": "tagger",
    "open_run": "runs",
    "resume": "train",
    "save_data": "data",
    "train": "train",
    "write_report": "report.page",
}

__all__ = [
    "Dataset",
    "LapelError",
    "Run",
    "Tagger",
    "compare",
    "evaluate",
    "export",
    "import_model",
    "list_runs",
    "load_data",
    "load_recipe",
    "load_tagger",
    "open_run",
    "resume",
    "save_data",
    "train",
    "write_report",
]

if TYPE_CHECKING:
    from .bring import import_model
    from .compare import compare
    from .data import load_data, save_data
    from .data.dataset import Dataset
    from .errors import LapelError
    from .evaluate import evaluate
    from .export import export
    from .recipes import load_recipe
    from .report.page import write_report
    from .runs import Run, list_runs, open_run
    from .tagger import Tagger, load_tagger
    from .train import resume, train


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps `lapel.train` the function: importing the file `train.py` would put the module in its place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
