"""The folder of a sweep: what was asked for, its trials as they stand, and a run for each of them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..data import Progress
from ..data.dataset import Dataset
from ..data.reference import load_reference, reference_to
from ..errors import RunError, did_you_mean
from ..files import locked, make_folder, write_atomic
from ..recipes.load import load_recipe, to_toml
from ..recipes.schema import Recipe
from ..runs import Run, folders_with, places_of, read_json, runs_folder
from .space import Dimension, read_space
from .trials import Best, SweepTrial, best_from

_SWEEP, _RECIPE, _TRIALS, _BEST = "sweep.json", "recipe.toml", "trials.json", "best.json"
_CHECKED = {
    "recipe": "recipe",
    "space": "space",
    "dataset": "data",
    "seed": "seed",
    "prune": "pruning",
    "engine": "engine",
    "backend": "backend",
    "precision": "precision",
    "storage": "storage",
}
_OTHER = "Give the sweep another folder with --out, or ask for the same again."


class Sweep:
    """A folder with a run for each trial. Make one with `lapel sweep`, find one with `open_sweep`.

    All trials hold out the same pictures. What they came to is read from the folder alone: neither Optuna nor
    its storage is needed for that.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.name = self.path.resolve().name

    def __repr__(self) -> str:
        best = self.best
        lead = "" if best is None else f", best accuracy {best.accuracy:.4f}"
        return f"Sweep({str(self.path)!r}, {len(self.trials)} trials{lead})"

    @property
    def facts(self) -> dict[str, Any]:
        """What was asked for: space, data, seed, engine, storage."""
        return dict(self._json(_SWEEP))

    @property
    def recipe(self) -> Recipe:
        """The recipe whose settings are tried."""
        return load_recipe(self.path / _RECIPE)

    @property
    def space(self) -> tuple[Dimension, ...]:
        """The range of each setting."""
        return read_space([f"{key}={text}" for key, text in self.facts["space"].items()], self.recipe)

    @property
    def seed(self) -> int:
        """What decides the pictures that are held out, and the settings that are tried."""
        return int(self.facts["seed"])

    @property
    def trials(self) -> list[SweepTrial]:
        """The trials as they stood when the last one began or ended."""
        if not (self.path / _TRIALS).exists():
            return []
        return [
            SweepTrial(**{**one, "epochs": tuple(one["epochs"])}) for one in self._json(_TRIALS)["trials"]
        ]

    @property
    def importance(self) -> dict[str, float] | None:
        """How much each setting decides, as shares of 1; None where too few trials say it."""
        if not (self.path / _TRIALS).exists():
            return None
        found: dict[str, float] | None = self._json(_TRIALS)["importance"]
        return found

    @property
    def best(self) -> Best | None:
        """The best trial, as the last command left it; None where none was trained to its end."""
        return best_from(self._json(_BEST)) if (self.path / _BEST).exists() else None

    @property
    def best_recipe_path(self) -> Path:
        """Where the best recipe lies."""
        return self.path / "best.toml"

    @property
    def report_folder(self) -> Path:
        """Where the page lies."""
        return self.path / "report"

    @property
    def database(self) -> str:
        """The URL of its own SQLite file, for a sweep that was given no other storage."""
        return f"sqlite:///{self.path.resolve() / 'trials.db'}"

    @property
    def lock(self) -> Path:
        """Held by the process that asks for a trial, or says how one ended."""
        return self.path / ".lock"

    def trial_lock(self, number: int) -> Path:
        """Held by the process that trains this trial, for as long as it lives."""
        return self.path / "locks" / f"trial-{number}"

    def run(self, trial: SweepTrial | int) -> Run:
        """The run of a trial."""
        return Run(self.path / run_folder(trial))

    @property
    def runs(self) -> list[Run]:
        """The runs of all trials that have begun."""
        found = [self.run(trial) for trial in self.trials]
        return [run for run in found if (run.path / "environment.json").is_file()]

    def dataset(self, progress: Progress | None = None) -> Dataset:
        """The pictures of all trials. Raises RunError where they are others now, or only Python has them."""
        data = self.facts["dataset"]
        if data["origin"] is None:
            raise RunError(
                f"{self.path}: its Dataset object is not kept.",
                "Call lapel.sweep with the dataset and one worker.",
            )
        found = load_reference(data, progress)
        if found.fingerprint != data["fingerprint"]:
            raise RunError(
                f"{self.path}: {data['name']} has changed since the sweep began.",
                "Bring it back as it was, or begin another sweep.",
            )
        return found

    def keep_trials(self, trials: Sequence[SweepTrial], importance: Mapping[str, float] | None) -> None:
        """Keep the trials as they stand."""
        content = {"trials": [asdict(one) for one in trials], "importance": importance}
        write_atomic(self.path / _TRIALS, json.dumps(content, indent=1) + "\n")

    def keep_best(self, best: Best, recipe: str) -> None:
        """Keep the best trial, and its recipe as TOML."""
        write_atomic(self.best_recipe_path, recipe)
        write_atomic(self.path / _BEST, json.dumps(asdict(best), indent=2) + "\n")

    def _json(self, name: str) -> Any:
        return read_json(self.path / name)


def begin_sweep(
    recipe: Recipe,
    space: Sequence[Dimension],
    dataset: Dataset,
    path: Path | None,
    *,
    storage: str | None,
    **facts: Any,
) -> Sweep:
    """The sweep in this folder (by default `runs/<recipe>-sweep`), made where nothing lies yet.

    `storage` is the URL of its storage without the password, None for its own file. Raises RunError where the
    folder holds another sweep, and says in what it differs.
    """
    sweep = Sweep(path or runs_folder() / f"{recipe.name}-sweep")
    wanted = {
        "recipe": recipe.settings(),
        "space": {one.key: one.text for one in space},
        "storage": storage,
        "dataset": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            **reference_to(dataset),
        },
        **facts,
    }
    make_folder(sweep.path.parent)
    if sweep.path.is_dir() and not is_sweep(sweep.path) and set(sweep.path.iterdir()) - {sweep.lock}:
        raise RunError(f"{sweep.path}: a folder with other things in it, and no sweep.", _OTHER)
    make_folder(sweep.path)
    with locked(sweep.lock):  # two that begin at once make one
        if is_sweep(sweep.path):
            _check_same(sweep, wanted)
            return sweep
        write_atomic(sweep.path / _RECIPE, to_toml(recipe))
        # A database that others use as well has studies of the same name.
        study = f"lapel-{sweep.name}-{secrets.token_hex(4)}"
        content = {**wanted, "study": study}
        write_atomic(sweep.path / _SWEEP, json.dumps(content, indent=2) + "\n")
    return sweep


def _check_same(sweep: Sweep, wanted: Mapping[str, Any]) -> None:
    facts = {**sweep.facts}
    for key, word in _CHECKED.items():
        was, now = facts[key], wanted[key]
        if key == "dataset":
            was, now = was["fingerprint"], now["fingerprint"]
        if was != now:
            raise RunError(f"{sweep.path}: a sweep of another {word}: {_difference(word, was, now)}.", _OTHER)


def _difference(word: str, was: Any, now: Any, place: str = "") -> str:
    """Where two sweeps differ, in words.

    >>> _difference("space", {"a": "1..2"}, {"a": "1..3"})
    'there a is 1..2, here 1..3'
    """
    if isinstance(was, dict) and isinstance(now, dict):
        key = next(key for key in {**was, **now} if was.get(key) != now.get(key))
        return _difference(word, was.get(key), now.get(key), f"{place}.{key}" if place else key)
    if word == "data":
        was, now = str(was)[:12], str(now)[:12]
    return f"there {place or 'it'} is {_shown(was)}, here {_shown(now)}"


def _shown(value: Any) -> str:
    text = "not set" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def run_folder(trial: SweepTrial | int) -> str:
    """The name of the folder of a trial's run.

    >>> run_folder(7)
    'trial-7'
    """
    return f"trial-{trial if isinstance(trial, int) else trial.number}"


def is_sweep(name_or_path: str | Path) -> bool:
    """Whether a sweep has this name (in the runs folder) or lies at this path."""
    return any(path.joinpath(_SWEEP).is_file() for path in places_of(name_or_path))


def open_sweep(name_or_path: str | Path) -> Sweep:
    """The sweep of this name or at this path. Raises RunError where there is none."""
    for path in places_of(name_or_path):
        if path.joinpath(_SWEEP).is_file():
            return Sweep(path)
    names = [sweep.name for sweep in list_sweeps()]
    hint = did_you_mean(str(name_or_path), names) if names else "There is none yet; `lapel sweep` makes one."
    raise RunError(f'There is no sweep "{name_or_path}".', hint)


def list_sweeps() -> list[Sweep]:
    """The sweeps in the runs folder, by name."""
    return [Sweep(path) for path in folders_with(_SWEEP)]
