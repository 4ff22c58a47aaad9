"""Several runs that belong together: a recipe trained on each of the folds of a dataset."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from .choice import caution_of_folds, kept_by_folds
from .data import Progress, load_data
from .data.dataset import Dataset
from .errors import RunError
from .evaluation import Report, evaluate, judge
from .files import file_errors, make_folder, write_atomic
from .picture import PictureSpec
from .recipes.load import load_recipe, to_toml
from .recipes.schema import Recipe
from .runs import Run, dataset_of, free_names, open_run, runs_folder
from .trainer import resume, train
from .training.watch import Watch

_STUDY, _RECIPE = "study.json", "recipe.toml"


class Study:
    """A folder with a run for each fold. Make one with `begin_study`, find one with `open_study`."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.name = self.path.resolve().name

    def __repr__(self) -> str:
        return f"Study({str(self.path)!r}, {len(self.runs)} of {self.folds} folds)"

    @property
    def facts(self) -> dict[str, Any]:
        """What `begin_study` was asked for."""
        path = self.path / _STUDY
        try:
            with file_errors(path):
                return dict(json.loads(path.read_text()))
        except ValueError as error:
            raise RunError(
                f"{path}: not valid JSON.", "The folder was changed by hand; restore it."
            ) from error

    @property
    def folds(self) -> int:
        """How many folds there are."""
        return int(self.facts["folds"])

    @property
    def recipe(self) -> Recipe:
        """The recipe of all the runs."""
        return load_recipe(self.path / _RECIPE)

    @property
    def runs(self) -> list[Run]:
        """The runs that have begun, the first fold first."""
        return [Run(path) for path in map(self._fold, range(1, self.folds + 1)) if path.is_dir()]

    @property
    def done(self) -> bool:
        """Whether every fold is trained to its end."""
        runs = self.runs
        return len(runs) == self.folds and all(run.done for run in runs)

    def dataset(self, progress: Progress | None = None) -> Dataset:
        """The pictures of all folds. Raises RunError where they are others now, or only Python has them."""
        if self.runs:
            return dataset_of(self.runs[0], progress)
        data = self.facts["dataset"]
        if data["origin"] is None:
            raise RunError(
                f"{self.path}: its Dataset object is not kept.", "Go on from Python: go_on(study, dataset)."
            )
        picture = PictureSpec.from_dict(data["picture"]) if data["picture"] else None
        return load_data(data["origin"], picture=picture, group=data["group"], progress=progress)

    def _fold(self, number: int) -> Path:
        return self.path / f"fold-{number}"


@dataclass(frozen=True)
class StudyReport:
    """What the runs of a study came to, each on the pictures that it held out, and all together.

    `spread` is the standard deviation over folds.
    """

    study: str
    folds: tuple[Report, ...]
    mean: float
    spread: float
    pooled: Report  # every picture once, answered by the run that has not learned from it

    def to_json(self) -> str:
        """The report as JSON text."""
        return json.dumps(asdict(self), indent=2, allow_nan=False)


def begin_study(
    recipe: Recipe,
    dataset: Dataset,
    folds: int,
    *,
    seed: int = 0,
    path: Path | None = None,
    **how: Any,
) -> Study:
    """Make the folder of a study, at `path` or as the next free `runs/<recipe>-<number>`. Nothing is trained.

    `how` are further arguments of `train`. Raises DataError, with the name of the class, where the pictures
    cannot be divided so, and RunError where `path` is taken.
    """
    dataset.held(0.5, seed, (1, folds))
    folder = _new_folder(recipe, path)
    data = {
        "origin": dataset.origin,
        "picture": dataset.picture.to_dict() if dataset.picture else None,
        "group": dataset.group,
    }
    write_atomic(folder / _RECIPE, to_toml(recipe))
    facts = {"folds": folds, "seed": seed, "how": how, "dataset": data}
    write_atomic(folder / _STUDY, json.dumps(facts, indent=2) + "\n")
    return Study(folder)


def go_on(study: Study, dataset: Dataset, *, watches: Sequence[Watch] = ()) -> None:
    """Train every fold that is not trained to its end yet. Raises what `train` and `resume` raise."""
    facts = study.facts
    for number in range(1, study.folds + 1):
        path = study.path / f"fold-{number}"
        if not path.is_dir():
            train(
                study.recipe,
                dataset,
                seed=facts["seed"],
                fold=(number, study.folds),
                path=path,
                watches=watches,
                **facts["how"],
            )
        elif not Run(path).done:
            resume(Run(path), dataset, watches=watches)


def judge_study(
    study: Study, dataset: Dataset | None = None, progress: Progress | None = None
) -> StudyReport:
    """Judge each run of a study on the pictures that it held out. Raises RunError where a fold is missing."""
    if not study.done:
        raise RunError(
            f"{study.path}: {sum(bool(run.done) for run in study.runs)} of {study.folds} folds are trained.",
            f"Go on with: lapel train --resume {study.path}",
        )
    dataset = dataset or study.dataset(progress)
    reports = [evaluate(run, dataset=dataset) for run in study.runs]
    answers = [answer for run in study.runs if (answer := run.predictions("validation")) is not None]
    pooled = judge(
        np.concatenate([probabilities for probabilities, _ in answers]),
        np.concatenate([labels for _, labels in answers]),
        dataset.class_names,
        split="validation",
        dataset=dataset.name,
        run=study.name,
        fingerprint=dataset.fingerprint,
        test_looks=None,
    )
    epoch = kept_by_folds([(report.epoch, report.pictures) for report in reports])
    pooled = replace(pooled, epoch=epoch, caution=caution_of_folds(epoch))
    shares = [report.accuracy for report in reports]
    return StudyReport(study.name, tuple(reports), mean(shares), stdev(shares), pooled)


def is_study(name_or_path: str | Path) -> bool:
    """Whether a study has this name (in the runs folder) or lies at this path."""
    return any(path.joinpath(_STUDY).is_file() for path in _places(name_or_path))


def open_study(name_or_path: str | Path) -> Study:
    """The study of this name or at this path. Raises RunError where there is none."""
    for path in _places(name_or_path):
        if path.joinpath(_STUDY).is_file():
            return Study(path)
    open_run(name_or_path)  # raises, with the nearest name, unless it is a run
    raise RunError(f"{name_or_path}: one run, and no study.", "`lapel runs` lists both.")


def list_studies() -> list[Study]:
    """The studies in the runs folder, by name."""
    folder = runs_folder()
    if not folder.is_dir():
        return []
    return [Study(path) for path in sorted(folder.iterdir()) if path.joinpath(_STUDY).is_file()]


def _places(name_or_path: str | Path) -> Iterator[Path]:
    yield Path(name_or_path)
    yield runs_folder() / name_or_path


def _new_folder(recipe: Recipe, path: Path | None) -> Path:
    parent = path.parent if path else runs_folder()
    make_folder(parent)
    for folder in [path] if path else free_names(parent, recipe.name):
        with file_errors(folder):
            try:
                folder.mkdir()
            except FileExistsError:
                continue  # somebody else was faster
            return folder
    raise RunError(f"{path}: already there.", "Choose another name, or go on with: lapel train --resume …")
