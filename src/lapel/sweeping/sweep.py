"""A recipe, a space and a dataset -> a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ..data.dataset import Dataset
from ..errors import LapelError, RunError
from ..files import locked
from ..photographs import load_for
from ..recipes.load import load_recipe
from ..recipes.plan import plan
from ..recipes.schema import Recipe
from ..runtime import cores
from .best import conclude, confirm
from .folder import Sweep, begin_sweep
from .optuna_study import describe_storage, load_optuna
from .processes import work_together
from .space import read_space
from .trials import Best
from .worker import Tell, Work, open_study_of, work_on


def sweep(
    recipe: Recipe | str | Path,
    space: Mapping[str, str] | Iterable[str | Path],
    dataset: Dataset | str | Path = "fashion-mnist",
    *,
    trials: int,
    seed: int = 0,
    engine: str = "torch",
    backend: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    prune: bool = True,
    confirm_seeds: int = 0,
    workers: int = 1,
    storage: str | None = None,
    path: str | Path | None = None,
    begun: Callable[[Sweep], None] | None = None,
    tell: Tell | None = None,
) -> Sweep:
    """Train a recipe with other settings again and again, each time where Optuna expects most.

    `space` is a range for each setting, as in {"training.learning_rate": "1e-4..1e-2:log"}, or lines and TOML
    files of such. The sweep lies in the folder `path` (by default `runs/<recipe>-sweep`); where it does
    already, it goes on, until there are as many `trials` as wanted in all. A process that is killed leaves a
    trial that the next one goes on with. `seed` decides what is drawn and which pictures all trials hold out;
    each is trained with a seed of its own. With `prune`, a trial that is worse than half of the others after
    as many epochs ends. `storage` is the URL of a database for Optuna, `workers` how many processes work at
    once (a script that asks for several needs `if __name__ == "__main__"`). With `confirm_seeds` the best
    recipe is trained with so many other seeds. The test pictures are never looked at.

    `begun` hears of the sweep, `tell` of each trial when it begins and when it has ended. Raises LapelError:
    an unknown key, a value out of a setting's range, a folder of another sweep, a storage that cannot be
    reached, no trial that could be trained; MissingExtra without Optuna.

    >>> sweep("dense", {"training.learning_rate": "1e-4..1e-2:log"}, trials=20).best  # doctest: +SKIP
    """
    load_optuna()
    _check_numbers(trials, confirm_seeds, workers)
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    lines = [f"{key}={text}" for key, text in space.items()] if isinstance(space, Mapping) else space
    dimensions = read_space(lines, recipe)
    url = None if storage is None else describe_storage(storage)
    if not isinstance(dataset, Dataset):
        dataset, _ = load_for(recipe, dataset)
    # What fails for every trial is said before there is any.
    plan(recipe, dataset.shape, len(dataset.class_names))
    dataset.held(recipe.training.validation, seed)
    made = begin_sweep(
        recipe,
        dimensions,
        dataset,
        None if path is None else Path(path),
        storage=url,
        seed=seed,
        prune=prune,
        engine=engine,
        backend=backend,
        precision=precision,
    )
    if begun is not None:
        begun(made)
    if threads is None and workers > 1:
        threads = max(1, cores() // workers)
    work = Work(trials, storage or made.database, device, threads)
    try:
        _train(made, work, dataset, workers, tell)
    except KeyboardInterrupt:
        conclude(made)
        raise
    best = _finish(made, work)
    if best is not None and confirm_seeds:
        confirm(made, best, confirm_seeds, dataset, work)
    return made


def _check_numbers(trials: int, confirm_seeds: int, workers: int) -> None:
    if trials < 1 or workers < 1:
        raise LapelError(f"{trials} trials by {workers} workers are no sweep.", "Give 1 or more of both.")
    if confirm_seeds not in (0, *range(2, 1001)):
        raise LapelError(
            f"{confirm_seeds} seeds confirm nothing: a mean with its interval needs 2 or more, up to 1000.",
            "Such as: --confirm 3",
        )


def _train(made: Sweep, work: Work, dataset: Dataset, workers: int, tell: Tell | None) -> None:
    if workers == 1:
        work_on(made, work, dataset, tell=tell)
        return
    if dataset.origin is None:
        raise LapelError(
            "Several workers load their pictures themselves, and a Dataset object has no place to load from.",
            "Give the path of the dataset, or one worker.",
        )
    open_study_of(made, work.storage)  # so that what is wrong with it is said once
    work_together(made, work, workers, tell)


def _finish(made: Sweep, work: Work) -> Best | None:
    """Keep the trials as they ended, which settings decided, and the best of them."""
    study = open_study_of(made, work.storage)
    with locked(made.lock):
        trials = study.trials()
        made.keep_trials(trials, study.importance())
        best = conclude(made)
    if best is None and all(trial.state == "failed" for trial in trials):
        raise RunError(
            f"{made.path}: none of {len(trials)} trials could be trained. The first: {trials[0].reason}",
            "Begin another sweep with a smaller space, or other settings of the recipe.",
        )
    return best
