"""Features and labels -> a head: softmax regression with a penalty, fitted in numpy alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..calibrate import probabilities_at, temperature_of

Floats = NDArray[np.float64]
Labels = NDArray[np.integer[Any]]

_PENALTIES = (10.0, 1.0, 0.1, 0.01)  # on the squares of weights of standardised features; the best is chosen
_MOST_FOLDS = 5
_STEPS = 200  # of L-BFGS, at most
_FLAT = 3e-5  # no entry of the gradient is larger at the end
_MEMORY = 10  # steps that the next one is made of
_ENOUGH = 1e-4  # of the fall that the slope promises, for a step to be taken


@dataclass(frozen=True)
class Head:
    """The last layer of a network: `weights` (classes, width) and `bias` (classes)."""

    weights: Floats
    bias: Floats

    def logits(self, features: NDArray[np.floating[Any]]) -> Floats:
        """What it answers for features (…, width): (…, classes), before the softmax."""
        answers: Floats = features @ self.weights.T + self.bias
        return answers


@dataclass(frozen=True)
class Learned:
    """A head, and what heads like it answered for photos that they had not learned from.

    `held_out` (views, n, classes) are logits; divided by `temperature` they are calibrated.
    """

    head: Head
    held_out: Floats
    temperature: float
    penalty: float
    folds: int


def learn(
    features: NDArray[np.floating[Any]], labels: Labels, places: NDArray[np.intp] | None = None
) -> Learned:
    """Choose a penalty by cross-validation and fit a head with it.

    `features` are (views, n, width), `labels` (n), from 0 on, two of each at least. The views of a photo lie
    in the same fold, and so do neighbours of a class: photos of one burst are much alike, and would vouch
    for each other. `places` (n) are other folds, from 0 on.
    """
    views, count, width = features.shape
    rows = features.reshape(views * count, width).astype(np.float64)
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    spread[spread < 1e-6 * max(1.0, float(spread.max()))] = np.inf  # what is always the same says nothing
    scaled = (rows - mean) / spread
    if places is None:
        places = _folds(labels, min(_MOST_FOLDS, int(np.bincount(labels).min())))
    folds = int(places.max()) + 1
    best: tuple[float, float, float, Floats] | None = None
    starts: list[Floats | None] = [None] * folds
    for penalty in _PENALTIES:
        answers = np.empty((views, count, int(labels.max()) + 1))
        for fold in range(folds):
            inside = places != fold
            chosen = np.tile(inside, views)
            head, starts[fold] = _fit(scaled[chosen], np.tile(labels[inside], views), penalty, starts[fold])
            answers[:, ~inside] = head.logits(scaled.reshape(features.shape)[:, ~inside])
        heat = temperature_of(answers, labels, doubt=1 / (count + 2))
        loss = _loss_at(answers, labels, heat)
        if best is None or loss < best[0]:
            best = loss, penalty, heat, answers
    assert best is not None
    _, penalty, heat, answers = best
    head, _ = _fit(scaled, np.tile(labels, views), penalty, None)
    weights = head.weights / spread
    return Learned(Head(weights, head.bias - weights @ mean), answers, heat, penalty, folds)


def fit_head(features: NDArray[np.floating[Any]], labels: Labels, penalty: float) -> Head:
    """Softmax regression on features (n, width) as they are; every class weighs the same.

    It minimises the mean cross-entropy and half the penalty times the squares of all weights.
    """
    return _fit(features.astype(np.float64), labels, penalty, None)[0]


def _folds(labels: Labels, folds: int) -> NDArray[np.intp]:
    """The fold of each photo: of every class the first part, the second, and so on."""
    places = np.empty(len(labels), np.intp)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        places[own] = np.arange(len(own)) * folds // len(own)
    return places


def _loss_at(logits: Floats, labels: Labels, temperature: float) -> float:
    shares = probabilities_at(logits, temperature)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(shares, 1e-12)).mean())


def _fit(rows: Floats, labels: Labels, penalty: float, start: Floats | None) -> tuple[Head, Floats]:
    """The head, and the same as one row of numbers, for another fit to start from."""
    width = rows.shape[1]
    classes = int(labels.max()) + 1
    sizes = np.bincount(labels, minlength=classes)
    weight = (1 / (classes * sizes))[labels][:, None]
    target = np.eye(classes)[labels]

    def loss(numbers: Floats) -> tuple[float, Floats]:
        weights, bias = numbers[:-classes].reshape(classes, width), numbers[-classes:]
        logits = rows @ weights.T + bias
        logits -= logits.max(axis=1, keepdims=True)
        powers = np.exp(logits)
        sums = powers.sum(axis=1, keepdims=True)
        surprise = float((weight * (np.log(sums) - (logits * target).sum(axis=1, keepdims=True))).sum())
        off = weight * (powers / sums - target)
        slope = np.concatenate([(off.T @ rows + penalty * weights).ravel(), off.sum(axis=0)])
        return surprise + penalty / 2 * float((weights * weights).sum()), slope

    numbers = _minimise(loss, np.zeros(classes * (width + 1)) if start is None else start)
    return Head(numbers[:-classes].reshape(classes, width), numbers[-classes:]), numbers


def _minimise(loss: Callable[[Floats], tuple[float, Floats]], numbers: Floats) -> Floats:
    """L-BFGS: the last steps and how the slope changed over them stand for the curvature."""
    value, slope = loss(numbers)
    steps: list[tuple[Floats, Floats, float]] = []
    for _ in range(_STEPS):
        if np.abs(slope).max() < _FLAT:
            break
        way = -_curved(slope, steps)
        fall = float(slope @ way)
        length = 1.0 if steps else min(1.0, 1 / float(np.linalg.norm(slope)))
        after, new_slope = loss(numbers + length * way)
        while after > value + _ENOUGH * length * fall and length > 1e-10:
            length /= 2
            after, new_slope = loss(numbers + length * way)
        step, change = length * way, new_slope - slope
        bend = float(step @ change)
        if bend > 1e-12:
            steps = [*steps, (step, change, bend)][-_MEMORY:]
        numbers, value, slope = numbers + step, after, new_slope
    return numbers


def _curved(slope: Floats, steps: list[tuple[Floats, Floats, float]]) -> Floats:
    """The slope, divided by the curvature as far as the last steps tell of it."""
    way = slope.copy()
    shares = []
    for step, change, bend in reversed(steps):
        share = float(step @ way) / bend
        shares.append(share)
        way -= share * change
    if steps:
        _, change, bend = steps[-1]
        way *= bend / float(change @ change)
    for (step, change, bend), share in zip(steps, reversed(shares), strict=True):
        way += (share - float(change @ way) / bend) * step
    return way
