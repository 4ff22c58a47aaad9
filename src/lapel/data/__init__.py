"""Datasets: by name or from a path, in several forms, read and written."""

from .check import DataCheck, SplitCheck, check_data
from .dataset import Dataset, Skip, Split
from .download import Progress
from .load import load_data
from .registry import CATALOG, Known
from .save import FORMS, save_data

__all__ = [
    "CATALOG",
    "FORMS",
    "DataCheck",
    "Dataset",
    "Known",
    "Progress",
    "Skip",
    "Split",
    "SplitCheck",
    "check_data",
    "load_data",
    "save_data",
]
