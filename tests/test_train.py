"""Training: what a run holds, how it stops, and that nothing stops it from going on."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from garments import blobs, garments, small_recipe
from processes import forking

from lapel.data import save_data
from lapel.data.dataset import Dataset, Split
from lapel.engines.load import load_engine
from lapel.engines.protocol import Epoch
from lapel.errors import LapelError, MissingExtra, RunError
from lapel.evaluation import evaluate
from lapel.recipes.load import load_recipe, parse
from lapel.runs import Run, list_runs, new_run, open_run
from lapel.trainer import resume, train
from lapel.training.objective import CrossEntropy
from lapel.training.watch import Beginning, Watch, load_watch


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class StopAfter(Watch):
    """Watches a training and stops it in the middle of an epoch, as Ctrl-C would."""

    def __init__(self, epochs: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.epochs, self.error = epochs, error

    def begin(self, beginning: Beginning) -> None:
        self.ended = 0

    def batch(self, done: int, count: int, loss: float) -> None:
        if self.ended == self.epochs:
            raise self.error

    def epoch(self, epoch: Epoch, seconds: float, best: bool) -> None:
        self.ended += 1


def test_a_run_folder_holds_everything_about_its_training() -> None:
    dataset = blobs()
    run = train(small_recipe(), dataset, seed=3)
    assert run.path == Path("runs/small-1")
    assert run.recipe == small_recipe()
    facts = run.environment
    assert facts["seed"] == 3
    assert facts["dataset"] == {
        "name": "blobs",
        "origin": None,
        "group": None,
        "source": "",
        "fingerprint": dataset.fingerprint,
        "class_names": list(dataset.class_names),
        "shape": [8, 8, 1],
        "picture": None,
        "train": 360,
        "validation": 40,
        "test": 100,
    }
    assert [epoch.number for epoch in run.history] == [1, 2, 3]
    assert len(run.timings) == 3
    best = max(run.history, key=lambda epoch: epoch.validation_accuracy)
    assert run.done is not None
    assert run.done["kept_epoch"] == best.number
    assert run.done["stopped"] == "at the end"
    assert run.looks == []


def test_the_weights_kept_are_those_of_the_best_epoch(engine: str) -> None:
    dataset = garments()
    run = train(small_recipe(epochs=6, learning_rate=0.02, average=0.5), dataset, engine=engine)
    network = run.engine().build(run.recipe, dataset.shape, 10, run.weights())
    _, held = dataset.split(0.1, 0)
    right = (run.engine().probabilities(network, held.pictures).argmax(1) == held.labels).mean()
    best = max(epoch.validation_accuracy for epoch in run.history)
    assert right == pytest.approx(best, abs=1e-6)


def test_keep_last_keeps_the_last() -> None:
    run = train(small_recipe(keep="last"), blobs())
    assert run.done is not None
    assert run.done["kept_epoch"] == 3


def test_early_stopping_stops_when_patience_ends(engine: str) -> None:
    recipe = small_recipe(epochs=50, patience=2, learning_rate=0.01, augmentation={})
    run = train(recipe, blobs(), engine=engine)
    assert run.done is not None
    assert run.done["stopped"] == "early"
    history = run.history
    leader = max(history, key=lambda epoch: (epoch.validation_accuracy, -epoch.number))
    assert len(history) == leader.number + 2 < 50


def test_runs_are_numbered_and_listed_in_the_order_they_were_made() -> None:
    for _ in range(2):
        train(small_recipe(epochs=1), blobs(80))
    train(small_recipe(epochs=1), blobs(80), path="elsewhere/mine")
    assert [run.name for run in list_runs()] == ["small-1", "small-2"]
    assert open_run("small-2").path == Path("runs/small-2")
    assert open_run("elsewhere/mine").name == "mine"


def test_opening_what_is_no_run() -> None:
    with pytest.raises(RunError, match='no run "nothing"') as caught:
        open_run("nothing")
    assert "lapel train cnn" in caught.value.hint
    train(small_recipe(epochs=1), blobs(80))
    with pytest.raises(RunError) as caught:
        open_run("smal-1")
    assert caught.value.hint == 'Did you mean "small-1"?'
    Path("empty").mkdir()
    with pytest.raises(RunError, match=r"a folder, but not a run: no recipe.toml"):
        open_run("empty")


def test_a_run_is_not_written_over() -> None:
    train(small_recipe(epochs=1), blobs(80), path="mine")
    with pytest.raises(RunError, match="mine: already there"):
        train(small_recipe(epochs=1), blobs(80), path="mine")


def test_ctrl_c_keeps_what_there_is_and_resume_ends_with_the_same_bits(engine: str) -> None:
    recipe = small_recipe(epochs=4)
    expected = train(recipe, blobs(), engine=engine, path="whole")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, blobs(), engine=engine, path="stopped", watches=[StopAfter(2)])
    run = open_run("stopped")
    assert len(run.history) == 2
    assert run.done is None
    assert run.weights()
    resume(run, blobs())
    assert_same(run, expected)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "muon"])
def test_a_network_with_several_kernels_goes_on_with_what_the_optimizer_remembers(optimizer: str) -> None:
    """Whose numbers lie in memory as the weights do: channels last."""
    layers = [{"kind": "conv", "filters": 8}] * 2 + [{"kind": "global-pool"}, {"kind": "dense"}]
    training = {"epochs": 2, "batch": 16, "optimizer": optimizer, "keep": "last"}
    recipe = parse({"name": "kernels", "layers": layers, "training": training}, "test")
    expected = train(recipe, blobs(48), path="whole")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, blobs(48), path="stopped", watches=[StopAfter(1)])
    assert_same(resume(open_run("stopped"), blobs(48)), expected)


def test_a_run_stopped_before_its_first_epoch_ended_goes_on_too() -> None:
    expected = train(small_recipe(), blobs(), path="whole")
    with pytest.raises(KeyboardInterrupt):
        train(small_recipe(), blobs(), path="stopped", watches=[StopAfter(0)])
    with pytest.raises(RunError, match="no epoch has ended yet"):
        open_run("stopped").weights()
    assert_same(resume(open_run("stopped"), blobs()), expected)


def test_a_complete_run_and_other_pictures_are_refused() -> None:
    run = train(small_recipe(epochs=1), blobs())
    with pytest.raises(RunError, match="this run is complete"):
        resume(run, blobs())
    with pytest.raises(KeyboardInterrupt):
        train(small_recipe(), blobs(), path="stopped", watches=[StopAfter(1)])
    with pytest.raises(RunError, match="fingerprint") as caught:
        resume(open_run("stopped"), blobs(seed=1))
    assert blobs(seed=1).fingerprint[:12] in caught.value.message
    with pytest.raises(RunError, match="a Dataset object"):
        resume(open_run("stopped"))


def test_a_second_process_in_the_same_run_is_refused() -> None:
    run = new_run(small_recipe(), {})
    code = (
        "import sys, time; from lapel.runs import open_run\n"
        f"with open_run({str(run.path.resolve())!r}).locked(): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="another process is training in this run"), run.locked():
            pass
        other.kill()
    with run.locked():  # the lock ended with the process
        pass


def test_a_run_says_whether_a_process_trains_in_it() -> None:
    run = new_run(small_recipe(), {})
    assert not run.running
    with run.locked():
        assert run.running
    assert not run.running


def test_a_folder_of_runs_that_cannot_be_written_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(LapelError, match="runs: a read-only file system") as caught:
        new_run(small_recipe(), {})
    assert "LAPEL_RUNS" in caught.value.hint


def test_a_full_disk_loses_nothing_that_was_there() -> None:
    """A process whose files may not grow past a limit meets it inside a write, as on a full disk."""
    with pytest.raises(KeyboardInterrupt):
        train(small_recipe(epochs=4), blobs(), path="stopped", watches=[StopAfter(2)])
    before = contents(Path("stopped"))
    child = forking().Process(target=_resume_on_a_full_disk, args=(Path("stopped"), Path("said.txt")))
    child.start()
    child.join(600)
    assert child.exitcode == 0
    said = Path("said.txt").read_text()
    assert "no space left" in said
    assert said.endswith("Free some space, then go on with: lapel train --resume stopped")
    assert contents(Path("stopped")) == before
    expected = train(small_recipe(epochs=4), blobs(), path="whole")
    assert_same(resume(open_run("stopped"), blobs()), expected)


def _resume_on_a_full_disk(path: Path, said: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with said.open("w") as file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
        try:
            resume(Run(path), blobs())
        except LapelError as error:
            file.write(str(error))


def test_tensorboard_files_hold_the_history_once_after_a_resume(engine: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(
            small_recipe(),
            blobs(),
            engine=engine,
            path="stopped",
            watches=[StopAfter(2), load_watch("tensorboard")],
        )
    run = resume(open_run("stopped"), blobs(), watches=[load_watch("tensorboard")])
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.tensorboard_folder))
    events.Reload()
    written = [(event.step, event.value) for event in events.Scalars("accuracy/validation")]
    assert [step for step, _ in written] == [1, 2, 3]
    assert [value for _, value in written] == pytest.approx(
        [epoch.validation_accuracy for epoch in run.history]
    )


class Recorder(Watch):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def begin(self, beginning: Beginning) -> None:
        self.told.append(f"begin {beginning.path} after {len(beginning.history)}")

    def epoch(self, epoch: Epoch, seconds: float, best: bool) -> None:
        self.told.append(f"epoch {epoch.number}")

    def end(self) -> None:
        self.told.append("end")


def test_every_watch_is_told_and_ends_in_whatever_way_the_training_does(engine: str) -> None:
    first, second = Recorder(), Recorder()
    with pytest.raises(KeyboardInterrupt):
        train(small_recipe(), blobs(), engine=engine, path="run", watches=[first, StopAfter(1), second])
    assert first.told == second.told == ["begin run after 0", "epoch 1", "end"]
    again = Recorder()
    resume(open_run("run"), blobs(), watches=[again])
    assert again.told == ["begin run after 1", "epoch 2", "epoch 3", "end"]


def test_a_watch_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(LapelError, match='no watch "tensorbord"') as caught:
        load_watch("tensorbord")
    assert caught.value.hint == 'Did you mean "tensorboard"?'


def test_a_training_that_never_beats_chance_says_so_and_what_to_try(engine: str) -> None:
    run = train(small_recipe(), unlearnable(), engine=engine)
    assert run.done is not None
    assert run.done["warning"].startswith("No epoch was better than chance: ")
    assert "learning rate" in run.done["warning"]
    learned = train(small_recipe(learning_rate=0.01, augmentation={}), blobs(), engine=engine)
    assert learned.done is not None
    assert "warning" not in learned.done


def test_a_rate_that_is_far_too_high_is_named() -> None:
    run = train(small_recipe(learning_rate=100), unlearnable())
    assert run.done is not None
    assert "--set training.learning_rate=1e+01" in run.done["warning"]


def unlearnable() -> Dataset:
    """Blobs whose labels say nothing of the pictures."""
    dataset = blobs()
    labels = np.random.default_rng(0).permutation(dataset.train.labels)
    return Dataset("noise", Split(dataset.train.pictures, labels), None, dataset.class_names)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_last_validation_is_what_evaluating_says_to_the_digit(engine: str, precision: str) -> None:
    run = train(small_recipe(average=0.5, keep="last"), blobs(), engine=engine, precision=precision)
    report = evaluate(run, dataset=blobs())
    assert run.done is not None
    assert report.accuracy == run.history[-1].validation_accuracy == run.done["validation_accuracy"]
    assert report.loss == run.history[-1].validation_loss


def test_a_run_goes_on_only_with_its_own_objective() -> None:
    with pytest.raises(KeyboardInterrupt):
        train(small_recipe(), blobs(), path="run", objective=CrossEntropy(0.2), watches=[StopAfter(1)])
    with pytest.raises(RunError, match=r"this run minimises CrossEntropy\(smoothing=0.2") as caught:
        resume(open_run("run"), blobs())
    assert "objective=" in caught.value.hint
    expected = train(small_recipe(), blobs(), path="whole", objective=CrossEntropy(0.2))
    assert_same(resume(open_run("run"), blobs(), objective=CrossEntropy(0.2)), expected)


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("lapel.engines.torch")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtra, match="PyTorch is not installed") as caught:
        load_engine("torch")
    assert caught.value.hint == "Install it with: pip install 'lapel[train]'"


def test_a_network_learns_the_drawn_garments() -> None:
    """End to end: drawn garments, a convolutional network, and fresh garments that it has not seen."""
    dataset = garments(4000, 1000, size=16)
    run = train(load_recipe("cnn", ["training.epochs=8", "training.batch=64"]), dataset)
    network = run.engine().build(run.recipe, dataset.shape, 10, run.weights())
    assert dataset.test is not None
    right = (
        run.engine().probabilities(network, dataset.test.pictures).argmax(1) == dataset.test.labels
    ).mean()
    assert right >= 0.95


KILLS = 3  # for each seed
ENDURING = small_recipe(epochs=24, batch=8, average=0.9)


class Slowly(Watch):
    """Watches a training and makes it take long enough to be killed in the middle."""

    def __init__(self, under_way: Path) -> None:
        self.under_way = under_way

    def begin(self, beginning: Beginning) -> None:
        self.under_way.touch()

    def batch(self, *_: Any) -> None:
        time.sleep(0.01)

    def epoch(self, *_: Any) -> None:
        time.sleep(0.005)


def _train_slowly(engine: str, path: Path, data: Path, under_way: Path, slow_disk: bool) -> None:
    if slow_disk:  # so that a kill meets a file half-written
        sync = os.fsync

        def sync_slowly(handle: int) -> None:
            sync(handle)
            time.sleep(0.03)

        os.fsync = sync_slowly
    if path.exists():
        resume(open_run(path), watches=[Slowly(under_way)])
    else:
        train(ENDURING, data, engine=engine, path=path, watches=[Slowly(under_way)])


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Run]]:
    """The data, and the run of an engine that nobody killed; each is made once."""
    folder = tmp_path_factory.mktemp("unkilled")
    data = folder / "blobs.npz"
    save_data(blobs(1200, size=16), data, "npz")

    def run(engine: str) -> tuple[Path, Run]:
        path = folder / engine
        return data, Run(path) if path.exists() else train(ENDURING, data, engine=engine, path=path)

    return run


@pytest.mark.parametrize("seed", [1, *(pytest.param(more, marks=pytest.mark.long) for more in (2, 3))])
@pytest.mark.parametrize("engine", ["torch", pytest.param("keras", marks=pytest.mark.long)], indirect=True)
def test_kill_9_at_any_moment_and_the_end_is_the_same_to_the_bit(
    seed: int, engine: str, tmp_path: Path, unkilled: Callable[[str], tuple[Path, Run]]
) -> None:
    """A real process, killed over and over: in epochs, across their ends, and inside writes."""
    data, expected = unkilled(engine)
    least = KILLS // 3
    random = np.random.default_rng(seed)
    path, under_way = tmp_path / "killed", tmp_path / "under-way"
    killed = inside_a_write = across_an_end = 0
    for attempt in range(400):
        if killed >= KILLS and inside_a_write >= least and across_an_end >= least:
            break
        under_way.unlink(missing_ok=True)
        child = forking().Process(
            target=_train_slowly, args=(engine, path, data, under_way, attempt % 3 == 1)
        )
        child.start()
        _wait(child, time.monotonic() + 600, under_way.exists)
        deadline = time.monotonic() + random.uniform(0.02, 0.3)
        if attempt % 3 == 0:
            _wait(child, deadline, lambda: False)
        elif attempt % 3 == 1:
            _wait(child, deadline + 5, lambda: any(path.rglob(".*.part")))
        else:
            before = _history_length(path)
            _wait(child, deadline + 5, lambda before=before: _history_length(path) > before)
        if not child.is_alive():
            break
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        killed += 1
        inside_a_write += bool(list(path.rglob(".*.part"))) if path.exists() else 0
        across_an_end += attempt % 3 == 2
    if killed < KILLS:
        raise AssertionError(f"the training ended after {killed} kills: slow it down")
    print(f"killed {killed} times, {inside_a_write} inside a write, {across_an_end} across an epoch's end")
    run = open_run(path)
    if run.done is None:
        resume(run)
    assert inside_a_write >= least
    assert across_an_end >= least
    assert_same(run, expected)
    assert not list(path.rglob(".*.part")), "what killed writers left is swept away"


def _wait(child: Any, deadline: float, seen: Callable[[], bool]) -> None:
    while time.monotonic() < deadline and child.is_alive() and not seen():
        time.sleep(0.001)


def _history_length(path: Path) -> int:
    try:
        return len((path / "history.jsonl").read_text().splitlines())
    except FileNotFoundError:
        return 0


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def assert_same(run: Run, expected: Run) -> None:
    assert (run.path / "history.jsonl").read_bytes() == (expected.path / "history.jsonl").read_bytes()
    if run.weights_path.suffix == ".keras":  # which holds the time of its writing, too
        mine, theirs = run.weights(), expected.weights()
        assert all(mine[name].tobytes() == theirs[name].tobytes() for name in theirs)
    else:
        assert run.weights_path.read_bytes() == expected.weights_path.read_bytes()
    done, ended = run.done, expected.done
    assert done is not None
    assert ended is not None
    for word in ("epochs", "kept_epoch", "validation_accuracy", "stopped"):
        assert done[word] == ended[word]
