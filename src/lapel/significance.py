"""Whether a difference may be chance, in numpy alone: exact tests, intervals, and many tests at once.

What is drawn is drawn with a fixed seed, so that the same answers give the same figures, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from .errors import LapelError
from .metrics import Z95, Numbers

_Floats = NDArray[np.float64]

_RESAMPLES = 10_000
_EXACT = 100_000  # arrangements up to which all of them are looked at
_SAMPLED = 99_999  # of them, where there are more; with the one that came it makes a round number
_SMALLEST = 1e-12
_ALIKE = 1e-9  # sums of shares that differ by less are the same but for rounding


@dataclass(frozen=True)
class Duel:
    """Two models on the same pictures: how many only one had right, and the chance of such a difference."""

    only_first: int
    only_second: int
    p: float


@dataclass(frozen=True)
class Permuted:
    """The p of a permutation test, of how many arrangements, and whether these were all there are."""

    p: float
    arrangements: int
    exact: bool


def mcnemar(first: Numbers, second: Numbers, labels: Numbers) -> Duel:
    """Compare two models' predictions on the same pictures by McNemar's exact test, two-sided.

    `p` is the probability of a split at least this uneven if both models were equally good; a small one
    (below 0.05, say) means that the difference is hardly chance.
    """
    if not len(first) == len(second) == len(labels) > 0:
        raise LapelError(f"{len(first)} and {len(second)} predictions came for {len(labels)} labels.")
    only_first = int(np.sum((first == labels) & (second != labels)))
    only_second = int(np.sum((first != labels) & (second == labels)))
    return Duel(only_first, only_second, coin_p(only_first, only_second))


def coin_p(heads: int, tails: int) -> float:
    """How often a fair coin falls at least as unevenly as this, in either way.

    >>> coin_p(5, 0)
    0.0625
    """
    tosses = heads + tails
    # Whole numbers keep the tail exact however many pictures differ.
    tail, ways = 0, 1
    for k in range(min(heads, tails) + 1):
        tail += ways
        ways = ways * (tosses - k) // (k + 1)
    return min(1.0, (2 * tail) / (1 << tosses))


def signs_p(gains: Numbers) -> float:
    """How often a sum at least as far from 0 comes, if a fair coin gave each of these whole numbers its sign.

    This is McNemar's exact test where all are -1, 0 and 1, and goes on from it to answers of several networks
    at once. All ways to give signs are counted; what is below 1e-12 counts as that.

    >>> signs_p(np.array([1, 1, 1, 1, 1, 0]))
    0.0625
    """
    sizes, counts = np.unique(np.abs(gains), return_counts=True)
    if not np.issubdtype(gains.dtype, np.integer):
        raise LapelError(f"Signs are given to whole numbers; {gains.dtype} came.")
    if sizes.max(initial=0) <= 1:
        return coin_p(int(np.sum(gains > 0)), int(np.sum(gains < 0)))
    far, total = abs(int(gains.sum())), int(np.abs(gains).sum())
    if far == 0:
        return 1.0
    # The chances of all sums, which lie on a circle long enough that they do not meet, from their transform.
    around = 1 << (2 * total + 1).bit_length()
    angles = 2 * math.pi / around * np.arange(around // 2 + 1)
    transform = np.ones(len(angles))
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        transform *= np.cos(size * angles) ** count
    chances = np.fft.irfft(transform, around)
    # Rounding leaves some 1e-16 in each place, so that the smallest are not to be had this way.
    return min(1.0, max(_SMALLEST, float(chances[far : around - far + 1].sum())))


def paired_interval(only_first: int, only_second: int, pictures: int) -> tuple[float, float]:
    """95 % interval of how much more often the second of two models is right on the same pictures.

    It is Wald's interval of paired shares with Bonett and Price's adjustment (2012), as if each model alone
    had had one more picture right. `only_first` and `only_second` are those of a Duel. Raises LapelError
    where they do not fit `pictures`.

    >>> tuple(round(end, 4) for end in paired_interval(10, 30, 1000))
    (0.0071, 0.0328)
    """
    if min(only_first, only_second) < 0 or only_first + only_second > pictures or pictures < 1:
        raise LapelError(
            f"An interval needs n ≥ 1 pictures, of which some only one model had right, "
            f"not {only_first} and {only_second} of {pictures}."
        )
    count = pictures + 2
    first, second = (only_first + 1) / count, (only_second + 1) / count
    half = Z95 * math.sqrt((first + second - (second - first) ** 2) / count)
    return max(-1.0, second - first - half), min(1.0, second - first + half)


def bootstrap_interval(
    first: NDArray[np.bool_], second: NDArray[np.bool_], seed: int = 0, resamples: int = _RESAMPLES
) -> tuple[float, float]:
    """95 % interval of how much more often the second is right than the first, by drawing anew what came.

    Each is (members, pictures): which networks of it had which pictures right. Pictures are drawn together
    for all, so that they stay paired, and the members of each of the two where there are several. Of n
    members n - 1 are drawn: their mean varies then as much as a mean of n does, which of n it would not.
    """
    # Pictures that the same members have right are alike: how many of each kind come is all that counts.
    both = np.concatenate([first, second])
    kinds, counts = np.unique(both, axis=1, return_counts=True)
    pictures = int(counts.sum())
    if pictures == 0:
        raise LapelError("An interval needs at least one picture; none came.")
    random = np.random.default_rng(seed)
    drawn = random.multinomial(pictures, counts / pictures, resamples)  # (resamples, kinds)
    shares = drawn @ kinds.T.astype(np.float64) / pictures  # (resamples, members of both)
    one, other = shares[:, : len(first)], shares[:, len(first) :]
    differences = _drawn_mean(other, random) - _drawn_mean(one, random)
    low, high = np.quantile(differences, (0.025, 0.975))
    return float(low), float(high)


def _drawn_mean(shares: _Floats, random: np.random.Generator) -> _Floats:
    """The mean of members that are drawn anew in each row."""
    count = shares.shape[1]
    if count == 1:
        return shares[:, 0]
    weights = random.multinomial(count - 1, [1 / count] * count, len(shares))
    return np.asarray((weights * shares).sum(axis=1) / (count - 1))


def permutation_test(
    first: Sequence[float], second: Sequence[float], *, paired: bool = False, seed: int = 0
) -> Permuted:
    """How often the means of two sides are at least as far apart, if it were chance who stands on which side.

    With `paired`, values at the same place change sides with each other alone. All arrangements are looked at
    where they are at most 100,000, else 99,999 of them, drawn with the seed. Raises LapelError for fewer than
    two on a side, and for pairs that are none.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if min(len(one), len(other)) < 2 or (paired and len(one) != len(other)):
        raise LapelError(
            f"A permutation test needs two values or more on each side{', in pairs' if paired else ''}; "
            f"{len(one)} and {len(other)} came."
        )
    random = np.random.default_rng(seed)
    came = float(other.mean() - one.mean())
    found, exact = _swapped(other - one, random) if paired else _dealt(one, other, random)
    far = int(np.sum(np.abs(found) >= abs(came) - _ALIKE))
    if exact:
        return Permuted(far / len(found), len(found), exact=True)
    return Permuted((far + 1) / (len(found) + 1), len(found), exact=False)


def _swapped(gains: _Floats, random: np.random.Generator) -> tuple[_Floats, bool]:
    """The mean gain under each arrangement of signs, and whether these are all."""
    if 2 ** len(gains) <= _EXACT:
        return np.array(list(product((-1.0, 1.0), repeat=len(gains)))) @ gains / len(gains), True
    signs = random.choice((-1.0, 1.0), (_SAMPLED, len(gains)))
    return signs @ gains / len(gains), False


def _dealt(one: _Floats, other: _Floats, random: np.random.Generator) -> tuple[_Floats, bool]:
    """The difference of means for each way to deal all values to the two sides, and whether these are all."""
    values, count = np.concatenate([one, other]), len(one)
    if math.comb(len(values), count) <= _EXACT:
        places = np.array(list(combinations(range(len(values)), count)))
        exact = True
    else:
        places = random.permuted(np.tile(np.arange(len(values)), (_SAMPLED, 1)), axis=1)[:, :count]
        exact = False
    here = values[places].sum(axis=1)
    return (values.sum() - here) / len(other) - here / count, exact


def holm(values: Sequence[float]) -> list[float]:
    """Each p adjusted by Holm's way for being one of several: below 0.05 for one false alarm in 20 in all.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, least = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        least = max(least, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = least
    return adjusted


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean that such values vary about, by Student's t. Needs two values or more."""
    if len(values) < 2:
        raise LapelError(f"An interval of a mean needs two values or more; {len(values)} came.")
    found = np.asarray(values, np.float64)
    half = t_quantile(len(found) - 1) * float(found.std(ddof=1)) / math.sqrt(len(found))
    return float(found.mean()) - half, float(found.mean()) + half


def t_quantile(freedom: int) -> float:
    """What Student's t of these degrees of freedom stays below in 97.5 of 100 cases.

    >>> round(t_quantile(4), 4)
    2.7764
    """
    low, high = 0.0, math.pi / 2  # the angle whose tangent is t / √freedom
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < 0.95 else (low, middle)
    return math.tan(low) * math.sqrt(freedom)


def _within(angle: float, freedom: int) -> float:
    """The chance that Student's t lies between -t and t, by its finite series in the angle."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = (cosine, cosine) if odd else (1.0, 1.0)
    for k in range(2 + odd, freedom - 1, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    if not odd:
        return sine * total
    return 2 / math.pi * (angle + (sine * total if freedom > 1 else 0.0))
