"""Fitting a network: on a split that lies on the device whole, or on a stream of batches."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from math import prod
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...data.dataset import Pictures, Split
from ...data.picture_file import in_file
from ...recipes.plan import multiplications, walk
from ...recipes.schema import Recipe
from ...training.batches import (
    Batch,
    Source,
    batches_at_once,
    labels_of,
    passes_of,
    source_of,
    steps_of,
    stream_seed,
    without_lone,
)
from ...training.groups import check_rates, keeps_statistics, layer_rates, rate_share
from ...training.objective import Objective, recipe_objective, torch_objective
from ...training.refusals import check_batch, no_memory, no_number
from ...training.schedule import learning_rates, mixed_seed
from ...training.threads import Threads, fastest, timed
from ...training.validation import judge, judged_at_once
from ...training.watch import Epoch, Progress
from ..protocol import Network, Weights
from ..weights import packed
from .augment import augment
from .average import Average
from .device import choose_device, choose_precision, using_threads
from .inputs import inputs, inputs_of_shares, shares_of
from .optimize import Optimizer

_Truth: TypeAlias = Tensor | dict[str, Tensor]


class Fitting:
    """A training under way, one epoch at a time; nothing is learned before the first.

    Everything random in an epoch (order, augmentation, dropout) follows from the seed and the epoch's
    number, so that a training that went on from a kept state is the training that was never stopped.
    """

    def __init__(
        self,
        network: Network,
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
        """Begin to fit `network`, a module that says its `steps` and its `normalise`."""
        training, labels = recipe.training, train.labels if isinstance(train, Split) else None
        self._shares = layer_rates(training, network.steps)
        self._place = choose_device(device)
        work = multiplications(network.steps) * training.batch
        self.device, self.precision = str(self._place), choose_precision(precision, self._place, work)
        check_batch(recipe, network.steps)
        check_rates(training.rates, [name for name, _ in network.named_parameters()])
        self._objective = torch_objective(
            objective or recipe_objective(training, labels, network.steps[-1].gives[0])
        )
        self._network = network.to(device=self._place, memory_format=torch.channels_last)
        self._source = train = source_of(train, training.batch) if isinstance(train, Split) else train
        if isinstance(train, Split):
            self._pictures = torch.from_numpy(train.pictures).to(self._place)
            self._truth = torch.from_numpy(train.labels).to(self._place)
        self._validation = on_device(validation.pictures, self._place)
        self._labels = validation.labels
        self._recipe, self._seed = recipe, seed
        self._optimizer = Optimizer(self._network, training, self._shares)
        self._average = Average(self._network, training.average) if training.average else None
        self._passes = passes_of(train, training)
        self._per_epoch = steps_of(train, training.batch) * self._passes
        self._rates = learning_rates(training, training.epochs * self._per_epoch)
        self._epoch = 0
        self.threads = torch.get_num_threads()
        self._pace = self._choose_threads(threads)
        self.threads = self._pace.count

    def epoch(self, progress: Progress | None = None) -> Epoch:
        """Fit one epoch more and judge it on the validation pictures.

        Raises LapelError when the loss is no longer a number, or the device has too little memory.
        """
        self._epoch += 1
        began = time.perf_counter()
        with using_threads(self.threads), self._own_randomness():
            try:
                loss, accuracy, rate = self._learn(progress)
            except torch.OutOfMemoryError as error:
                raise no_memory(self.device, self._recipe.training.batch) from error
        self._pace.look_again(time.perf_counter() - began, self._per_epoch)
        self.threads = self._pace.count
        with self._average.swapped() if self._average else nullcontext():
            validation_loss, validation_accuracy = judge(
                _probabilities(self._network, self._validation), self._labels
            )
        return Epoch(self._epoch, loss, accuracy, validation_loss, validation_accuracy, rate)

    def weights(self) -> Weights:
        """The weights that were judged: the averaged ones where the recipe averages."""
        with self._average.swapped() if self._average else nullcontext():
            return weights(self._network)

    def adopt(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take these weights for the first ones; only before the first epoch."""
        held = self._network.state_dict()
        with torch.no_grad():
            for name, value in weights.items():
                held[name].copy_(torch.from_numpy(value))
        if self._average:
            self._average = Average(self._network, self._recipe.training.average)

    def saved(self) -> bytes:
        """The same weights as a safetensors file."""
        return packed(self.weights(), {"lapel.epoch": str(self._epoch)})

    def state(self) -> Weights:
        """All that is needed to go on from the end of this epoch, and the epoch's number."""
        state = {f"network/{name}": value for name, value in self._network.state_dict().items()}
        state |= {f"optimizer/{name}": value for name, value in self._optimizer.state().items()}
        if self._average:
            state |= {f"average/{name}": value for name, value in self._average.values.items()}
        arrays = {name: value.detach().cpu().numpy().copy() for name, value in state.items()}
        return {**arrays, "epoch": np.asarray(self._epoch), "threads": np.asarray(self.threads)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go back to a kept state, and on with as many threads as then."""
        self._put_back(state)
        if "threads" in state:  # version 0.1 kept none
            self._pace.fix(int(state["threads"]))
            self.threads = self._pace.count

    def _put_back(self, state: Mapping[str, NDArray[Any]]) -> None:
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimizer": {}, "average": {}}
        for name, value in state.items():
            part, slash, word = name.partition("/")
            if slash:
                parts[part][word] = torch.from_numpy(np.array(value)).to(self._place)
        self._network.load_state_dict(parts["network"])
        self._optimizer.restore(parts["optimizer"])
        if self._average:
            self._average.restore(parts["average"])
        self._epoch = int(state["epoch"])

    def _choose_threads(self, count: int | None) -> Threads:
        most = torch.get_num_threads()
        if count is not None or self._place.type != "cpu" or most == 1:
            return Threads(count or most)
        return Threads(most, partial(self._measure, most))

    def _measure(self, most: int) -> tuple[int, float]:
        """One thread or all of them, and the seconds that a step takes; afterwards nothing has changed."""
        kept, step = self.state(), max(0, self._epoch - 1) * self._per_epoch
        try:
            with self._own_randomness():
                self._to_train()
                pictures, truth = self._first()
                return fastest(timed(lambda: self._step(pictures, truth, step), using_threads), most)
        finally:
            self._put_back(kept)

    def _first(self) -> tuple[Tensor, _Truth]:
        if isinstance(self._source, Split):
            some = self._source.take(slice(0, self._recipe.training.batch))
            return self._prepared(Batch(some.pictures, some.labels))
        with closing(self._source.epoch(stream_seed(self._seed, 1))) as batches:
            return self._prepared(next(batches))

    def _learn(self, progress: Progress | None) -> tuple[float, float, float]:
        step = (self._epoch - 1) * self._per_epoch
        losses, right, done, count, rate = 0.0, 0, 0, 0, 0.0
        self._to_train()
        with closing(self._chunks()) as chunks:
            for batches in chunks:
                count = count or self._count(len(batches[0][0]))
                answers, penalties = [], []
                for pictures, truth in batches:
                    answer, loss = self._step(pictures, truth, step)
                    answers.append(answer.detach())
                    penalties.append(loss.detach())
                    step += 1
                rate = float(self._rates[step - 1])
                labels = torch.cat([labels_of(truth) for _, truth in batches])
                done += len(labels)
                sizes = torch.tensor([len(answer) for answer in answers], device=self._place)
                losses += float(torch.stack(penalties) @ sizes.float())
                right += int((torch.cat(answers).argmax(1) == labels).sum())
                if not np.isfinite(losses):
                    raise no_number(self._epoch, done, count, rate)
                if progress:
                    progress(min(done, count), count, losses / done)
        return losses / done, right / done, rate

    def _step(self, pictures: Tensor, truth: _Truth, step: int) -> tuple[Tensor, Tensor]:
        """Learn one batch: what the network answered, and the loss."""
        training = self._recipe.training
        with torch.autocast(self._place.type, torch.bfloat16, enabled=self.precision == "bf16"):
            answers = self._network(pictures)
        if isinstance(answers, dict):
            answers = {name: value.float() for name, value in answers.items()}
            classes = answers["answers"]
        else:
            answers = classes = answers.float()
        loss = self._objective.torch(answers, truth)
        torch.autograd.backward(loss)
        if training.clip:
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), training.clip)
        self._optimizer.step(float(self._rates[step]))
        if self._average:
            self._average.update(step)
        return classes, loss

    def _count(self, batch: int) -> int:
        """How many pictures an epoch has, told by the size of its first batch."""
        if isinstance(self._source, Split):
            return len(self._source) * self._passes
        return self._per_epoch * batch

    def _chunks(self) -> Generator[list[tuple[Tensor, _Truth]]]:
        """An epoch's batches, changed and scaled, some at a time."""
        random = torch.Generator(self._place)
        random.manual_seed(mixed_seed(self._seed, -self._epoch))
        if isinstance(self._source, Split):
            for _ in range(self._passes):
                yield from self._of_split(self._source, random)
            return
        with closing(self._source.epoch(stream_seed(self._seed, self._epoch))) as batches:
            for batch in batches:
                yield [self._prepared(batch, random)]

    def _of_split(self, split: Split, random: torch.Generator) -> Iterator[list[tuple[Tensor, _Truth]]]:
        pictures, labels, batch = self._pictures, self._truth, self._recipe.training.batch
        order = torch.from_numpy(without_lone(torch.randperm(len(split)).numpy(), batch)).to(self._place)
        for which in torch.split(order, batches_at_once(batch, pictures[0].numel()) * batch):
            numbers = self._changed(shares_of(pictures.index_select(0, which)), random)
            yield list(zip(torch.split(numbers, batch), torch.split(labels[which], batch), strict=True))

    def _prepared(self, batch: Batch, random: torch.Generator | None = None) -> tuple[Tensor, _Truth]:
        """A batch on the device: its pictures scaled, and changed where something draws how."""
        shares = shares_of(torch.from_numpy(batch.pictures).to(self._place))
        truth = batch.truth
        if isinstance(truth, Mapping):
            return self._changed(shares, random), {
                name: torch.from_numpy(value).to(self._place) for name, value in truth.items()
            }
        return self._changed(shares, random), torch.from_numpy(truth).to(self._place)

    def _changed(self, shares: Tensor, random: torch.Generator | None) -> Tensor:
        if random is not None:
            shares = augment(shares, self._recipe.augmentation, random)
        return inputs_of_shares(shares, self._network.normalise)

    def _to_train(self) -> None:
        """Put the network in the mode in which it learns; what is frozen keeps its running figures."""
        self._network.train()
        rates, still = self._shares, keeps_statistics(self._recipe.training)
        for name, module in self._network.named_modules() if rates or still else ():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and (
                still or rate_share(name, rates) == 0
            ):
                module.eval()

    @contextmanager
    def _own_randomness(self) -> Iterator[None]:
        devices = [self._place] if self._place.type == "cuda" else []
        with torch.random.fork_rng(devices=devices, device_type="cuda"):
            torch.manual_seed(mixed_seed(self._seed, self._epoch))
            yield


def weights(network: Network) -> Weights:
    """The network's weights by their common names."""
    return {
        name: value.detach().float().cpu().numpy().copy()
        for name, value in network.state_dict().items()
        if value.is_floating_point()  # what counts or points is no weight
    }


def probabilities(network: Network, pictures: Pictures) -> NDArray[np.float32]:
    """What the network gives each class, for each picture (n, classes), in fp32."""
    return _probabilities(network, on_device(pictures, next(network.parameters()).device))


def on_device(pictures: Pictures, place: torch.device) -> Tensor | Pictures:
    """Pictures on the device; those that lie in a file stay there, and are read as they are judged."""
    return torch.from_numpy(pictures).to(place) if in_file(pictures) is None else pictures


def logits(network: Network, pictures: Tensor | Pictures) -> Tensor:
    """What the network answers to pictures (n, height, width, channels), before the softmax."""
    network.eval()
    place = next(network.parameters()).device
    count = judged_at_once(max(prod(step.gives) for step in walk(network.steps)))
    starts = range(0, len(pictures), count)
    with torch.inference_mode():
        levels = (torch.as_tensor(pictures[start : start + count]).to(place) for start in starts)
        parts = [network(inputs(part, network.normalise)) for part in levels]
        answers = [part["answers"] if isinstance(part, dict) else part for part in parts]
        return torch.cat(answers).float()


def _probabilities(network: Network, pictures: Tensor | Pictures) -> NDArray[np.float32]:
    result: NDArray[np.float32] = logits(network, pictures).softmax(1).cpu().numpy()
    return result
