"""Held-out answers -> what makes a network's confidence true: a temperature, or a scale for each class."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .calibrate import probabilities_at, temperature_of

Method = Literal["temperature", "curve", "vector", "vector and curve"]
_METHODS: tuple[Method, ...] = ("temperature", "curve", "vector", "vector and curve")
Floats = NDArray[np.float64]
Labels = NDArray[np.integer[Any]]

_FOLDS = 5
_DOUBT = 2.0  # standard errors by which more numbers must be better
_WORTH = 0.002  # of log loss that it must gain at least
_LEAST = 10  # held-out answers for each class, before anything but a temperature is tried
_MOST_CLASSES = 200  # the work grows with their square
_ROUNDS = 50
_ENOUGH = 1e-9  # of log loss that a further round would gain


@dataclass(frozen=True)
class Scaling:
    """How answers become calibrated ones.

    A temperature divides the network's answers. Otherwise the logarithm x of each probability becomes
    `x * (scale - curve * x) + bias`, with a curve for all classes, which undoes what learning from smoothed
    labels does to the surest answers; with a vector, scale and bias are those of each class, which may change
    labels. Either way softmax follows.
    """

    method: Method = "temperature"
    temperature: float = 1.0
    scale: tuple[float, ...] = ()
    bias: tuple[float, ...] = ()
    curve: float = 0.0
    fitted: int = 0  # on so many answers
    losses: dict[str, float] = field(default_factory=dict)  # cross-validated log loss of each way

    def to_dict(self) -> dict[str, Any]:
        """What a card says of it, beside the temperature."""
        said: dict[str, Any] = {"method": self.method, "fitted": self.fitted, "losses": dict(self.losses)}
        if self.method != "temperature":
            said |= {"scale": list(self.scale), "bias": list(self.bias), "curve": self.curve}
        return said

    def apply(self, logarithms: NDArray[np.floating[Any]]) -> Floats:
        """Calibrated probabilities (n, classes) of logarithms of given ones (n, classes).

        Of several views (views, n, classes) the calibrated probabilities are averaged.
        """
        views = np.asarray(logarithms, np.float64)
        views = views.reshape(-1, *views.shape[-2:])
        if self.method == "temperature":
            return probabilities_at(views, self.temperature)
        table = np.array([self.scale, self.bias])
        return probabilities_at(_scaled(_shares(views), table, self.curve), 1.0)


def logarithms_of(probabilities: NDArray[np.floating[Any]]) -> Floats:
    """The logarithms that a scaling takes; a probability of 0 counts as the smallest float32."""
    logarithms: Floats = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny).astype(np.float64))
    return logarithms


def fit_scaling(logarithms: NDArray[np.floating[Any]], labels: Labels) -> Scaling:
    """Find what brings held-out answers in line with how often they are right.

    `logarithms` (n, classes; or views, n, classes) are those of probabilities, `labels` (n) the right
    classes. Each method is fitted on four fifths of the answers and judged by its log loss on the others,
    five times; one with more numbers is taken where it is better than the one before it by more than two
    standard errors of the difference, and by more than next to nothing, and where it has as many labels
    right: true confidence is not bought with labels. With few answers for each class
    there is only the temperature. The same answers give the same scaling. Raises LapelError as
    `temperature_of`.
    """
    temperature = temperature_of(logarithms, labels)
    views = np.asarray(logarithms, np.float64)
    views = views.reshape(-1, *views.shape[-2:])
    count, classes = views.shape[1:]
    plain = Scaling(temperature=temperature, fitted=count)
    if not 2 <= classes <= _MOST_CLASSES or count < _LEAST * classes:
        return plain
    found = {method: _held_out(views, labels, method) for method in _METHODS}
    best = _METHODS[0]
    for method in _METHODS[1:]:
        gain = found[best].surprise - found[method].surprise
        surely = gain.mean() > max(_WORTH, _DOUBT * gain.std() / np.sqrt(count))
        if surely and found[method].right >= found[best].right:
            best = method
    losses: dict[str, float] = {method: float(one.surprise.mean()) for method, one in found.items()}
    return replace(_fit(views, labels, temperature, best), fitted=count, losses=losses)


class _HeldOut(NamedTuple):
    """What answers came to by scalings that had not seen them."""

    surprise: Floats  # minus the logarithm of what the right class was given (n)
    right: int  # labels


def _held_out(views: Floats, labels: Labels, method: Method) -> _HeldOut:
    # Class by class in turn, so that each fold has as many of each class.
    fold = np.empty(len(labels), np.int64)
    fold[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % _FOLDS
    shares = np.empty(views.shape[1:])
    for number in range(_FOLDS):
        held = fold == number
        learned, right = views[:, ~held], labels[~held]
        shares[held] = _fit(learned, right, temperature_of(learned, right), method).apply(views[:, held])
    given = np.maximum(shares[np.arange(len(labels)), labels], np.finfo(np.float64).tiny)
    return _HeldOut(-np.log(given), int(np.sum(shares.argmax(axis=1) == labels)))


def _fit(views: Floats, labels: Labels, temperature: float, method: Method) -> Scaling:
    if method == "temperature":
        return Scaling(method, temperature)
    table, curve = _fit_table(_shares(views), labels, temperature, _moves(method, views.shape[2]))
    scale, bias = table.tolist()
    return Scaling(method, 1.0, tuple(scale), tuple(bias), curve)


def _moves(method: Method, classes: int) -> Floats:
    """Which of the scales, the biases and the curve (rows) each number that is fitted moves (columns)."""
    every = np.eye(2 * classes + 1)
    if method == "curve":
        return np.stack([every[:, :classes].sum(axis=1), every[:, -1]], axis=1)
    return every[:, :-1] if method == "vector" else every


def _fit_table(x: Floats, labels: Labels, temperature: float, moves: Floats) -> tuple[Floats, float]:
    """Scales and biases (2, classes) and the curve with the least log loss, by Newton's method.

    Each number is held to where the temperature alone has it, as by one normal deviate, so that classes with
    few answers stay there. `moves` is what may change.
    """
    classes = x.shape[2]
    start = np.concatenate([np.full(classes, 1 / temperature), np.zeros(classes + 1)])
    curved = bool(moves[-1].any())
    free = np.ones(moves.shape[1], bool)

    def loss(numbers: Floats) -> float:
        return _loss(x, labels, numbers) + float(np.square(numbers - start).sum()) / (2 * len(labels))

    numbers, now = start, loss(start)
    for _ in range(_ROUNDS):
        slope, bend = _derivatives(x, labels, numbers)
        slope += (numbers - start) / len(labels)
        bend[np.diag_indices_from(bend)] += 1 / len(labels)
        slope, bend = moves.T @ slope, moves.T @ bend @ moves
        if curved:
            # A negative curve would make the least likely classes likely: it stays at 0 or above.
            free[-1] = numbers[-1] > 0 or slope[-1] < 0
        step = _step(slope, bend, free)
        if curved and numbers[-1] < step[-1]:
            if numbers[-1] > 0:
                step *= numbers[-1] / step[-1]
            else:
                free[-1] = False
                step = _step(slope, bend, free)
        length, hoped = 1.0, float(slope @ step)
        while length > 1e-6 and loss(numbers - length * (moves @ step)) > now - 1e-4 * length * hoped:
            length /= 2
        numbers = numbers - length * (moves @ step)
        numbers[-1] = max(numbers[-1], 0.0)
        before, now = now, loss(numbers)
        if before - now < _ENOUGH:
            break
    return numbers[:-1].reshape(2, classes), float(numbers[-1])


def _step(slope: Floats, bend: Floats, free: NDArray[np.bool_]) -> Floats:
    """Newton's step over the numbers that are free."""
    step = np.zeros_like(slope)
    step[free] = np.linalg.solve(bend[np.ix_(free, free)], slope[free])
    return step


def _loss(x: Floats, labels: Labels, numbers: Floats) -> float:
    shares = probabilities_at(_scaled(x, numbers[:-1].reshape(2, -1), numbers[-1]), 1.0)
    given = shares[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(given, np.finfo(np.float64).tiny)).mean())


def _derivatives(x: Floats, labels: Labels, numbers: Floats) -> tuple[Floats, Floats]:
    """The slope of the log loss and how it bends, over scales, biases and the curve.

    With several views each counts as much as it has said of the right class, which bends at least as much.
    """
    count, classes = x.shape[1:]
    scaled = _scaled(x, numbers[:-1].reshape(2, -1), numbers[-1])
    shares = np.stack([probabilities_at(view[None], 1.0) for view in scaled])
    given = np.maximum(shares[:, np.arange(count), labels], np.finfo(np.float64).tiny)
    weight = (given / given.sum(axis=0))[:, :, None] / count
    flat, q, w = (one.reshape(-1, one.shape[2]) for one in (x, shares, weight))
    truth = np.tile(np.eye(classes)[labels], (len(x), 1))
    # What each number moves: the answer of a class by x, by 1, and all answers by -x².
    wrong, square = w * (q - truth), -np.square(flat)
    slope = np.concatenate([(wrong * flat).sum(axis=0), wrong.sum(axis=0), [(wrong * square).sum()]])
    sides = np.concatenate([q * flat, q, (q * square).sum(axis=1, keepdims=True)], axis=1)
    bend = -(sides * w).T @ sides
    own = w * q
    place = np.arange(classes)
    bend[place, place] += (own * np.square(flat)).sum(axis=0)
    bend[place + classes, place + classes] += own.sum(axis=0)
    cross = (own * flat).sum(axis=0)
    bend[place, place + classes] += cross
    bend[place + classes, place] += cross
    for part, moved in ((place, own * flat * square), (place + classes, own * square)):
        bend[part, -1] += moved.sum(axis=0)
        bend[-1, part] += moved.sum(axis=0)
    bend[-1, -1] += (own * np.square(square)).sum()
    return slope, bend


def _shares(views: Floats) -> Floats:
    """Logarithms of probabilities that add up to one, whatever constant the answers have."""
    shifted = views - views.max(axis=-1, keepdims=True)
    exact: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return exact


def _scaled(x: Floats, table: Floats, curve: float) -> Floats:
    scaled: Floats = x * (table[0] - curve * x) + table[1]
    return scaled
