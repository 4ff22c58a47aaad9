"""What a worker does: it takes a trial, trains it, says how it ended, and takes the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from ..data.dataset import Dataset
from ..errors import RecipeError, RunError
from ..files import Locked, locked
from ..runs import Run
from ..trainer import resume, train
from ..training.watch import Beginning, Epoch, Watch
from .folder import Sweep
from .optuna_study import OptunaStudy, OptunaTrial
from .space import trial_recipe
from .trials import SweepTrial

Tell = Callable[[SweepTrial], None]

_SEEDS = 2**31


@dataclass(frozen=True)
class Work:
    """What every worker of a sweep does: so many trials in all, with this storage, on this device."""

    trials: int
    storage: str  # the URL, with its password
    device: str = "auto"
    threads: int | None = None


class Pruned(Exception):
    """Others were better after as many epochs."""


def work_on(
    sweep: Sweep,
    work: Work,
    dataset: Dataset,
    *,
    watches: Sequence[Watch] = (),
    tell: Tell | None = None,
) -> None:
    """Train trials until there are as many as wanted, or the rest are under way in other processes.

    A trial whose process has ended is gone on with first. `tell` hears of each when it begins and when it has
    ended. Raises what `train` and `resume` raise, but for RecipeError: settings that cannot be learned with
    are a trial that failed.
    """
    study = open_study_of(sweep, work.storage)
    while True:
        with _next_trial(sweep, study, work.trials) as trial:
            if trial is None:
                return
            if tell is not None:
                tell(SweepTrial(trial.number, "running", trial.values, None, ()))
            ending = _train(sweep, trial, work, dataset, watches)
            with locked(sweep.lock):
                study.end(trial.number, **ending)
                trials = study.trials()
                sweep.keep_trials(trials, sweep.importance)
            if tell is not None:
                tell(trials[trial.number])


def open_study_of(sweep: Sweep, storage: str) -> OptunaStudy:
    """The study of a sweep in Optuna's storage."""
    facts, space = sweep.facts, sweep.space
    with locked(sweep.lock):  # two processes cannot make the tables of a new database at once
        return OptunaStudy(storage, facts["study"], space, seed=facts["seed"], prune=facts["prune"])


def trial_seed(sweep: Sweep, number: int) -> int:
    """The seed that a trial is trained with."""
    return (sweep.seed + number) % _SEEDS


@contextmanager
def _next_trial(sweep: Sweep, study: OptunaStudy, count: int) -> Iterator[OptunaTrial | None]:
    """A trial that no other process trains while it lasts; None where there is none left to take."""
    with ExitStack() as held:
        with locked(sweep.lock):
            trial = _abandoned(sweep, study, held)
            if trial is None and len(study.trials()) < count:
                trial = study.ask()
                held.enter_context(locked(sweep.trial_lock(trial.number)))
            sweep.keep_trials(study.trials(), sweep.importance)
        yield trial


def _abandoned(sweep: Sweep, study: OptunaStudy, held: ExitStack) -> OptunaTrial | None:
    """A trial that is under way for Optuna, but that no process holds."""
    for number in study.running():
        try:
            held.enter_context(locked(sweep.trial_lock(number), wait=False))
        except Locked:
            continue
        return study.take_up(number)
    return None


def _train(
    sweep: Sweep, trial: OptunaTrial, work: Work, dataset: Dataset, watches: Sequence[Watch]
) -> dict[str, Any]:
    """Train a trial from where it stands, and give how it ended, as `OptunaStudy.end` takes it."""
    facts, run = sweep.facts, sweep.run(trial.number)
    looking_on = [*watches, _Judge(trial)]
    try:
        recipe = trial_recipe(sweep.recipe, trial.values)
        if not run.path.is_dir():
            train(
                recipe,
                dataset,
                engine=facts["engine"],
                backend=facts["backend"],
                seed=trial_seed(sweep, trial.number),
                split_seed=sweep.seed,
                device=work.device,
                precision=facts["precision"],
                threads=work.threads,
                path=run.path,
                watches=looking_on,
            )
        elif run.recipe != recipe:
            raise RunError(
                f"{run.path}: a run with other settings than those that the storage has for trial "
                f"{trial.number}.",
                "Folder and storage do not belong together; bring the storage back, or begin another sweep.",
            )
        elif not run.done:
            resume(run, dataset, watches=looking_on)
    except Pruned:
        return {"state": "pruned"}
    except RecipeError as error:
        return {"state": "failed", "reason": error.message}
    return {"state": "done", "accuracy": _kept_accuracy(run, trial)}


def _kept_accuracy(run: Run, trial: OptunaTrial) -> float:
    """What a trial that was trained to its end came to; whatever was not reported yet is reported now."""
    for epoch in run.history:
        trial.report(epoch.number, epoch.validation_accuracy)
    done = run.done or {}
    return float(done["validation_accuracy"])


class _Judge(Watch):
    """Reports each epoch's accuracy on the validation pictures, and ends what is not worth going on with."""

    def __init__(self, trial: OptunaTrial) -> None:
        self._trial = trial
        self._epochs = 0

    def begin(self, beginning: Beginning) -> None:
        """Report the epochs of a run that goes on."""
        self._epochs = beginning.recipe.training.epochs
        for epoch in beginning.history:
            self._report(epoch)

    def epoch(self, epoch: Epoch, seconds: float, best: bool) -> None:  # noqa: ARG002
        """Report this one."""
        self._report(epoch)

    def _report(self, epoch: Epoch) -> None:
        self._trial.report(epoch.number, epoch.validation_accuracy)
        # A trial that is at its end has nothing left to save.
        if epoch.number < self._epochs and self._trial.should_prune():
            raise Pruned
