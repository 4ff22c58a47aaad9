"""Fitting a network: the pictures lie on the device, and a chunk of batches is one call of one graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from ...data.dataset import Pictures, Split
from ...recipes.plan import multiplications, plan
from ...recipes.schema import Recipe
from ..protocol import Epoch, Progress, Weights
from ..training import (
    JUDGED,
    batches_at_once,
    check_batch,
    class_weights,
    learning_rates,
    mixed_seed,
    no_memory,
    no_number,
)
from .augment import augment
from .device import backend, choose_device, choose_precision, on
from .files import archive
from .network import assign, learner, weights, whole
from .optimize import make_optimizer, prepared

_POLICIES = {"fp32": "float32", "bf16": "mixed_bfloat16"}
# Multiplications in one call of the graph, at most: Ctrl-C and progress wait for its end.
_CALL = 20_000_000_000


class Fitting:
    """A training under way, one epoch at a time; nothing is learned before the first.

    Everything random in an epoch (order, augmentation, dropout) follows from the seed and the epoch's
    number, so that a training that went on from a kept state is the training that was never stopped.
    """

    def __init__(
        self,
        network: keras.Model,
        train: Split,
        validation: Split,
        recipe: Recipe,
        *,
        seed: int,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        shape, classes = network.input_shape[1:], network.output_shape[-1]
        steps = plan(recipe, shape, classes)
        check_batch(recipe, steps)
        batch = recipe.training.batch
        work = multiplications(steps) * batch
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device, work)
        self.threads = backend().choose_threads(self.device, work)
        self._recipe, self._seed, self._epoch = recipe, seed, 0
        self._count, self._per_epoch = len(train), -(-len(train) // batch)
        self._rates = learning_rates(recipe.training, recipe.training.epochs * self._per_epoch)
        self._chunk = max(1, min(batches_at_once(batch, int(np.prod(shape))), _CALL // max(1, work)))
        self._kept = whole(steps, shape, recipe.name)
        weighed = class_weights(recipe.training, train.labels, classes)
        with on(self.device):
            self._network = learner(steps, shape, _POLICIES[self.precision])
            assign(self._network, weights(network))
            self._pictures = ops.convert_to_tensor(train.pictures)
            self._labels = ops.convert_to_tensor(train.labels.astype(np.int32))
            self._validation = validation
            self._weighed = None if weighed is None else ops.convert_to_tensor(weighed)
            self._random = keras.random.SeedGenerator(0)
            self._optimizer = make_optimizer(self._network, recipe.training, self._rates)
            averaged = self._network.weights if recipe.training.average else []
            self._averages = [
                keras.Variable(backend().array(weight.value), trainable=False, dtype="float32")
                for weight in averaged
            ]
        self._ask = backend().asked(self._network)
        self._graphs: dict[int, Callable[[Any], tuple[Any, Any]]] = {}

    def epoch(self, progress: Progress | None = None) -> Epoch:
        """Fit one epoch more and judge it on the validation pictures.

        Raises LapelError when the loss is no longer a number, or the device has too little memory.
        """
        self._epoch += 1
        with on(self.device), backend().using_threads(self.threads):
            try:
                loss, accuracy = self._learn(progress)
            except Exception as error:
                if not backend().out_of_memory(error):
                    raise
                raise no_memory(self.device, self._recipe.training.batch) from error
            with self._averaged():
                validation_loss, validation_accuracy = self._judge()
        rate = float(self._rates[self._epoch * self._per_epoch - 1])
        return Epoch(self._epoch, loss, accuracy, validation_loss, validation_accuracy, rate)

    def weights(self) -> Weights:
        """The weights that were judged: the averaged ones where the recipe averages."""
        return weights(self._network, self._averages or None)

    def saved(self) -> bytes:
        """The same weights in the whole network, as a .keras file."""
        assign(self._kept, self.weights())
        return archive(self._kept)

    def state(self) -> Weights:
        """All that is needed to go on from the end of this epoch, and the epoch's number."""
        state = {name: backend().array(variable.value) for name, variable in self._remembered().items()}
        return {**state, "epoch": np.asarray(self._epoch)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go back to a kept state."""
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

    def _learn(self, progress: Progress | None) -> tuple[float, float]:
        batch = self._recipe.training.batch
        self._seed_anew()
        losses, right, done = 0.0, 0, 0
        for order in self._orders(batch):
            loss, hits = self._graph(order.shape[1])(ops.convert_to_tensor(order))
            losses, right, done = losses + float(loss), right + int(hits), done + order.size
            if not np.isfinite(losses):
                step = (self._epoch - 1) * self._per_epoch + (done - 1) // batch
                raise no_number(self._epoch, done, self._count, float(self._rates[step]))
            if progress:
                progress(min(done, self._count), self._count, losses / done)
        return losses / done, right / done

    def _orders(self, batch: int) -> Iterator[NDArray[np.int32]]:
        """The places of the pictures in a new order, some batches at a time: (batches, pictures a batch)."""
        random = np.random.default_rng(mixed_seed(self._seed, -self._epoch))
        order = random.permutation(self._count).astype(np.int32)
        if len(order) % batch == 1:
            # Batch norm cannot learn from one picture alone: the last of them gets company.
            order = np.append(order, order[:1])
        full = order[: len(order) // batch * batch].reshape(-1, batch)
        for start in range(0, len(full), self._chunk):
            yield full[start : start + self._chunk]
        if full.size < order.size:
            yield order[full.size :].reshape(1, -1)

    def _graph(self, batch: int) -> Callable[[Any], tuple[Any, Any]]:
        """The function that learns from batches of this size, made when it is first needed."""
        if batch not in self._graphs:
            variables = [
                *self._network.variables,
                *self._optimizer.variables,
                *self._averages,
                self._random.state,
            ]
            self._graphs[batch] = backend().looped(self._prepare, self._step, variables, batch)
        return self._graphs[batch]

    def _prepare(self, order: Any) -> tuple[Any, Any]:
        """The pictures at these places, changed and scaled, and their labels; batches stay batches."""
        pictures = ops.take(self._pictures, ops.reshape(order, (-1,)), axis=0)
        pictures = ops.cast(pictures, "float32") * (1 / 255)
        pictures = augment(pictures, self._recipe.augmentation, self._random)
        batches = ops.reshape(pictures, (-1, order.shape[1], *self._pictures.shape[1:]))
        return batches, ops.take(self._labels, order, axis=0)

    def _step(self, pictures: Any, labels: Any) -> tuple[Any, Any]:
        """Learn one batch: its summed loss and how many answers were right."""
        training, learned = self._recipe.training, self._network.trainable_variables
        answers, loss, gradients = backend().gradients(
            self._network, lambda answers: self._penalty(answers, labels), pictures
        )
        self._optimizer.apply(prepared(gradients, learned, training), learned)
        if self._averages:
            # The first steps move far: a short memory then, the recipe's own later.
            step = ops.cast(self._optimizer.iterations, "float32") - 1
            share = 1 - ops.minimum(training.average, (1 + step) / (10 + step))
            for average, weight in zip(self._averages, self._network.weights, strict=True):
                average.assign(average + (weight - average) * share)
        right = ops.sum(ops.cast(ops.equal(ops.cast(ops.argmax(answers, -1), "int32"), labels), "int32"))
        return loss * labels.shape[0], right

    def _penalty(self, answers: Any, labels: Any) -> Any:
        """Cross-entropy, with the recipe's label smoothing and class weights."""
        smooth, classes = self._recipe.training.label_smoothing, answers.shape[-1]
        logs = ops.log_softmax(ops.cast(answers, "float32"))
        truth = ops.one_hot(labels, classes, dtype="float32") * (1 - smooth) + smooth / classes
        if self._weighed is None:
            return -ops.sum(truth * logs) / labels.shape[0]
        return -ops.sum(truth * logs * self._weighed) / ops.sum(ops.take(self._weighed, labels))

    def _judge(self) -> tuple[float, float]:
        pictures, labels = self._validation.pictures, self._validation.labels
        answers = in_batches(self._ask, pictures, 1 / 255)
        logs = answers - answers.max(1, keepdims=True)
        logs -= np.log(np.exp(logs).sum(1, keepdims=True))
        loss = -float(logs[np.arange(len(labels)), labels].mean())
        return loss, float((answers.argmax(1) == labels).mean())

    def _seed_anew(self) -> None:
        """Set whatever draws (dropout, augmentation) to this epoch's own seeds."""
        kept = {weight.path for weight in self._network.weights}
        draws = [variable for variable in self._network.variables if variable.path not in kept]
        for place, variable in enumerate([self._random.state, *draws]):
            seed = mixed_seed(mixed_seed(self._seed, self._epoch) + place, self._epoch) & 0x7FFFFFFF
            variable.assign(np.array([seed, 0]))

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """While it lasts, the network holds the averages, where there are any."""
        averaged = self._network.weights if self._averages else []
        kept = [backend().array(weight.value) for weight in averaged]
        for weight, average in zip(averaged, self._averages, strict=True):
            weight.assign(average)
        yield
        for weight, value in zip(averaged, kept, strict=True):
            weight.assign(value)


def in_batches(
    ask: Callable[[Any], Any], pictures: Pictures, scale: float | None = None
) -> NDArray[np.float32]:
    """What `ask` answers to pictures (to their numbers times `scale`, if given), in fp32."""
    answers = []
    for start in range(0, len(pictures), JUDGED):
        part = ops.convert_to_tensor(pictures[start : start + JUDGED])
        answer = ask(part if scale is None else ops.cast(part, "float32") * scale)
        answers.append(backend().array(ops.cast(answer, "float32")))
    return np.concatenate(answers)
