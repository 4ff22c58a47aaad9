"""The best trial of a sweep: its recipe as TOML with where it comes from, and what fresh seeds say of it."""

from __future__ import annotations

import tomli_w

from ..data.dataset import Dataset
from ..metrics import wilson_interval
from ..recipes.schema import Recipe
from ..study import begin_study, is_study, judge_study, open_study, train_study
from ..training.watch import Watch
from .folder import Sweep
from .trials import Best, Confirmed, SweepTrial, caution, compared, count_states, leading
from .worker import Work, trial_seed

_FRESH = 1_000_000  # further on than any trial's seed


def conclude(sweep: Sweep) -> Best | None:
    """Keep the best trial as it is now, and its recipe; None where no trial was trained to its end.

    What fresh seeds have said of the same trial before stays.
    """
    trial, before = leading(sweep.trials), sweep.best
    if trial is None:
        return None
    confirmed = before.confirmed if before is not None and before.trial == trial.number else None
    return _keep(sweep, trial, confirmed)


def confirm(
    sweep: Sweep, best: Best, seeds: int, dataset: Dataset, work: Work, watches: list[Watch] | None = None
) -> Best:
    """Train the best recipe with so many seeds that no trial had, and keep what they came to.

    They hold out the pictures that all trials hold out. What was stopped goes on. Raises what `train` does.
    """
    facts = sweep.facts
    path = sweep.path / f"confirm-{best.trial}-{seeds}"
    if is_study(path):
        study = open_study(path)
    else:
        study = begin_study(
            sweep.run(best.trial).recipe,
            dataset,
            seeds=[(sweep.seed + _FRESH + number) % 2**31 for number in range(seeds)],
            split_seed=sweep.seed,
            path=path,
            engine=facts["engine"],
            backend=facts["backend"],
            device=work.device,
            precision=facts["precision"],
            threads=work.threads,
        )
    train_study(study, dataset, watches=watches or [])
    report = judge_study(study, dataset)
    confirmed = Confirmed(
        seeds=tuple(member.seed for member in study.members),
        accuracies=tuple(one.accuracy for one in report.members),
        mean=report.mean,
        spread=report.spread,
        interval=report.interval,
        study=study.name,
    )
    return _keep(sweep, sweep.trials[best.trial], confirmed)


def to_best_toml(sweep: Sweep, best: Best, trials: list[SweepTrial]) -> str:
    """The best recipe as TOML that `lapel train` takes, with its provenance in comments above it."""
    facts = sweep.facts
    low, high = best.interval
    lines = [
        f"The best of {best.compared} trials of the sweep {sweep.name} ({count_states(trials)}).",
        f"Trial {best.trial}, seed {best.seed}: {best.accuracy:.2%} of {best.pictures:,} validation "
        f"pictures, 95 % interval {low:.2%} to {high:.2%}.",
        f"Data: {facts['dataset']['name']}, fingerprint {facts['dataset']['fingerprint'][:12]}.",
        *([best.caution] if best.caution else []),
        *_confirmed_lines(best.confirmed),
        "The test pictures were not looked at.",
        "",
        "What the trial changed, and in which range:",
        *(f"  {key} = {value}  (of {facts['space'][key]})" for key, value in best.settings.items()),
    ]
    head = "".join(f"# {line}".rstrip() + "\n" for line in lines)
    return f"{head}\n{tomli_w.dumps(_settings(sweep.run(best.trial).recipe))}"


def _settings(recipe: Recipe) -> dict[str, object]:
    return {key: value for key, value in recipe.settings().items() if key != "measured"}


def _confirmed_lines(found: Confirmed | None) -> list[str]:
    if found is None:
        return []
    return [
        f"With {len(found.seeds)} fresh seeds on the same pictures: {found.mean:.2%} on average, "
        f"standard deviation {found.spread:.2%}."
    ]


def _keep(sweep: Sweep, trial: SweepTrial, confirmed: Confirmed | None) -> Best:
    """Keep this trial as the best, and its recipe."""
    trials = sweep.trials
    pictures = int(sweep.run(trial).environment["dataset"]["validation"])
    accuracy, among = trial.accuracy or 0.0, compared(trials)
    best = Best(
        trial=trial.number,
        seed=trial_seed(sweep, trial.number),
        settings=trial.settings,
        accuracy=accuracy,
        interval=wilson_interval(round(accuracy * pictures), pictures),
        pictures=pictures,
        compared=among,
        caution=caution(among),
        confirmed=confirmed,
    )
    sweep.keep_best(best, to_best_toml(sweep, best, trials))
    return best
