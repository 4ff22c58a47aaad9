"""A reader: CSV with semicolons, as spreadsheets of much of Europe write it, becomes a form of dataset."""

from pathlib import Path
from tempfile import TemporaryDirectory

from lapel.data.dataset import Dataset
from lapel.data.load import READERS, Progress
from lapel.data.table import read_csv
from lapel.picture import PictureSpec


def read_semicolons(path: Path, spec: PictureSpec, progress: Progress | None) -> Dataset:
    with TemporaryDirectory() as folder:
        table = Path(folder) / f"{path.stem}.csv"
        table.write_text(path.read_text().replace(";", ","))
        return read_csv(table)


READERS[".ssv"] = read_semicolons
