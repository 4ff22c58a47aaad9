"""Lapel labels apparel: it trains, judges, exports and serves clothing classifiers.

>>> import lapel
>>> run = lapel.train("cnn")                         # fetches Fashion-MNIST where it is not there yet
>>> lapel.evaluate(run).accuracy                     # on the validation pictures
>>> tagger = lapel.load_tagger(lapel.export(run).path)
>>> tagger.tag("photo.jpg").label
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__ as __version__

# Where each public name lives; it is imported when first asked for, so that `import lapel` costs nothing.
_HOMES = {
    "Card": "card",
    "Dataset": "data.dataset",
    "Hit": "index.rows",
    "Index": "index.index",
    "LapelError": "errors",
    "PictureSpec": "picture",
    "Run": "runs",
    "Study": "study",
    "Sweep": "sweeping.folder",
    "Tag": "tagger",
    "Tagger": "tagger",
    "Untagged": "tagger",
    "audit": "auditing.audit",
    "begin_study": "study",
    "build_index": "index.index",
    "compare": "comparison",
    "evaluate": "evaluation",
    "evaluate_photos": "photo_evaluation",
    "explain": "explaining.explain",
    "export": "exporting.export",
    "import_model": "importing",
    "judge_study": "study",
    "list_runs": "runs",
    "list_studies": "study",
    "load_data": "data",
    "load_recipe": "recipes.load",
    "load_tagger": "tagger",
    "match": "matching.match",
    "match_together": "matching.match",
    "open_index": "index.index",
    "open_run": "runs",
    "open_study": "study",
    "open_sweep": "sweeping.folder",
    "resume": "trainer",
    "save_data": "data",
    "sweep": "sweeping.sweep",
    "teach": "teaching.teach",
    "train": "trainer",
    "train_study": "study",
    "write_leaderboard": "report.leaderboard",
    "write_report": "report.page",
}

__all__ = [
    "Card",
    "Dataset",
    "Hit",
    "Index",
    "LapelError",
    "PictureSpec",
    "Run",
    "Study",
    "Sweep",
    "Tag",
    "Tagger",
    "Untagged",
    "audit",
    "begin_study",
    "build_index",
    "compare",
    "evaluate",
    "evaluate_photos",
    "explain",
    "export",
    "import_model",
    "judge_study",
    "list_runs",
    "list_studies",
    "load_data",
    "load_recipe",
    "load_tagger",
    "match",
    "match_together",
    "open_index",
    "open_run",
    "open_study",
    "open_sweep",
    "resume",
    "save_data",
    "sweep",
    "teach",
    "train",
    "train_study",
    "write_leaderboard",
    "write_report",
]

if TYPE_CHECKING:
    from .auditing.audit import audit
    from .card import Card
    from .comparison import compare
    from .data import load_data, save_data
    from .data.dataset import Dataset
    from .errors import LapelError
    from .evaluation import evaluate
    from .explaining.explain import explain
    from .exporting.export import export
    from .importing import import_model
    from .index.index import Index, build_index, open_index
    from .index.rows import Hit
    from .matching.match import match, match_together
    from .photo_evaluation import evaluate_photos
    from .picture import PictureSpec
    from .recipes.load import load_recipe
    from .report.leaderboard import write_leaderboard
    from .report.page import write_report
    from .runs import Run, list_runs, open_run
    from .study import Study, begin_study, judge_study, list_studies, open_study, train_study
    from .sweeping.folder import Sweep, open_sweep
    from .sweeping.sweep import sweep
    from .tagger import Tag, Tagger, Untagged, load_tagger
    from .teaching.teach import teach
    from .trainer import resume, train


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
