"""Sweeps: which settings are tried, what is kept however a process ends, and what is said of the best."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import tomllib
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from garments import blobs, small_recipe
from processes import start_forked
from test_study import hard

from lapel import open_run, open_sweep, sweep
from lapel.cli import lapel as verbs
from lapel.data import save_data
from lapel.errors import LapelError, MissingExtra, RecipeError, RunError
from lapel.recipes.load import load_recipe, parse, to_toml
from lapel.recipes.schema import Recipe
from lapel.sweeping.folder import Sweep
from lapel.sweeping.space import Choices, Numbers, read_space

optuna = pytest.importorskip("optuna", reason="the extra sweep is not installed")
from lapel.sweeping.optuna_study import OptunaStudy, sampler  # noqa: E402

RATES = "training.learning_rate=1e-4..1:log"
SPACE = (RATES, "training.batch=32|64", "layers.1.units=4..16")


def tiny_recipe(**training: object) -> Recipe:
    """A dense network that learns blobs in a moment."""
    layers = [{"kind": "flatten"}, {"kind": "dense", "units": 8, "activation": "relu"}, {"kind": "dense"}]
    settings = {"epochs": 3, "batch": 64, "learning_rate": 0.01, **training}
    return parse({"name": "tiny", "layers": layers, "training": settings}, "tiny recipe")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_data(hard(), tmp_path_factory.mktemp("data") / "blobs.npz", "npz")


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Twelve trials, of which some are pruned, and two seeds that confirm the best."""
    path = tmp_path_factory.mktemp("sweeps") / "made"
    return sweep(tiny_recipe(), SPACE, data, trials=12, seed=3, path=path, threads=1, confirm_seeds=2)


# Spaces


def test_ranges_as_they_are_typed() -> None:
    recipe = load_recipe("dense")
    space = read_space(
        [
            "training.learning_rate=1e-4..1e-2:log",
            "training.batch = 64|128",
            "layers.1.units=32..512:log",
            "training.momentum=0..0.5",
            "training.weight_decay=0..1",
            "augmentation.flip=true|false",
        ],
        recipe,
    )
    assert space == (
        Numbers("training.learning_rate", 1e-4, 1e-2, True),
        Choices("training.batch", ("64", "128")),
        Numbers("layers.1.units", 32, 512, True),
        Numbers("training.momentum", 0.0, 0.5),
        Numbers("training.weight_decay", 0.0, 1.0),
        Choices("augmentation.flip", ("true", "false")),
    )
    # Whether only whole numbers are meant, the recipe's schema knows.
    assert [one.whole for one in space if isinstance(one, Numbers)] == [False, True, False, False]


def test_a_file_says_the_same(tmp_path: Path) -> None:
    recipe = load_recipe("dense")
    (tmp_path / "space.toml").write_text(
        'augmentation.flip = [true, false]\n[training]\nlearning_rate = "1e-4..1e-2:log"\nbatch = [64, 128]\n'
    )
    typed = read_space(
        ["augmentation.flip=true|false", "training.learning_rate=1e-4..1e-2:log", "training.batch=64|128"],
        recipe,
    )
    assert read_space([tmp_path / "space.toml"], recipe) == typed
    assert read_space([str(tmp_path / "space.toml"), "layers.1.units=3..9"], recipe)[:-1] == typed


@pytest.mark.parametrize(
    ("line", "says", "hint"),
    [
        ("training.learning_rat=1e-4..1e-2", 'unknown key "learning_rat"', 'Did you mean "learning_rate"?'),
        ("training.learning_rate=1e-4..1000", "less than or equal to 100", "lapel recipes"),
        ("training.optimizer=adam|adamm", "'adam', 'adamw', 'sgd' or 'muon'", "lapel recipes"),
        ("layers.9.units=3..9", '"9" is not a place in a list', ""),
        ("layers.1.units=3.5..9", "valid integer", "lapel recipes"),
        ("training.learning_rate=0..1:log", "all numbers are above 0", "leave :log out"),
        ("training.learning_rate=1..0.1", "the lower end comes first", "low..high"),
        ("training.learning_rate=0.1..inf", "both are finite", "low..high"),
        ("training.learning_rate=0.1..0.2:lin", "no range", "low..high"),
        ("training.learning_rate=a..b", "its ends have to be numbers", "low..high"),
        ("training.learning_rate=0.1", "no range", "low..high"),
        ("training.batch=32|32", "has an empty choice, or one twice", "low..high"),
        ("augmentation.flip=0..1", "takes no numbers", "choices"),
        ("training.validation=0.1..0.2", "all trials of a sweep share", "--set training.validation"),
        ("picture.size=32..64", "all trials of a sweep share", "--set picture.size"),
        ("name=a|b", "says what a recipe is", "low..high"),
        ("space.tom", "neither a range nor a file", "TOML file"),
    ],
)
def test_what_is_no_space_is_refused(line: str, says: str, hint: str) -> None:
    with pytest.raises(LapelError) as caught:
        read_space([line], load_recipe("dense"))
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_a_file_with_an_unknown_key_or_no_range_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    for text, says in (
        ('training.learning_rat = "1e-4..1"', 'unknown key "learning_rat"'),
        ("training.batch = 64", "one value and no range"),
        ("training batch", "not valid TOML"),
        ("", "needs a space"),
    ):
        file.write_text(text)
        with pytest.raises(LapelError, match=says):
            read_space([file], load_recipe("dense"))
    with pytest.raises(LapelError, match="comes twice"):
        read_space([RATES, RATES], load_recipe("dense"))


# Optuna


def test_the_sampler_sees_what_it_sees_when_optuna_is_called_by_hand() -> None:
    """Fifteen trials of a known function: ten at random, the rest by TPE from what came before."""
    space = (Numbers("rate", 1e-4, 1.0, True), Choices("batch", ("32", "64")), Numbers("units", 4, 64))

    def accuracy(values: dict[str, object], epoch: int) -> float:
        off = abs(float(np.log10(values["rate"])) + 2)
        return 0.9 - 0.1 * off - 0.001 * int(values["units"]) + 0.01 * epoch

    ours = OptunaStudy("sqlite:///:memory:", "study", space, seed=5, prune=True)
    ended = []
    for _ in range(15):
        trial = ours.ask()
        pruned = False
        for epoch in (1, 2, 3):
            trial.report(epoch, accuracy(trial.values, epoch))
            pruned = epoch < 3 and trial.should_prune()
            if pruned:
                break
        ended.append(pruned)
        ours.end(trial.number, "pruned" if pruned else "done", None if pruned else accuracy(trial.values, 3))

    distributions = optuna.distributions
    by_hand = {
        "rate": distributions.FloatDistribution(1e-4, 1.0, log=True),
        "batch": distributions.CategoricalDistribution(("32", "64")),
        "units": distributions.IntDistribution(4, 64),
    }
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(5, 2))
    for number, pruned in enumerate(ended):
        study.sampler = sampler(optuna, 5, number)
        trial = study.ask(by_hand)
        for epoch in (1, 2) if pruned else (1, 2, 3):
            trial.report(accuracy(trial.params, epoch), epoch)
            assert bool(trial.should_prune()) == (pruned and epoch == 2) or epoch == 3
        state = optuna.trial.TrialState.PRUNED if pruned else None
        study.tell(trial, None if pruned else accuracy(trial.params, 3), state=state)
    assert [one.settings for one in ours.trials()] == [one.params for one in study.trials]
    assert 0 < sum(ended) < 10
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    expected = optuna.importance.get_param_importances(study, evaluator=evaluator)
    assert ours.importance() == pytest.approx(expected)


def test_without_optuna_one_line_says_what_to_install(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "optuna"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra) as caught:
        sweep(tiny_recipe(), [RATES], data, trials=1, path=tmp_path / "none")
    assert caught.value.message == "Optuna is not installed."
    assert caught.value.hint == "Install it with: pip install 'lapel[sweep]'"
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:////nowhere/at/all/trials.db", "unable to open database file"),
        ("trials.db", "not the URL of a database"),
        ("nosuchbase://here/trials", "not the URL of a database"),
        ("postgresql+pg8000://me:secret@127.0.0.1:1/trials", "needs the driver pg8000"),
    ],
)
def test_a_storage_that_cannot_be_reached(tmp_path: Path, data: Path, url: str, says: str) -> None:
    with pytest.raises(LapelError) as caught:
        sweep(tiny_recipe(), [RATES], data, trials=1, storage=url, path=tmp_path / "none")
    assert says in caught.value.message
    assert "secret" not in str(caught.value)
    assert not list(tmp_path.glob("none/trial-*"))


# What a sweep comes to


def test_each_trial_is_a_run_with_its_own_seed_and_the_same_pictures_held_out(made: Sweep) -> None:
    trials = made.trials
    assert [one.number for one in trials] == list(range(12))
    for one, run in zip(trials, made.runs, strict=True):
        assert (run.environment["seed"], run.split_seed) == (3 + one.number, 3)
        assert [epoch.validation_accuracy for epoch in run.history] == list(one.epochs)
        assert run.recipe.training.learning_rate == one.settings["training.learning_rate"]
        assert str(run.recipe.training.batch) == one.settings["training.batch"]
        assert run.recipe.settings()["layers"][1]["units"] == one.settings["layers.1.units"]
        assert run.looks == []  # neither at the test pictures nor at others
        if one.state == "done":
            assert run.done is not None
            assert one.accuracy == run.done["validation_accuracy"] == max(one.epochs)
    assert "12 trials, best accuracy" in repr(made)


def test_pruning_ends_trials_that_are_worse_than_half_of_the_others(
    made: Sweep, data: Path, tmp_path: Path
) -> None:
    pruned = [one for one in made.trials if one.state == "pruned"]
    assert pruned
    for one in pruned:
        assert one.number >= 5 and len(one.epochs) == 2 < 3
        assert one.accuracy == one.epochs[-1]
        assert made.run(one).done is None
    # The third epoch is the last, and nothing is saved by pruning there.
    whole = sweep(
        tiny_recipe(), SPACE, data, trials=8, seed=3, path=tmp_path / "whole", threads=1, prune=False
    )
    assert {(one.state, len(one.epochs)) for one in whole.trials} == {("done", 3)}


def test_the_best_recipe_says_where_it_comes_from(made: Sweep, data: Path) -> None:
    best, trials = made.best, made.trials
    assert best is not None
    assert best.accuracy == max(one.accuracy or 0 for one in trials if one.state == "done")
    assert (best.compared, best.pictures) == (12, 36)
    assert "best of 12 trials on the same pictures is a little lucky" in best.caution
    statsmodels = pytest.importorskip("statsmodels.stats.proportion")
    right = round(best.accuracy * 36)
    assert best.interval == pytest.approx(statsmodels.proportion_confint(right, 36, method="wilson"))
    text = made.best_recipe_path.read_text()
    assert load_recipe(made.best_recipe_path) == made.run(best.trial).recipe
    for words in (
        "The best of 12 trials of the sweep made",
        f"Trial {best.trial}, seed {best.seed}: {best.accuracy:.2%} of 36 validation pictures",
        "is a little lucky",
        "With 2 fresh seeds on the same pictures",
        "The test pictures were not looked at.",
        f"training.batch = {best.settings['training.batch']}  (of 32|64)",
    ):
        assert f"{words}" in text
    tomllib.loads(text)


def test_fresh_seeds_hold_out_the_same_pictures(made: Sweep) -> None:
    best = made.best
    assert best is not None and best.confirmed is not None
    found = best.confirmed
    runs = [open_run(made.path / found.study / f"seed-{seed}") for seed in found.seeds]
    assert not {run.environment["seed"] for run in runs} & {run.environment["seed"] for run in made.runs}
    assert [run.split_seed for run in runs] == [3, 3]
    assert [run.recipe for run in runs] == [made.run(best.trial).recipe] * 2
    assert found.mean == pytest.approx(np.mean(found.accuracies))
    assert found.spread == pytest.approx(np.std(found.accuracies, ddof=1))
    assert all(run.test_accuracies == [] for run in runs)


def test_settings_that_cannot_be_learned_with_are_trials_that_failed(data: Path, tmp_path: Path) -> None:
    space = ["training.batch=1|30"]  # batch norm learns nothing from one picture
    found = sweep(small_recipe(epochs=1), space, data, trials=4, path=tmp_path / "some", threads=1)
    states = {one.settings["training.batch"]: (one.state, one.reason) for one in found.trials}
    assert states == {
        "1": ("failed", 'recipe "small": batch norm cannot learn from batches of one picture.'),
        "30": ("done", ""),
    }
    assert found.best is not None and found.best.settings == {"training.batch": "30"}
    with pytest.raises(RunError, match=r"none of 2 trials could be trained. The first: .*only its head"):
        sweep(tiny_recipe(), ["training.learn=frozen|head-first"], data, trials=2, path=tmp_path / "none")


def test_it_goes_on_to_more_trials_and_refuses_another(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "one"
    first = sweep(tiny_recipe(epochs=1), [RATES], data, trials=2, path=path, threads=1).trials
    again = sweep(tiny_recipe(epochs=1), [RATES], data, trials=3, path=path, threads=1).trials
    assert again[:2] == first and len(again) == 3
    for recipe, space, how, says in (
        (tiny_recipe(epochs=2), [RATES], {}, "another recipe: there training.epochs is 1, here 2"),
        (
            tiny_recipe(epochs=1),
            ["training.batch=32|64"],
            {},
            "another space: there training.learning_rate is 0.0001..1.0:log, here not set",
        ),
        (tiny_recipe(epochs=1), [RATES], {"seed": 1}, "another seed: there it is 0, here 1"),
        (tiny_recipe(epochs=1), [RATES], {"prune": False}, "another pruning"),
        (tiny_recipe(epochs=1), [RATES], {"storage": f"sqlite:///{tmp_path / 'o.db'}"}, "another storage"),
    ):
        with pytest.raises(RunError) as caught:
            sweep(recipe, space, data, trials=3, path=path, **how)
        assert says in caught.value.message
        assert "another folder with --out" in caught.value.hint
    with pytest.raises(RunError, match="another data"):
        sweep(tiny_recipe(epochs=1), [RATES], blobs(200), trials=3, path=path)
    with pytest.raises(RunError, match="a folder with other things in it"):
        sweep(tiny_recipe(epochs=1), [RATES], data, trials=1, path=data.parent)
    with pytest.raises(RunError, match='no sweep "two"'):
        open_sweep("two")


def test_several_sweeps_in_one_storage_keep_apart(data: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'all.db'}"
    for name in ("one/same", "two/same"):
        found = sweep(
            tiny_recipe(epochs=1), {"training.batch": "32|64"}, data,
            trials=2, path=tmp_path / name, threads=1, storage=url,
        )  # fmt: skip
        assert [one.state for one in found.trials] == ["done", "done"]
    assert len(optuna.get_all_study_names(url)) == 2


def test_numbers_that_make_no_sweep(data: Path, tmp_path: Path) -> None:
    for how, says in (
        ({"trials": 0}, "0 trials by 1 workers"),
        ({"trials": 1, "confirm_seeds": 1}, "1 seeds confirm nothing"),
        ({"trials": 1, "workers": 2}, "a Dataset object has no place to load from"),
    ):
        with pytest.raises(LapelError, match=says):
            sweep(tiny_recipe(), [RATES], blobs(), path=tmp_path / "none", **how)
    with pytest.raises(RecipeError, match="the last layer gives"):
        recipe = parse(
            {"name": "three", "layers": [{"kind": "flatten"}, {"kind": "dense", "units": 3}]}, "it"
        )
        sweep(recipe, [RATES], data, trials=1, path=tmp_path / "none")


# Processes that end


def begin(folder: Path, *words: str) -> ForkServerProcess:
    """`lapel` in a process of its own; what it says goes to the files out and err."""
    for name in ("out", "err"):
        (folder / name).unlink(missing_ok=True)
    return start_forked(list(words), folder, {"COLUMNS": "80"}, folder / "out", folder / "err")


def wait_for(process: ForkServerProcess, there: Callable[[], bool]) -> None:
    """Until it is so; what a broken program says is shown."""
    while not there():
        if not process.is_alive():
            pytest.fail(f"ended with {process.exitcode}")
        time.sleep(0.002)


def stop(process: ForkServerProcess, how: signal.Signals) -> None:
    assert process.pid is not None
    os.kill(process.pid, how)
    process.join(120)


def words_for(folder: Path, data: Path, trials: int = 3, epochs: int = 15) -> list[str]:
    (folder / "tiny.toml").write_text(to_toml(tiny_recipe(epochs=epochs)))
    return [
        *("sweep", "tiny.toml", "--data", str(data), "--space", RATES, "--space", "training.batch=32|64"),
        *("--trials", str(trials), "--threads", "1", "--no-prune"),
    ]  # fmt: skip


def lines_in(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0


def test_a_sweep_that_is_killed_loses_and_doubles_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = words_for(tmp_path, data)
    killed = tmp_path / "runs" / "tiny-sweep"
    process = begin(tmp_path, *words)
    wait_for(process, lambda: lines_in(killed / "trial-1" / "history.jsonl") >= 3)
    stop(process, signal.SIGKILL)
    left = open_sweep("tiny-sweep")
    assert [one.state for one in left.trials] == ["done", "running"]
    assert open_run(killed / "trial-1").done is None
    result = CliRunner().invoke(verbs, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    whole = CliRunner().invoke(verbs, [*words, "--out", "whole"], catch_exceptions=False)
    assert whole.exit_code == 0
    assert len(left.trials) == 3
    assert left.trials == open_sweep("whole").trials
    for number in range(3):
        name = f"trial-{number}/weights.safetensors"
        assert (killed / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.long
def test_ctrl_c_ends_cleanly_and_keeps_what_was_done(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = words_for(tmp_path, data)
    process = begin(tmp_path, *words)
    wait_for(process, lambda: lines_in(tmp_path / "runs/tiny-sweep/trial-1/history.jsonl") >= 2)
    stop(process, signal.SIGINT)
    out, err = (tmp_path / "out").read_text(), (tmp_path / "err").read_text()
    assert process.exitcode == 130
    assert "Traceback" not in err and err.endswith("The same command goes on.\n\nStopped.\n")
    assert "2 trials (1 trained to its end, 1 under way)" in out and "best           trial 0:" in out
    done = CliRunner().invoke(verbs, words, catch_exceptions=False)
    assert "3 trials (3 trained to their end)" in done.stdout


@pytest.mark.long
def test_two_commands_at_once_share_the_trials(data: Path, tmp_path: Path) -> None:
    words = words_for(tmp_path, data, trials=5, epochs=3)
    texts = [tmp_path / f"{number}.err" for number in range(2)]
    both = [start_forked(words, tmp_path, {}, text.with_suffix(".out"), text) for text in texts]
    for process in both:
        process.join(120)
    errors = [text.read_text() for text in texts]
    assert [process.exitcode for process in both] == [0, 0], errors
    found = Sweep(tmp_path / "runs" / "tiny-sweep")
    trials = found.trials
    assert [(one.number, one.state, len(one.epochs)) for one in trials] == [(n, "done", 3) for n in range(5)]
    assert sorted(path.name for path in found.path.glob("trial-*")) == [f"trial-{n}" for n in range(5)]
    # Each was trained by one of the two.
    assert sorted(
        line.split()[1] for text in errors for line in text.splitlines() if "done:" in line
    ) == list("01234")


@pytest.mark.long
def test_several_workers_share_the_trials_and_stop_together(data: Path, tmp_path: Path) -> None:
    words = [*words_for(tmp_path, data, trials=4, epochs=100), "--workers", "2"]
    folder = tmp_path / "runs" / "tiny-sweep"
    process = begin(tmp_path, *words)
    wait_for(process, lambda: all(lines_in(folder / f"trial-{n}/history.jsonl") for n in range(2)))
    stop(process, signal.SIGINT)
    err = (tmp_path / "err").read_text()
    assert process.exitcode == 130 and "Traceback" not in err, err
    assert not any(run.running for run in Sweep(folder).runs)
    again = begin(tmp_path, *words)
    wait_for(again, lambda: any(run.running for run in Sweep(folder).runs))
    stop(again, signal.SIGKILL)  # and with it, its workers
    while any(run.running for run in Sweep(folder).runs):
        time.sleep(0.05)
    third = begin(tmp_path, *words)
    third.join(300)
    assert third.exitcode == 0, (tmp_path / "err").read_text()
    assert [one.state for one in Sweep(folder).trials] == ["done"] * 4


# The verbs


def test_the_verbs(made: Sweep, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPEL_RUNS", str(made.path.parent))
    (tmp_path / "tiny.toml").write_text(to_toml(tiny_recipe()))
    spaces = [word for line in SPACE for word in ("--space", line)]
    recipe, data_path = str(tmp_path / "tiny.toml"), str(data)
    words = ["sweep", recipe, *spaces, "--data", data_path, "--trials", "12", "--seed", "3", "--json"]
    done = CliRunner().invoke(verbs, [*words, "--out", str(made.path)], catch_exceptions=False)
    found = json.loads(done.stdout)
    assert (found["sweep"], len(found["trials"]), found["space"]) == ("made", 12, dict(_pairs(made)))
    assert made.best is not None and found["best"]["trial"] == made.best.trial
    (row,) = json.loads(CliRunner().invoke(verbs, ["runs", "--json"], catch_exceptions=False).stdout)
    assert (row["run"], row["members"], row["kind"], row["state"]) == ("made", 12, "trials", "done")
    assert row["validation_accuracy"] == made.best.accuracy
    judged = CliRunner().invoke(verbs, ["evaluate", f"made/trial-{made.best.trial}", "--json"])
    assert json.loads(judged.stdout)["accuracy"] == pytest.approx(made.best.accuracy)
    page = Path(CliRunner().invoke(verbs, ["report", "made"], catch_exceptions=False).stdout.strip())
    text = page.read_text()
    assert f"by trial {made.best.trial}" in text and "2 fresh seeds came to" in text
    assert "best of 12 trials" in text and text.count('<tr><th scope="row">') == 12
    assert {path.name for path in page.parent.iterdir()} >= {"index.html", "history.png", "parallel.png"}


def _pairs(found: Sweep) -> list[tuple[str, str]]:
    return [(one.key, one.text) for one in found.space]


def test_wrong_usage_is_said_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "Missing option '--space'" in CliRunner().invoke(verbs, ["sweep", "dense"]).stderr
    result = CliRunner().invoke(verbs, ["sweep", "dense", "--space", "training.learning_rat=1..2"])
    assert isinstance(result.exception, LapelError) and "learning_rat" in result.exception.message
    assert list(tmp_path.iterdir()) == []
