"""How pictures may have been laid out and scaled for a network: the candidates, each tried on pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Pictures
from ..errors import ModelError
from ..metrics import Numbers, log_loss
from ..picture import PictureSpec
from .network import ImportedNetwork

Layout = Literal["hw", "hwc", "chw", "flat"]
Shape = tuple[int, int, int]  # (height, width, channels)
Ending = Literal["probabilities", "shares", "scores"]

_WHOLE = 1e-3  # how far a row of probabilities may be from adding up to one
_GAIN = 0.2  # more right answers with the classes in another order: no network errs so neatly
_SKILL = 0.1  # less than this share of the way from guessing to being always right is no answer


@dataclass(frozen=True)
class Scaling:
    """How pixels become the numbers that a network takes: (pixel − zero) / span."""

    name: str
    zero: float
    span: float

    def __call__(self, pictures: Pictures) -> NDArray[np.float32]:
        """Pixels -> numbers."""
        return (pictures.astype(np.float32) - np.float32(self.zero)) / np.float32(self.span)


def from_mean(mean: float, std: float) -> Scaling:
    """The scaling by a mean and a standard deviation of pixels from 0 to 1."""
    return Scaling(f"{mean:g}/{std:g}", 255 * mean, 255 * std)


PIXELS = Scaling("0-255", 0.0, 1.0)
UNIT = Scaling("0-1", 0.0, 255.0)
# After the plain ones: -1 to 1, Fashion-MNIST's own mean, and MNIST's, which many take along.
SCALINGS = (UNIT, PIXELS, from_mean(0.5, 0.5), from_mean(0.286, 0.353), from_mean(0.1307, 0.3081))


@dataclass(frozen=True)
class Candidate:
    """One way to hand pictures to a network, and how the network did: no figures where it gave no answer."""

    layout: Layout
    shape: tuple[int, ...]  # of one picture, laid out so
    scaling: Scaling
    accuracy: float | None = None
    loss: float | None = None
    ending: Ending = "probabilities"


def read_scaling(text: str) -> Scaling:
    """A scaling by its name: 0-255, 0-1 or MEAN/STD. Raises ModelError where the text is none.

    >>> read_scaling("0.5/0.5").span
    127.5
    """
    for known in (PIXELS, UNIT):
        if text == known.name:
            return known
    number = r"(\d*\.?\d+)"
    found = re.fullmatch(f"{number}/{number}", text.strip())
    if not found or float(found[2]) == 0:
        raise ModelError(
            f'There is no scaling "{text}".',
            "Known: 0-255, 0-1, and MEAN/STD of pixels from 0 to 1, such as 0.5/0.5.",
        )
    return from_mean(float(found[1]), float(found[2]))


def shape_in(layout: Layout, shape: Shape) -> tuple[int, ...]:
    """The shape of one picture, laid out so."""
    height, width, channels = shape
    match layout:
        case "hw":
            return height, width
        case "hwc":
            return shape
        case "chw":
            return channels, height, width
        case "flat":
            return (height * width * channels,)


def lay_out(pictures: Pictures, layout: Layout) -> Pictures:
    """Pictures (n, height, width, channels), laid out so."""
    turned = pictures.transpose(0, 3, 1, 2) if layout == "chw" else pictures
    return turned.reshape(len(pictures), *shape_in(layout, cast(Shape, pictures.shape[1:])))


def read_layout(text: str) -> Layout:
    """A layout by its name. Raises ModelError where there is none."""
    if text not in get_args(Layout):
        raise ModelError(f'There is no layout "{text}".', f"Known: {', '.join(get_args(Layout))}.")
    return cast(Layout, text)


def picture_of(network: ImportedNetwork, size: int | None = None) -> PictureSpec | None:
    """What photographs are to become for a network, by what it says of its input.

    `size` is theirs where the network takes any; None is given where nobody says it. Raises ModelError where
    the network takes pictures that are not square, or of another size.
    """
    height, width, channels = _sides(network.takes[1:] if network.takes else ())
    if height is not None and width is not None and height != width:
        raise ModelError(
            f"{network.source}: takes pictures of {height}×{width}, but those of a model are square.",
            "Bring it to square pictures, with a layer before it, and save it again.",
        )
    fixed = height or width
    if fixed and size not in (None, fixed):
        raise ModelError(
            f"{network.source}: takes pictures of {fixed}×{fixed}; the size {size} was asked for.",
            "Leave --size out: the file says its size.",
        )
    return PictureSpec(sized, channels or 1) if (sized := fixed or size) else None


def _sides(takes: Sequence[int | None]) -> tuple[int | None, int | None, int | None]:
    """Height, width and channels of what a network takes, None where it takes any or does not say."""
    match takes:
        case (int(count),):
            for channels in (1, 3):
                side = math.isqrt(count // channels)
                if side * side * channels == count:
                    return side, side, channels
            return None, None, None
        case (height, width):
            return height, width, 1
        case (1 | 3 as channels, height, width) if width not in (1, 3):
            return height, width, channels
        case (height, width, channels):
            return height, width, channels
    return None, None, None


def layouts(network: ImportedNetwork, shape: Shape, asked: Layout | None = None) -> list[Layout]:
    """The layouts in which a network may take pictures of `shape`, by what it says of its input.

    Raises ModelError where there is none: the network takes something else than these pictures.
    """
    possible: list[Layout] = [
        name for name in get_args(Layout) if (name != "hw" or shape[2] == 1) and asked in (None, name)
    ]
    takes = network.takes
    fit = [name for name in possible if takes is None or _fits(takes[1:], shape_in(name, shape))]
    if not fit:
        taken = describe_shape(takes[1:]) if takes else "anything"
        known = " or ".join(describe_shape(shape_in(name, shape)) for name in possible)
        raise ModelError(
            f"{network.source}: takes inputs of shape {taken}; the pictures have {known or 'another one'}.",
            "Give the dataset that it was trained for with --data."
            if asked is None
            else "Leave --layout out: the file says its layout.",
        )
    return fit


def try_ways(
    ask: Callable[[Layout, Scaling], NDArray[np.float32]],
    ways: Sequence[tuple[Layout, Scaling]],
    shape: Shape,
    labels: Numbers,
    classes: int,
    source: str,
) -> list[Candidate]:
    """Try every way of handing the pictures over, and say how often the answers agree with `labels`.

    Raises ModelError where the answers are not one number for each class, or no way gives any.
    """
    found, failure = [], None
    for layout, scaling in ways:
        candidate = Candidate(layout, shape_in(layout, shape), scaling)
        try:
            answers = ask(layout, scaling)
        except Exception as error:  # every framework has its own, and any of them means: not this way
            failure = error
        else:
            _check(answers, classes, source)
            if np.isfinite(answers).all():
                candidate = _judge(candidate, answers, labels)
        found.append(candidate)
    if all(candidate.accuracy is None for candidate in found):
        why = f" ({(str(failure).splitlines() or ['no reason given'])[0][:200]})" if failure else ""
        raise ModelError(f"{source}: gives no answer to the pictures{why}.", "Is this the right file?")
    return found


def best(candidates: Sequence[Candidate], pictures: int) -> Candidate:
    """The candidate that is right most often; of those as good but for chance, the one of the lowest loss.

    Many networks find the class at any scale; it is their sureness that only the right scale leaves right.
    """
    answered = [candidate for candidate in candidates if candidate.accuracy is not None]
    most = max(candidate.accuracy or 0.0 for candidate in answered)
    chance = 2 * math.sqrt(most * (1 - most) / pictures)
    near = [candidate for candidate in answered if (candidate.accuracy or 0.0) >= most - chance]
    return min(near, key=lambda candidate: (candidate.loss, -(candidate.accuracy or 0.0)))


def guesses(candidate: Candidate, classes: int) -> bool:
    """Whether a candidate is hardly better than guessing."""
    chance = 1 / classes
    return (candidate.accuracy or 0.0) < chance + _SKILL * (1 - chance)


def other_order(answers: NDArray[np.float32], labels: Numbers) -> list[int] | None:
    """The dataset's class that each of the network's answers stands for, where these are in another order.

    None where the order is the dataset's, or the answers do not tell.
    """
    classes = answers.shape[1]
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (answers.argmax(axis=1), labels), 1)
    meant = counts.argmax(axis=1)
    gain = (counts.max(axis=1).sum() - np.trace(counts)) / len(labels)
    return [int(place) for place in meant] if len(set(meant)) == classes and gain > _GAIN else None


def ending_of(answers: NDArray[np.float32]) -> Ending:
    """What a network's answers are, so that they can be made probabilities.

    Probabilities add up to one. Shares lie between 0 and 1 each for itself (a sigmoid in the end) and are
    divided by their sum. All else are scores, for softmax; it leaves the logarithms of probabilities right.
    """
    if answers.min() < 0 or answers.max() > 1 + _WHOLE:
        return "scores"
    return "probabilities" if np.abs(answers.sum(axis=1) - 1).max() < _WHOLE else "shares"


def probabilities(answers: NDArray[np.float32], ending: Ending) -> NDArray[np.float32]:
    """A network's answers as probabilities."""
    match ending:
        case "probabilities":
            return answers
        case "shares":
            total: NDArray[np.float32] = np.maximum(answers.sum(axis=1, keepdims=True), 1e-12)
            return answers / total
        case "scores":
            powers = np.exp(answers - answers.max(axis=1, keepdims=True))
            return cast(NDArray[np.float32], powers / powers.sum(axis=1, keepdims=True))


def _judge(candidate: Candidate, answers: NDArray[np.float32], labels: Numbers) -> Candidate:
    ending = ending_of(answers)
    return Candidate(
        candidate.layout,
        candidate.shape,
        candidate.scaling,
        float(np.mean(answers.argmax(axis=1) == labels)),
        log_loss(probabilities(answers, ending), labels),
        ending,
    )


def _check(answers: NDArray[np.float32], classes: int, source: str) -> None:
    if answers.ndim != 2:
        raise ModelError(
            f"{source}: gives answers of shape {describe_shape(answers.shape[1:])} for a picture; "
            "expected one number for each class.",
            "Is this the right file?",
        )
    if answers.shape[1] != classes:
        raise ModelError(
            f"{source}: gives {answers.shape[1]} numbers for a picture, but there are {classes} classes.",
            "Name its classes with --classes, or give the dataset that it was trained for with --data.",
        )


def _fits(takes: Sequence[int | None], shape: tuple[int, ...]) -> bool:
    return len(takes) == len(shape) and all(
        one is None or one == other for one, other in zip(takes, shape, strict=True)
    )


def describe_shape(shape: Sequence[int | None]) -> str:
    """A shape as messages show it; a length that may be anything is any."""
    sides = ["any" if side is None else str(side) for side in shape]
    return f"({', '.join(sides)}{',' if len(sides) == 1 else ''})"
