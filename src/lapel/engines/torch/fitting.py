"""Fitting a network: the pictures lie on the device, batches are slices of a permutation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ...data.dataset import Pictures, Split
from ...recipes.plan import multiplications
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
from ..weights import packed
from .augment import augment
from .device import choose_device, choose_precision, choose_threads, using_threads
from .network import Chain
from .optimize import Optimizer


class Fitting:
    """A training under way, one epoch at a time; nothing is learned before the first.

    Everything random in an epoch (order, augmentation, dropout) follows from the seed and the epoch's
    number, so that a training that went on from a kept state is the training that was never stopped.
    """

    def __init__(
        self,
        network: Chain,
        train: Split,
        validation: Split,
        recipe: Recipe,
        *,
        seed: int,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self._place = choose_device(device)
        work = multiplications(network.steps) * recipe.training.batch
        self.device, self.precision = str(self._place), choose_precision(precision, self._place, work)
        self.threads = choose_threads(self._place, work)
        # mypy knows no overload with a memory format
        self._network: Chain = network.to(device=self._place, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._train, self._validation = _on(train, self._place), _on(validation, self._place)
        self._recipe, self._seed = recipe, seed
        self._optimizer = Optimizer(self._network, recipe.training)
        weighed = class_weights(recipe.training, train.labels, network.steps[-1].gives[0])
        self._class_weights = None if weighed is None else torch.from_numpy(weighed).to(self._place)
        self._average = Average(self._network, recipe.training.average) if recipe.training.average else None
        self._per_epoch = -(-len(train) // recipe.training.batch)
        self._rates = learning_rates(recipe.training, recipe.training.epochs * self._per_epoch)
        self._epoch = 0
        check_batch(recipe, network.steps)

    def epoch(self, progress: Progress | None = None) -> Epoch:
        """Fit one epoch more and judge it on the validation pictures.

        Raises LapelError when the loss is no longer a number, or the device has too little memory.
        """
        self._epoch += 1
        devices = [self._place] if self._place.type == "cuda" else []
        with (
            using_threads(self.threads),
            torch.random.fork_rng(devices=devices, device_type="cuda"),
        ):
            torch.manual_seed(mixed_seed(self._seed, self._epoch))
            try:
                loss, accuracy, rate = self._learn(progress)
            except torch.OutOfMemoryError as error:
                raise no_memory(self.device, self._recipe.training.batch) from error
        with self._average.swapped() if self._average else nullcontext():
            validation_loss, validation_accuracy = self._judge()
        return Epoch(self._epoch, loss, accuracy, validation_loss, validation_accuracy, rate)

    def weights(self) -> Weights:
        """The weights that were judged: the averaged ones where the recipe averages."""
        with self._average.swapped() if self._average else nullcontext():
            return weights(self._network)

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
        return {**arrays, "epoch": np.asarray(self._epoch)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go back to a kept state."""
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

    def _learn(self, progress: Progress | None) -> tuple[float, float, float]:
        training = self._recipe.training
        count = len(self._train[1])
        step = (self._epoch - 1) * self._per_epoch
        losses, right, done, rate = 0.0, 0, 0, 0.0
        self._network.train()
        for pictures, labels in self._chunks():
            answers, penalties = [], []
            for batch, truth in zip(
                *(torch.split(part, training.batch) for part in (pictures, labels)), strict=True
            ):
                with self._cast():
                    answer = self._network(batch)
                loss = F.cross_entropy(
                    answer.float(), truth, self._class_weights, label_smoothing=training.label_smoothing
                )
                torch.autograd.backward(loss)
                if training.clip:
                    torch.nn.utils.clip_grad_norm_(self._network.parameters(), training.clip)
                rate = float(self._rates[step])
                self._optimizer.step(rate)
                if self._average:
                    self._average.update(step)
                answers.append(answer.detach())
                penalties.append(loss.detach())
                step += 1
            done += len(labels)
            sizes = torch.tensor([len(answer) for answer in answers], device=self._place)
            losses += float(torch.stack(penalties) @ sizes.float())
            right += int((torch.cat(answers).argmax(1) == labels).sum())
            if not np.isfinite(losses):
                raise no_number(self._epoch, done, count, rate)
            if progress:
                progress(min(done, count), count, losses / done)
        return losses / done, right / done, rate

    def _chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The training pictures in a new order, some batches at a time, changed and scaled."""
        pictures, labels = self._train
        order = torch.randperm(len(labels)).to(self._place)
        random = torch.Generator(self._place)
        random.manual_seed(mixed_seed(self._seed, -self._epoch))
        batch = self._recipe.training.batch
        if len(order) % batch == 1:
            # Batch norm cannot learn from one picture alone: the last of them gets company.
            order = torch.cat((order, order[:1]))
        for which in torch.split(order, batches_at_once(batch, pictures[0].numel()) * batch):
            chunk = scaled(pictures.index_select(0, which))
            yield (
                augment(chunk, self._recipe.augmentation, random).contiguous(
                    memory_format=torch.channels_last
                ),
                labels[which],
            )

    def _judge(self) -> tuple[float, float]:
        pictures, labels = self._validation
        with torch.inference_mode(), self._cast():
            answers = _answers(self._network, pictures)
        loss = float(F.cross_entropy(answers, labels))
        return loss, float((answers.argmax(1) == labels).float().mean())

    def _cast(self) -> torch.autocast:
        return torch.autocast(self._place.type, torch.bfloat16, enabled=self.precision == "bf16")


class Average:
    """A moving average of a network's weights and running figures."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._live = dict(network.state_dict())
        self._decay = decay
        self.values = {name: value.clone() for name, value in self._live.items() if value.is_floating_point()}
        self._pairs = [self._live[name] for name in self.values]

    def update(self, step: int) -> None:
        """Take in what the network holds after this step (0, 1, …)."""
        # The first steps move far: a short memory then, the recipe's own later.
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.values.values()), self._pairs, 1 - decay)

    def restore(self, values: Mapping[str, Tensor]) -> None:
        """Go back to kept values."""
        for name, value in values.items():
            self.values[name].copy_(value)

    def swapped(self) -> _Swap:
        """For a `with` block, in which the network holds the averages."""
        return _Swap(self._pairs, list(self.values.values()))


class _Swap:
    """While it lasts, the network holds the averages."""

    def __init__(self, live: list[Tensor], averages: list[Tensor]) -> None:
        self._live, self._averages = live, averages

    def __enter__(self) -> None:
        self._kept = [value.clone() for value in self._live]
        for value, average in zip(self._live, self._averages, strict=True):
            value.copy_(average)

    def __exit__(self, *_: object) -> None:
        for value, kept in zip(self._live, self._kept, strict=True):
            value.copy_(kept)


def weights(network: Chain) -> Weights:
    """The network's weights by their common names."""
    return {
        name: value.detach().float().cpu().numpy().copy()
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def probabilities(network: Chain, pictures: Pictures) -> NDArray[np.float32]:
    """What the network gives each class, for each picture (n, classes), in fp32."""
    place = next(network.parameters()).device
    with torch.inference_mode():
        answers = _answers(network, torch.from_numpy(pictures).to(place))
        result: NDArray[np.float32] = answers.softmax(1).cpu().numpy()
    return result


def scaled(pictures: Tensor) -> Tensor:
    """uint8 pictures (n, height, width, channels) as numbers from 0 to 1 (n, channels, height, width)."""
    # Seen this way they lie in channels-last memory, and nothing is copied.
    return pictures.mul(1 / 255).permute(0, 3, 1, 2)


def _answers(network: Chain, pictures: Tensor) -> Tensor:
    network.eval()
    return torch.cat([network(scaled(batch)).float() for batch in torch.split(pictures, JUDGED)])


def _on(split: Split, device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(split.pictures).to(device), torch.from_numpy(split.labels).to(device)
