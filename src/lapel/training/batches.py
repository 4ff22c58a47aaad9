"""Where training pictures come from: a whole split, which lies on the device, or a stream of batches."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Split
from ..data.picture_file import in_file
from ..errors import DataError
from ..recipes.schema import Training
from .schedule import mixed_seed

# Pictures are gathered, changed and scaled some batches at a time: at most so many bytes, and so many.
_CHUNK = 1 << 24
_AT_ONCE = 4096
_AHEAD = 4  # batches that a stream makes before they are asked for
_TICK = 0.1  # seconds after which a stream's thread looks whether it is still needed

Truth: TypeAlias = NDArray[Any] | Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures to learn from together, and what is to be answered.

    `pictures` (n, height, width, channels) are levels (uint8), or shares of white from 0 to 1 (float32).
    `truth` is what the objective wants: labels (n; int64), shares of the classes (n, classes; float32), or
    several such by the name of the output that they are for; "answers" are those of the classes.
    """

    pictures: NDArray[np.uint8] | NDArray[np.float32]
    truth: Truth


class Batches(Protocol):
    """A source of batches: each epoch, so many of them."""

    steps: int  # batches in an epoch

    def epoch(self, seed: int) -> Generator[Batch]:
        """The batches of an epoch, `steps` of them; the same seed draws the same ones."""


Source: TypeAlias = Split | Batches


class Stream:
    """Batches that somebody draws, on a thread that is a few of them ahead.

    `draw` is given a seed for each epoch and yields at least `steps` batches; whatever it draws at random
    must follow from that seed alone. What it raises is raised where the batches are taken.

    >>> stream = Stream(lambda seed: draw_scenes(seed), steps=100)  # doctest: +SKIP
    """

    def __init__(self, draw: Callable[[int], Iterable[Batch]], steps: int, *, ahead: int = _AHEAD) -> None:
        self.steps = steps
        self._draw, self._ahead = draw, ahead

    def epoch(self, seed: int) -> Generator[Batch]:
        """The batches of an epoch. Raises DataError where fewer come than were promised."""
        batches: Iterator[Batch] = iter(self._draw(seed))
        with closing(_ahead(batches, self._ahead)) as waiting:
            for place in range(self.steps):
                batch = next(waiting, None)
                if batch is None:
                    raise DataError(
                        f"The stream of training pictures ended after {place} of {self.steps} batches.",
                        "Promise fewer steps, or let it go on from the beginning.",
                    )
                yield batch


def read_in_order(
    count: int, batch: int, read: Callable[[NDArray[np.intp]], Batch], *, ahead: int = _AHEAD
) -> Stream:
    """A stream of all of `count` pictures in a new order each epoch; `read` fetches those at some places."""

    def draw(seed: int) -> Iterator[Batch]:
        order = without_lone(np.random.default_rng(seed).permutation(count), batch)
        return (read(order[start : start + batch]) for start in range(0, count, batch))

    return Stream(draw, -(-count // batch), ahead=ahead)


def steps_of(source: Source, batch: int) -> int:
    """How many batches of a size an epoch has."""
    return -(-len(source) // batch) if isinstance(source, Split) else source.steps


def passes_of(source: Source, training: Training) -> int:
    """How often an epoch goes through its pictures, so that there are as many steps as the recipe asks for.

    A stream decides for itself how long its epochs are.
    """
    whole = training.epochs * steps_of(source, training.batch)
    return max(1, -(-training.steps // whole)) if isinstance(source, Split) else 1


def source_of(split: Split, batch: int) -> Source:
    """The split itself, which is to lie on the device; where its pictures lie in a file, a stream of them."""
    if in_file(split.pictures) is None:
        return split

    def read(places: NDArray[np.intp]) -> Batch:
        return Batch(split.pictures[places], split.labels[places])

    return read_in_order(len(split), batch, read)


def without_lone(order: NDArray[Any], batch: int) -> NDArray[Any]:
    """An order of pictures whose last batch is not one picture alone, which batch norm cannot learn from."""
    return np.append(order, order[:1]) if len(order) % batch == 1 else order


def stream_seed(seed: int, epoch: int) -> int:
    """The seed of a stream's epoch: another one than those of dropout and augmentation."""
    return mixed_seed(mixed_seed(seed, epoch), -epoch)


def batches_at_once(batch: int, numbers: int) -> int:
    """How many batches of pictures (of so many numbers each) are gathered and changed together."""
    return max(1, min(_CHUNK // numbers, _AT_ONCE) // batch)


def labels_of(truth: Any) -> Any:
    """The labels (n) in a truth, of whatever framework: where it is shares of the classes, the largest."""
    answers = truth["answers"] if isinstance(truth, Mapping) else truth
    return answers if answers.ndim == 1 else answers.argmax(1)


def _ahead(batches: Iterator[Batch], count: int) -> Generator[Batch]:
    """The same batches, drawn by a thread that is at most `count` ahead; it ends when this is closed."""
    queue: Queue[Batch | BaseException | None] = Queue(count)
    unwanted = Event()

    def hand_over(item: Batch | BaseException | None) -> None:
        while not unwanted.is_set():
            with suppress(Full):
                queue.put(item, timeout=_TICK)
                return

    def work() -> None:
        try:
            for batch in batches:
                hand_over(batch)
                if unwanted.is_set():
                    return
            hand_over(None)
        except BaseException as error:
            hand_over(error)
        finally:
            if isinstance(batches, Generator):
                batches.close()

    thread = Thread(target=work, name="lapel-batches", daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        unwanted.set()
        with suppress(Empty):  # room for a thread that waits to hand over, so that it goes on at once
            while True:
                queue.get_nowait()
        thread.join()
