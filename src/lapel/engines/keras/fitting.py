"""Fitting a network: a whole split lies on the device, and a chunk of batches is one call of one graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from functools import partial
from math import prod
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from ...data.dataset import Pictures, Split
from ...errors import LapelError
from ...recipes.plan import multiplications, plan
from ...recipes.schema import Recipe
from ...training.batches import (
    Batch,
    Source,
    batches_at_once,
    passes_of,
    source_of,
    steps_of,
    stream_seed,
    without_lone,
)
from ...training.groups import Rates, check_rates, keeps_statistics, layer_rates, rate_share
from ...training.normalise import numbers_of_shares
from ...training.objective import Objective, keras_objective, recipe_objective
from ...training.refusals import check_batch, no_memory, no_number
from ...training.schedule import learning_rates, mixed_seed
from ...training.threads import Threads, fastest, timed
from ...training.validation import judge, judged_at_once
from ...training.watch import Epoch, Progress
from ..protocol import Weights
from .augment import augment
from .device import backend, choose_device, choose_precision, on
from .device import threads as usual_threads
from .files import archive
from .network import assign, learner, weights, whole
from .optimize import make_optimizer, prepared

_POLICIES = {"fp32": "float32", "bf16": "mixed_bfloat16"}
# Multiplications in one call of the graph, at most: Ctrl-C and progress wait for its end.
_CALL = 20_000_000_000

_Given = tuple[NDArray[Any], ...]  # what a graph takes: the places of pictures, or pictures and truth


class Fitting:
    """A training under way, one epoch at a time; nothing is learned before the first.

    Everything random in an epoch (order, augmentation, dropout) follows from the seed and the epoch's
    number, so that a training that went on from a kept state is the training that was never stopped.
    """

    def __init__(
        self,
        network: keras.Model,
        train: Source,
        validation: Split,
        recipe: Recipe,
        *,
        seed: int,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        objective: Objective | None = None,
    ) -> None:
        shape, classes = network.input_shape[1:], network.output_shape[-1]
        steps, training = plan(recipe, shape, classes), recipe.training
        check_batch(recipe, steps)
        check_rates(training.rates, weights(network))
        labels = train.labels if isinstance(train, Split) else None
        self._objective = keras_objective(objective or recipe_objective(training, labels, classes))
        batch = training.batch
        work = multiplications(steps) * batch
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device, work)
        self._recipe, self._seed, self._epoch = recipe, seed, 0
        self._source = train = source_of(train, batch) if isinstance(train, Split) else train
        self._validation = validation
        self._passes = passes_of(train, training)
        self._per_epoch = steps_of(train, batch) * self._passes
        self._rates = learning_rates(training, training.epochs * self._per_epoch)
        self._chunk = max(1, min(batches_at_once(batch, int(np.prod(shape))), _CALL // max(1, work)))
        dtype = validation.pictures.dtype.name
        self._kept = whole(steps, shape, recipe.name, recipe.normalise, dtype)
        self._ask_kept = backend().asked(self._kept)
        with on(self.device):
            self._network = learner(steps, shape, _POLICIES[self.precision], still=keeps_statistics(training))
            assign(self._network, weights(network))
            self._shares = self._freeze(layer_rates(training, steps))
            if isinstance(train, Split):
                self._pictures = ops.convert_to_tensor(train.pictures)
                self._labels = ops.convert_to_tensor(train.labels.astype(np.int32))
            self._random = keras.random.SeedGenerator(0)
            self._optimizer = make_optimizer(self._network, training, self._rates)
            averaged = self._network.weights if training.average else []
            self._averages = [
                keras.Variable(backend().array(weight.value), trainable=False, dtype="float32")
                for weight in averaged
            ]
        self._graphs: dict[Any, Callable[..., tuple[Any, Any]]] = {}
        self.threads = usual_threads()
        self._pace = self._choose_threads(threads)
        self.threads = self._pace.count

    def epoch(self, progress: Progress | None = None) -> Epoch:
        """Fit one epoch more and judge it on the validation pictures.

        Raises LapelError when the loss is no longer a number, or the device has too little memory.
        """
        self._epoch += 1
        began = time.perf_counter()
        with on(self.device), backend().using_threads(self.threads):
            try:
                loss, accuracy = self._learn(progress)
            except Exception as error:
                if not backend().out_of_memory(error):
                    raise
                raise no_memory(self.device, self._recipe.training.batch) from error
        self._pace.look_again(time.perf_counter() - began, self._per_epoch)
        self.threads = self._pace.count
        assign(self._kept, self.weights())
        probabilities = in_batches(self._kept, self._ask_kept, self._validation.pictures)
        validation_loss, validation_accuracy = judge(probabilities, self._validation.labels)
        rate = float(self._rates[self._epoch * self._per_epoch - 1])
        return Epoch(self._epoch, loss, accuracy, validation_loss, validation_accuracy, rate)

    def weights(self) -> Weights:
        """The weights that were judged: the averaged ones where the recipe averages."""
        return weights(self._network, self._averages or None)

    def adopt(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take these weights for the first ones; only before the first epoch."""
        assign(self._network, weights)
        for average, weight in zip(self._averages, self._network.weights, strict=False):
            average.assign(weight)

    def saved(self) -> bytes:
        """The same weights in the whole network, as a .keras file."""
        assign(self._kept, self.weights())
        return archive(self._kept)

    def state(self) -> Weights:
        """All that is needed to go on from the end of this epoch, and the epoch's number."""
        state = {name: backend().array(variable.value) for name, variable in self._remembered().items()}
        return {**state, "epoch": np.asarray(self._epoch), "threads": np.asarray(self.threads)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go back to a kept state, and on with as many threads as then."""
        self._put_back(state)
        if backend().THREADS_CHANGE and "threads" in state:  # version 0.1 kept none
            self._pace.fix(int(state["threads"]))
            self.threads = self._pace.count

    def _put_back(self, state: Mapping[str, NDArray[Any]]) -> None:
        for name, variable in self._remembered().items():
            variable.assign(state[name])
        self._epoch = int(state["epoch"])

    def _remembered(self) -> dict[str, Any]:
        parts = {
            "network": self._network.weights,
            "optimizer": self._optimizer.variables,
            "average": self._averages,
        }
        return {
            f"{part}/{place}": variable
            for part, variables in parts.items()
            for place, variable in enumerate(variables)
        }

    def _choose_threads(self, count: int | None) -> Threads:
        most = usual_threads()
        if not backend().THREADS_CHANGE:
            return Threads(most)
        if count is not None or self.device != "cpu" or most == 1:
            return Threads(count or most)
        return Threads(most, partial(self._measure, most))

    def _measure(self, most: int) -> tuple[int, float]:
        """One thread or all of them, and the seconds that a step takes; afterwards nothing has changed."""
        kept = self.state()
        try:
            with on(self.device):
                self._seed_anew()
                given = self._first()
                return fastest(timed(lambda: self._call(given), backend().using_threads), most)
        finally:
            self._put_back(kept)

    def _first(self) -> _Given:
        if isinstance(self._source, Split):
            return (np.arange(min(self._recipe.training.batch, len(self._source)), dtype=np.int32)[None],)
        with closing(self._source.epoch(stream_seed(self._seed, 1))) as batches:
            return _given(next(batches))

    def _learn(self, progress: Progress | None) -> tuple[float, float]:
        self._seed_anew()
        losses, right, done, count, step = 0.0, 0, 0, 0, (self._epoch - 1) * self._per_epoch
        with closing(self._chunks()) as chunks:
            for given in chunks:
                count = count or self._count(given[0].shape[1])
                loss, hits = self._call(given)
                losses, right = losses + float(loss), right + int(hits)
                step, done = step + given[0].shape[0], done + given[0].shape[0] * given[0].shape[1]
                if not np.isfinite(losses):
                    raise no_number(self._epoch, done, count, float(self._rates[step - 1]))
                if progress:
                    progress(min(done, count), count, losses / done)
        return losses / done, right / done

    def _count(self, batch: int) -> int:
        """How many pictures an epoch has, told by the size of its first batch."""
        if isinstance(self._source, Split):
            return len(self._source) * self._passes
        return self._per_epoch * batch

    def _chunks(self) -> Generator[_Given]:
        """An epoch's batches, some at a time: the places of their pictures, or pictures and truth."""
        if not isinstance(self._source, Split):
            with closing(self._source.epoch(stream_seed(self._seed, self._epoch))) as batches:
                yield from map(_given, batches)
            return
        random = np.random.default_rng(mixed_seed(self._seed, -self._epoch))
        for _ in range(self._passes):
            yield from self._of_split(self._source, random)

    def _of_split(self, split: Split, random: np.random.Generator) -> Iterator[_Given]:
        batch = self._recipe.training.batch
        order = without_lone(random.permutation(len(split)).astype(np.int32), batch)
        full = order[: len(order) // batch * batch].reshape(-1, batch)
        for start in range(0, len(full), self._chunk):
            yield (full[start : start + self._chunk],)
        if full.size < order.size:
            yield (order[full.size :].reshape(1, -1),)

    def _call(self, given: _Given) -> tuple[Any, Any]:
        """Learn some batches, with the function for their shapes, made when it is first needed."""
        shapes = tuple((array.shape[1:], array.dtype.name) for array in given)
        if shapes not in self._graphs:
            variables = [
                *self._network.variables,
                *self._optimizer.variables,
                *self._averages,
                self._random.state,
            ]
            prepare = self._gather if len(given) == 1 else self._prepare
            self._graphs[shapes] = backend().looped(prepare, self._step, variables, shapes)
        return self._graphs[shapes](*map(ops.convert_to_tensor, given))

    def _gather(self, order: Any) -> tuple[Any, Any]:
        """The pictures at these places, changed and scaled, and their labels; batches stay batches."""
        pictures = ops.take(self._pictures, ops.reshape(order, (-1,)), axis=0)
        pictures = ops.reshape(pictures, (-1, order.shape[1], *self._pictures.shape[1:]))
        return self._prepare(pictures, ops.take(self._labels, order, axis=0))

    def _prepare(self, pictures: Any, truth: Any) -> tuple[Any, Any]:
        """Batches of pictures (batches, n, height, width, channels) changed and scaled, and their truth."""
        shape = pictures.shape[1:]
        flat = ops.reshape(pictures, (-1, *shape[1:]))
        if keras.backend.standardize_dtype(flat.dtype) == "uint8":
            flat = ops.cast(flat, "float32") * (1 / 255)
        flat = augment(flat, self._recipe.augmentation, self._random)
        numbers = numbers_of_shares(flat, self._recipe.normalise, ops.convert_to_tensor)
        return ops.reshape(numbers, (-1, *shape)), truth

    def _step(self, pictures: Any, truth: Any) -> tuple[Any, Any]:
        """Learn one batch: its summed loss and how many answers were right."""
        training, learned = self._recipe.training, self._network.trainable_variables
        answers, loss, gradients = backend().gradients(
            self._network,
            lambda answers: self._objective.keras(ops.cast(answers, "float32"), truth),
            pictures,
        )
        before = {place: ops.copy(learned[place].value) for place in self._shares}
        self._optimizer.apply(prepared(gradients, learned, training), learned)
        for place, value in before.items():
            learned[place].assign(value + (learned[place] - value) * self._shares[place])
        if self._averages:
            # The first steps move far: a short memory then, the recipe's own later.
            step = ops.cast(self._optimizer.iterations, "float32") - 1
            share = 1 - ops.minimum(training.average, (1 + step) / (10 + step))
            for average, weight in zip(self._averages, self._network.weights, strict=True):
                average.assign(average + (weight - average) * share)
        labels = ops.cast(truth if len(truth.shape) == 1 else ops.argmax(truth, -1), "int32")
        right = ops.sum(ops.cast(ops.equal(ops.cast(ops.argmax(answers, -1), "int32"), labels), "int32"))
        return loss * labels.shape[0], right

    def _freeze(self, rates: Rates) -> dict[int, float]:
        """Freeze the layers whose rate is 0; for the weights of the others whose rate is not 1, its share."""
        shares: dict[str, float] = {}
        for layer in self._network.layers if rates else ():
            share = rate_share(layer.name, rates)
            layer.trainable = share > 0
            shares |= {variable.path: share for variable in layer.trainable_variables}
        learned = enumerate(self._network.trainable_variables)
        return {place: shares[one.path] for place, one in learned if shares.get(one.path, 1.0) != 1.0}

    def _seed_anew(self) -> None:
        """Set whatever draws (dropout, augmentation) to this epoch's own seeds."""
        kept = {weight.path for weight in self._network.weights}
        draws = [variable for variable in self._network.variables if variable.path not in kept]
        for place, variable in enumerate([self._random.state, *draws]):
            seed = mixed_seed(mixed_seed(self._seed, self._epoch) + place, self._epoch) & 0x7FFFFFFF
            variable.assign(np.array([seed, 0]))


def in_batches(network: keras.Model, ask: Callable[[Any], Any], pictures: Pictures) -> NDArray[np.float32]:
    """What `ask`, a function of this network, answers to pictures, in fp32."""
    answers = []
    judged = judged_at_once(max(prod(layer.output.shape[1:]) for layer in network.layers))
    for start in range(0, len(pictures), judged):
        answer = ask(ops.convert_to_tensor(pictures[start : start + judged]))
        answers.append(backend().array(ops.cast(answer, "float32")))
    return np.concatenate(answers)


def _given(batch: Batch) -> _Given:
    """A batch of a stream as a graph takes it: a chunk of one."""
    if isinstance(batch.truth, Mapping):
        raise LapelError(
            "The truth of these batches is for a network with several outputs; Keras networks have one.",
            "Train with --engine torch.",
        )
    truth = batch.truth.astype(np.int32 if batch.truth.ndim == 1 else np.float32)
    return batch.pictures[None], truth[None]
