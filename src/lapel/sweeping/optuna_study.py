"""Optuna's part of a sweep: which settings come next, and whether a trial is worth going on with."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LapelError, MissingExtra, first_line
from .space import Choices, Dimension, Value
from .trials import SweepTrial

if TYPE_CHECKING:
    import optuna

_STARTUP = 5  # trials that end before one is pruned: a median of fewer says little
_FIRST_EPOCH = 2  # that a trial may be pruned in: what the first says is mostly chance
_PATIENCE = 60  # seconds that a worker waits for others who write to the same SQLite file
_LEAST = 8  # trials trained to their end, below which importance would be guessed
_STATES = {"RUNNING": "running", "COMPLETE": "done", "PRUNED": "pruned", "FAIL": "failed"}
_REASON = "reason"


class OptunaTrial:
    """One trial of a study while it is trained. Its number and its values stay when it is taken up again."""

    def __init__(
        self, trial: optuna.trial.Trial, values: Mapping[str, Value], seen: Sequence[int], storage: str
    ) -> None:
        self.number = trial.number
        self._storage = storage
        self.values = dict(values)
        self._trial = trial
        self._seen = set(seen)  # epochs that have been reported

    def report(self, epoch: int, accuracy: float) -> None:
        """Say what an epoch came to; one that was reported before counts as it was then."""
        if epoch not in self._seen:
            self._seen.add(epoch)
            with _as_ours(), storage_errors(self._storage):
                self._trial.report(accuracy, step=epoch)

    def should_prune(self) -> bool:
        """Whether others were better after as many epochs, so that going on is not worth it."""
        with _as_ours(), storage_errors(self._storage):
            return bool(self._trial.should_prune())


class OptunaStudy:
    """A study in Optuna's storage. One process at a time may call `running`, `ask`, `end` and `trials`."""

    def __init__(
        self, storage: str, name: str, space: Sequence[Dimension], *, seed: int, prune: bool
    ) -> None:
        """Open the study, or make it. Raises MissingExtra without Optuna, LapelError without the storage."""
        self._optuna = load_optuna()
        self._space, self._seed = space, seed
        sqlite = storage.startswith("sqlite")
        arguments = {"connect_args": {"timeout": _PATIENCE}} if sqlite else {"pool_pre_ping": True}
        pruners = self._optuna.pruners
        with _as_ours(), storage_errors(storage):
            self._study = self._optuna.create_study(
                study_name=name,
                storage=self._optuna.storages.RDBStorage(storage, engine_kwargs=arguments),
                direction="maximize",
                pruner=pruners.MedianPruner(_STARTUP, _FIRST_EPOCH) if prune else pruners.NopPruner(),
                load_if_exists=True,
            )
        self._storage = storage

    def running(self) -> list[int]:
        """The numbers of the trials that are under way, or were when their process ended."""
        return [trial.number for trial in self.trials() if trial.state == "running"]

    def take_up(self, number: int) -> OptunaTrial:
        """A trial that is under way, to go on with."""
        with _as_ours(), storage_errors(self._storage):
            self._study.sampler = sampler(self._optuna, self._seed, number)
            frozen = self._study.get_trials(deepcopy=False)[number]
            trial = self._optuna.trial.Trial(self._study, frozen._trial_id)
            return OptunaTrial(trial, self._suggest(trial), list(frozen.intermediate_values), self._storage)

    def ask(self) -> OptunaTrial:
        """A new trial with the next settings."""
        with _as_ours(), storage_errors(self._storage):
            number = len(self._study.get_trials(deepcopy=False))
            self._study.sampler = sampler(self._optuna, self._seed, number)
            trial = self._study.ask()
            return OptunaTrial(trial, self._suggest(trial), [], self._storage)

    def end(self, number: int, state: str, accuracy: float | None = None, reason: str = "") -> None:
        """Say how a trial ended: done (with its accuracy), pruned, or failed (with the reason)."""
        states = {ours: self._optuna.trial.TrialState[theirs] for theirs, ours in _STATES.items()}
        with _as_ours(), storage_errors(self._storage):
            if reason:
                identity = self._study.get_trials(deepcopy=False)[number]._trial_id
                self._optuna.trial.Trial(self._study, identity).set_user_attr(_REASON, reason)
            self._study.tell(number, accuracy, state=states[state])

    def trials(self) -> list[SweepTrial]:
        """All trials as they stand, by their number."""
        with _as_ours(), storage_errors(self._storage):
            return [
                SweepTrial(
                    number=one.number,
                    state=_STATES[one.state.name],
                    settings=dict(one.params),
                    accuracy=one.value,
                    epochs=tuple(value for _, value in sorted(one.intermediate_values.items())),
                    reason=str(one.user_attrs.get(_REASON, "")),
                )
                for one in self._study.get_trials(deepcopy=False)
                if one.state.name in _STATES
            ]

    def importance(self) -> dict[str, float] | None:
        """How much each setting decides whether a trial is among the best tenth, as shares of 1 (PED-ANOVA).

        None where too few trials were trained to their end, or all came to the same.
        """
        done = [one.accuracy for one in self.trials() if one.state == "done"]
        if len(done) < _LEAST or len(set(done)) == 1:
            return None
        evaluator = self._optuna.importance.PedAnovaImportanceEvaluator()
        with _as_ours(), storage_errors(self._storage):
            found = self._optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {key: float(share) for key, share in found.items()}

    def _suggest(self, trial: optuna.trial.Trial) -> dict[str, Value]:
        """The value of each setting: a trial that is taken up again has those that it had."""
        values: dict[str, Value] = {}
        for one in self._space:
            if isinstance(one, Choices):
                values[one.key] = trial.suggest_categorical(one.key, one.values)
            elif one.whole:
                values[one.key] = trial.suggest_int(one.key, int(one.low), int(one.high), log=one.log)
            else:
                values[one.key] = trial.suggest_float(one.key, one.low, one.high, log=one.log)
        return values


def sampler(library: ModuleType, seed: int, number: int) -> Any:
    """What draws the settings of a trial: TPE, seeded for each, so that a kill changes nothing."""
    return library.samplers.TPESampler(seed=int(np.random.SeedSequence((seed, number)).generate_state(1)[0]))


def describe_storage(url: str) -> str:
    """The URL of a storage without its password. Raises LapelError where it is none."""
    load_optuna()
    from sqlalchemy.engine import make_url

    with storage_errors(url):
        return make_url(url).render_as_string(hide_password=True)


@contextmanager
def storage_errors(storage: str) -> Iterator[None]:
    """Turn what a storage refuses into one clear LapelError, without its password."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    try:
        yield
    except (ArgumentError, NoSuchModuleError) as error:
        raise LapelError(
            "The storage is not the URL of a database that SQLAlchemy knows.",
            "Write it as sqlite:///trials.db or postgresql://USER@HOST/DATABASE.",
        ) from error
    except ImportError as error:
        # Optuna says only that some driver is missing; its cause says which.
        causes = (error.__cause__, error.__context__, error)
        names = [one.name for one in causes if isinstance(one, ImportError) and one.name]
        driver = names[0] if names else "of its kind"
        raise LapelError(
            f"The storage needs the driver {driver}, which is not installed.",
            f"Install it with: pip install {driver}",
        ) from error
    except (StorageInternalError, SQLAlchemyError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        reason = first_line(getattr(cause, "orig", None) or cause)
        shown = make_url(storage).render_as_string(hide_password=True)
        raise LapelError(
            f"The storage {shown} cannot be used: {reason}.",
            "See that its database is running and may be written to; the same command then goes on.",
        ) from error


@contextmanager
def _as_ours() -> Iterator[None]:
    """Without what Optuna says beside; its settings stay as they were."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)


def load_optuna() -> ModuleType:
    """Optuna. Raises MissingExtra where it is not installed."""
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise MissingExtra("Optuna", "sweep") from error
    return optuna
