"""Several runs that belong together: a recipe trained with several seeds, or on each fold of a dataset."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from .by_group import Groups, Judged, grouped, worst
from .choice import caution_of_folds, kept_by_folds
from .data import Progress
from .data.dataset import Dataset
from .data.reference import load_reference, reference_to
from .errors import LapelError, RunError
from .evaluation import evaluate, group_names, kept_report, with_groups
from .files import file_errors, make_folder, write_atomic
from .judgement import Report, judge
from .photographs import load_for
from .recipes.load import load_recipe, to_toml
from .recipes.schema import Recipe
from .runs import (
    Run,
    dataset_of,
    folders_with,
    free_names,
    open_run,
    places_of,
    read_json,
    runs_folder,
)
from .significance import mean_interval
from .splits import SplitName, places_of_run
from .trainer import resume, train
from .training.watch import Watch

_STUDY, _RECIPE = "study.json", "recipe.toml"
_SPREAD = ("accuracy", "balanced_accuracy", "f1", "loss", "brier", "calibration_error")
_INTERVAL_OF = {
    "seeds": "the mean over all seeds that might be taken, on these same pictures; it says nothing of others",
    "folds": "the mean over folds; rather too narrow, as folds share most of the pictures they learn from",
}


@dataclass(frozen=True)
class Member:
    """One run of a study: the name of its folder, its seed, and the fold that it holds out, if it does."""

    name: str
    seed: int
    fold: tuple[int, int] | None = None


class Study:
    """A folder with a run for each seed or fold. Make one with `begin_study`, find one with `open_study`.

    All seeds hold out the same pictures, those that the first of them draws: so their spread is that of
    training alone, and what they answer can be compared picture by picture. Folds hold out others each.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.name = self.path.resolve().name

    def __repr__(self) -> str:
        return f"Study({str(self.path)!r}, {len(self.runs)} of {len(self.members)} {self.kind})"

    @property
    def facts(self) -> dict[str, Any]:
        """What `begin_study` was asked for."""
        return dict(read_json(self.path / _STUDY))

    @property
    def kind(self) -> str:
        """What its members are: seeds or folds."""
        return "seeds" if self.facts.get("seeds") else "folds"

    @property
    def members(self) -> list[Member]:
        """Its runs, begun or not, in the order in which they are trained."""
        facts = self.facts
        if facts.get("seeds"):
            return [Member(f"seed-{seed}", seed) for seed in facts["seeds"]]
        count, seed = int(facts["folds"]), int(facts["seed"])
        return [Member(f"fold-{number}", seed, (number, count)) for number in range(1, count + 1)]

    @property
    def recipe(self) -> Recipe:
        """The recipe of all the runs."""
        return load_recipe(self.path / _RECIPE)

    @property
    def runs(self) -> list[Run]:
        """The runs that have begun, in the order of the members."""
        return [Run(path) for member in self.members if (path := self.path / member.name).is_dir()]

    @property
    def done(self) -> bool:
        """Whether every member is trained to its end."""
        runs = self.runs
        return len(runs) == len(self.members) and all(run.done for run in runs)

    def dataset(self, progress: Progress | None = None) -> Dataset:
        """The pictures of all members. Raises RunError where they are others now, or only Python has them."""
        if self.runs:
            return dataset_of(self.runs[0], progress)
        data = self.facts["dataset"]
        if data["origin"] is None:
            raise RunError(
                f"{self.path}: its Dataset object is not kept.",
                "Go on from Python: train_study(study, dataset).",
            )
        return load_reference(data, progress)


@dataclass(frozen=True)
class Spread:
    """One figure over the members of a study: its mean, standard deviation, and 95 % interval of the mean."""

    mean: float
    spread: float
    interval: tuple[float, float]  # by Student's t


@dataclass(frozen=True)
class GroupSpread:
    """The accuracy on one group of pictures over the members of a study, which all have answered it."""

    name: str
    pictures: int
    accuracy: float  # mean over members
    spread: float
    least: float  # of the member that has least


@dataclass(frozen=True)
class StudyGroups:
    """The groups that `by` tells apart, by name, and which of those with 20 pictures or more is worst."""

    by: str
    groups: tuple[GroupSpread, ...]
    worst: str | None


@dataclass(frozen=True, repr=False)
class StudyReport:
    """What the runs of a study came to, each on pictures that it has not learned from.

    `mean`, `spread` and `interval` are those of the accuracy; `figures` has them of others as well.
    """

    study: str
    kind: str  # of the members: seeds or folds
    split: str
    members: tuple[Report, ...]
    mean: float
    spread: float
    interval: tuple[float, float]
    interval_of: str  # in words
    figures: dict[str, Spread]
    pooled: Report | None  # of folds: each validation picture once, by the run that has not learned from it
    test_looks: int  # at the test pictures, of all members together
    groups: StudyGroups | None = None  # over members; where there is a pool, it has the groups

    def __repr__(self) -> str:
        return (
            f"StudyReport({self.study!r}, {self.split}: accuracy {self.mean:.4f} ± {self.spread:.4f} over "
            f"{len(self.members)} {self.kind})"
        )

    def to_json(self) -> str:
        """The report as JSON text."""
        return json.dumps(asdict(self), indent=2, allow_nan=False)


def begin_study(
    recipe: Recipe | str | Path,
    dataset: Dataset | str | Path = "fashion-mnist",
    *,
    seeds: Sequence[int] | None = None,
    folds: int | None = None,
    seed: int = 0,
    split_seed: int | None = None,
    path: Path | None = None,
    **how: Any,
) -> Study:
    """Make the folder of a study, at `path` or as the next free `runs/<recipe>-<number>`. Nothing is trained.

    Its members are `seeds`, the first of which (or else `split_seed`) decides the pictures that all of them
    hold out, or as many `folds`, all of one `seed`. `how` are further arguments of `train`. Raises LapelError
    for fewer than two members or one twice, DataError, with the name of the class, where the pictures cannot
    be divided so, and RunError where `path` is taken.

    >>> study = begin_study("cnn", seeds=range(5))  # doctest: +SKIP
    """
    if (seeds is None) == (folds is None):
        raise LapelError("A study is of seeds or of folds.", "Give one of them: seeds=range(5), or folds=5.")
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    if not isinstance(dataset, Dataset):
        dataset, _ = load_for(recipe, dataset)
    if seeds is not None:
        seeds = [int(one) for one in seeds]
        _check_seeds(seeds)
        seed = seeds[0] if split_seed is None else split_seed
    dataset.held(recipe.training.validation, seed, (1, folds) if folds else None)
    folder = _new_folder(recipe, path)
    write_atomic(folder / _RECIPE, to_toml(recipe))
    facts = {"seeds": seeds, "folds": folds, "seed": seed, "how": how, "dataset": reference_to(dataset)}
    write_atomic(folder / _STUDY, json.dumps(facts, indent=2) + "\n")
    return Study(folder)


def train_study(
    study: Study,
    dataset: Dataset | None = None,
    *,
    watches: Sequence[Watch] = (),
    tell: Callable[[Member, int, int], None] | None = None,
) -> None:
    """Train every member that is not trained to its end yet, as often as it takes.

    `tell` hears of each before: the member, its number from 1 on, and of how many. Raises what `train` and
    `resume` raise.
    """
    facts, members = study.facts, study.members
    dataset = dataset or study.dataset()
    for number, member in enumerate(members, start=1):
        run = Run(study.path / member.name)
        begun = run.path.is_dir()
        if begun and run.done:
            continue
        if tell is not None:
            tell(member, number, len(members))
        if begun:
            resume(run, dataset, watches=watches)
        else:
            train(
                study.recipe,
                dataset,
                seed=member.seed,
                split_seed=facts["seed"],
                fold=member.fold,
                path=run.path,
                watches=watches,
                **facts["how"],
            )


def judge_study(
    study: Study,
    dataset: Dataset | None = None,
    progress: Progress | None = None,
    *,
    split: SplitName = "validation",
    by: str | None = None,
) -> StudyReport:
    """Judge the runs of a study on the pictures that they held out, or each once on the test pictures.

    What a run has answered before is taken as it was kept: it looks at the test pictures once, however often
    its study is judged. `by` (a column, or a pattern on paths) adds figures for each group: of the pool of
    folds, else over members. Raises RunError where a member is not trained to its end, or there are no test
    pictures.
    """
    check_trained(study)
    reports = []
    for run in study.runs:
        report = kept_report(run, split)
        if report is None:
            dataset = dataset or study.dataset(progress)
            report = evaluate(run, split=split, dataset=dataset)
        reports.append(report)
    pool = _pool(study) if study.kind == "folds" and split == "validation" else None
    pooled = None if pool is None else _pooled(study, reports, pool)
    groups = None
    if by is not None:
        dataset = dataset or study.dataset(progress)
        if pool is not None and pooled is not None:
            pooled = replace(pooled, groups=_groups_of_pool(study, pool, by, dataset, progress))
        else:
            reports = [
                with_groups(report, run, by, dataset, progress)
                for report, run in zip(reports, study.runs, strict=True)
            ]
            groups = _over_members(by, reports)
    figures = {name: _spread([getattr(report, name) for report in reports]) for name in _SPREAD}
    accuracy = figures["accuracy"]
    return StudyReport(
        study=study.name,
        kind=study.kind,
        split=split,
        members=tuple(reports),
        mean=accuracy.mean,
        spread=accuracy.spread,
        interval=accuracy.interval,
        interval_of=_INTERVAL_OF[study.kind],
        figures=figures,
        pooled=pooled,
        test_looks=sum(report.test_looks or 0 for report in reports),
        groups=groups,
    )


def check_trained(study: Study) -> None:
    """Raise RunError where a member of a study is not trained to its end."""
    if not study.done:
        raise RunError(
            f"{study.path}: {sum(bool(run.done) for run in study.runs)} of {len(study.members)} {study.kind} "
            "are trained.",
            f"Go on with: lapel train --resume {study.path}",
        )


def _pooled(study: Study, reports: Sequence[Report], answers: Judged) -> Report:
    one, epoch = reports[0], kept_by_folds([(report.epoch, report.pictures) for report in reports])
    pooled = judge(
        answers.probabilities,
        answers.labels,
        one.class_names,
        split="validation",
        dataset=one.dataset,
        run=study.name,
        fingerprint=one.fingerprint,
        test_looks=None,
    )
    return replace(pooled, epoch=epoch, caution=caution_of_folds(epoch))


def _pool(study: Study) -> Judged:
    """What all folds have answered to the pictures that they held out."""
    kept = [answer for run in study.runs if (answer := run.predictions("validation")) is not None]
    probabilities, labels = zip(*kept, strict=True)
    return Judged(np.concatenate(labels), np.concatenate(probabilities))


def _groups_of_pool(
    study: Study, answers: Judged, by: str, dataset: Dataset, progress: Progress | None
) -> Groups:
    names = group_names(dataset, by, "validation", progress)
    places = np.concatenate([places_of_run(run, dataset, "validation") for run in study.runs])
    return grouped(by, [names[place] for place in places], answers)


def _over_members(by: str, reports: Sequence[Report]) -> StudyGroups:
    """The groups of members that have answered the same pictures."""
    found = []
    for each in zip(*(report.groups.figures for report in reports if report.groups), strict=True):
        shares = [one.accuracy or 0.0 for one in each]
        found.append(GroupSpread(each[0].name, each[0].pictures, mean(shares), stdev(shares), min(shares)))
    return StudyGroups(by, tuple(found), worst(found, lambda one: one.accuracy))


def _spread(values: Sequence[float]) -> Spread:
    return Spread(mean(values), stdev(values), mean_interval(values))


def _check_seeds(seeds: Sequence[int]) -> None:
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise LapelError(
            f"A study needs two different seeds or more; {', '.join(map(str, seeds)) or 'none'} came.",
            "Give how many, as in --seeds 5, or which, as in --seeds 3,7,11.",
        )


def is_study(name_or_path: str | Path) -> bool:
    """Whether a study has this name (in the runs folder) or lies at this path."""
    return any(path.joinpath(_STUDY).is_file() for path in places_of(name_or_path))


def open_study(name_or_path: str | Path) -> Study:
    """The study of this name or at this path. Raises RunError where there is none."""
    for path in places_of(name_or_path):
        if path.joinpath(_STUDY).is_file():
            return Study(path)
    open_run(name_or_path)  # raises, with the nearest name, unless it is a run
    raise RunError(f"{name_or_path}: one run, and no study.", "`lapel runs` lists both.")


def list_studies() -> list[Study]:
    """The studies in the runs folder, by name."""
    return [Study(path) for path in folders_with(_STUDY)]


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
