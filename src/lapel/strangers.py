"""How well a run or a model tells the pictures that it knows from others, and by which score best."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .calibrate import probabilities_at
from .curves import precision_recall, roc
from .data import Progress
from .data.dataset import Dataset, Pictures
from .density import Density, fit_density
from .errors import LapelError
from .exporting import card_of
from .judged import Judged, Made, open_judged, sample
from .metrics import Probabilities, accuracy
from .runs import Run
from .splits import SplitName
from .stranger_pictures import Strangers, as_seen, digits, made_strangers, named_strangers
from .tagger import Tagger, scores
from .teaching.trunk import Trunk

CONFIDENCE, ENTROPY, ENERGY, MAHALANOBIS = "max softmax", "entropy", "energy", "Mahalanobis"

SAMPLE = 2000  # validation pictures, and strangers of each kind
_LEARNED = 10_000  # training pictures that the density is of
_AT_ONCE = 256
_KEPT = 0.95  # of the known
_SAME = 1e-3  # between probabilities: more, and the last layer alone does not make them

Scores = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Apart:
    """How one score tells the known pictures from strangers of one kind."""

    score: str
    auroc: float
    aupr: float  # the known are those to be found
    fpr: float  # the share of the strangers that passes where 95 % of the known do


@dataclass(frozen=True)
class StrangerFigures:
    """Strangers of one kind. Of those that we made a score is chosen; by the others it is judged.

    `refused` showed nothing at all, and no figure counts them; nor the `unread`. `accepted` is the share
    that a model would accept today; None of a run, which has no threshold.
    """

    name: str
    pictures: int
    made: bool
    figures: tuple[Apart, ...]
    accepted: float | None = None
    refused: int = 0
    unread: int = 0
    unread_first: str = ""


@dataclass(frozen=True)
class StrangersReport:
    """What was found when known pictures of a split were held against strangers."""

    run: str
    split: str
    dataset: str
    fingerprint: str
    pictures: int
    of: int  # pictures that the split has
    seed: int
    accepted: float | None  # the share of the known that a model accepts
    chosen: str  # the score with the best mean AUROC over the kinds that we made
    kinds: tuple[StrangerFigures, ...]
    unavailable: tuple[tuple[str, str], ...]  # scores that are not to be had, and why
    left_out: tuple[tuple[str, str], ...]  # kinds that were not asked about, and why
    test_looks: int | None = None

    def to_json(self) -> str:
        """All of it as JSON text."""
        return json.dumps(asdict(self), indent=2, allow_nan=False)


def judge_strangers(
    judged: Made | str | Path,
    strangers: Sequence[str] = (),
    *,
    split: SplitName = "validation",
    dataset: Dataset | None = None,
    most: int = SAMPLE,
    seed: int = 0,
    progress: Progress | None = None,
) -> StrangersReport:
    """Hold the pictures of a split against strangers: noise, grey, scrambled and inverted pictures, digits.

    `strangers` are names of datasets, or paths of datasets, of folders of photos and of photos, that are held
    against it, too. MNIST's digits are, where they lie on this machine. Of the validation pictures and of
    each kind of strangers at most `most` are drawn; of the test pictures all are taken, and a run remembers
    the look. The inverted are left out of a run that has learned from inverted garments.

    Raises what `evaluate` raises, and DataError where strangers that were named cannot be had.

    >>> judge_strangers("runs/cnn").chosen  # doctest: +SKIP
    'Mahalanobis'
    """
    one = open_judged(judged, dataset, progress)
    whole = one.held(split)
    held = whole if split == "test" else sample(whole, most, seed)
    scorer = Scorer(one, seed, progress)
    looks = None
    if isinstance(one.made, Run):
        right = accuracy(one.ask(held.pictures).argmax(axis=1), held.labels)
        looks = one.record_look(split, right, len(held))
    inside = scorer.scores(as_seen(held.pictures, one.picture)[0])
    kinds, left_out = _kinds(one, held.pictures, strangers, most, seed, progress)
    found = []
    for done, kind in enumerate(kinds, 1):
        found.append(_figures(one, scorer, inside, kind))
        if progress:
            progress(f"{one.name}: strangers", done, len(kinds))
    made = [kind for kind in found if kind.made]
    chosen = max(inside, key=lambda score: mean(_auroc(kind, score) for kind in made))
    return StrangersReport(
        run=one.name,
        split=split,
        dataset=one.dataset.name,
        fingerprint=one.dataset.fingerprint,
        pictures=len(held),
        of=len(whole),
        seed=seed,
        accepted=_accepted(one, inside),
        chosen=chosen,
        kinds=tuple(found),
        unavailable=tuple(scorer.unavailable.items()),
        left_out=tuple(left_out),
        test_looks=looks,
    )


class Scorer:
    """The scores of pictures as the model sees them; in each, what is known should stand higher.

    `unavailable` says which are not to be had, and why: those that look inside need a network whose last
    dense layer makes the probabilities.
    """

    def __init__(self, judged: Judged, seed: int = 0, progress: Progress | None = None) -> None:
        self.unavailable: dict[str, str] = {}
        self._made, self._ask = judged.made, judged.ask
        self._trunk: Trunk | None = None
        self._density: Density | None = None
        self._alone = False
        learned = sample(judged.learned(), _LEARNED, seed)
        try:
            self._trunk = _trunk(judged)
        except LapelError as error:
            self.unavailable = dict.fromkeys((ENERGY, MAHALANOBIS), error.message)
            return
        features = []
        for start in range(0, len(learned), _AT_ONCE):
            pictures = as_seen(learned.pictures[start : start + _AT_ONCE], judged.picture)[0]
            if not start:
                self._alone = self._decides_alone(pictures)
            features.append(self._trunk.decides(pictures)[0].mean(axis=0))
            if progress:
                progress(f"{judged.name}: features", min(start + _AT_ONCE, len(learned)), len(learned))
        self._density = fit_density(np.concatenate(features), learned.labels)
        if not self._alone:
            self.unavailable[ENERGY] = "its probabilities come of more than its last dense layer"

    def scores(self, pictures: Pictures) -> Scores:
        """Every score that is to be had, (n) each."""
        parts = [
            self._some(pictures[start : start + _AT_ONCE]) for start in range(0, len(pictures), _AT_ONCE)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _some(self, pictures: Pictures) -> Scores:
        inner = self._trunk.decides(pictures) if self._trunk else None
        alone = inner if self._alone else None
        shares, rejected = self._of_logits(alone[1]) if alone else self._answers(pictures)
        safe = np.maximum(shares.astype(np.float64), np.finfo(np.float32).tiny)
        found: Scores = {
            CONFIDENCE: scores(shares, rejected),
            ENTROPY: (safe * np.log(safe)).sum(axis=1),
        }
        if alone:
            found[ENERGY] = _energy(alone[1][..., : shares.shape[1]])
        if inner and self._density:
            found[MAHALANOBIS] = -self._density.distances(inner[0].mean(axis=0))
        return found

    def _answers(self, pictures: Pictures) -> tuple[Probabilities, Probabilities]:
        """The probabilities, and the share of each reject."""
        if isinstance(self._made, Tagger):
            return self._made.answers(pictures)
        return self._ask(pictures), np.zeros((len(pictures), 0), np.float32)

    def _of_logits(self, logits: NDArray[np.float32]) -> tuple[Probabilities, Probabilities]:
        """The same, where the last dense layer alone makes them, but for a temperature."""
        card = self._made.card if isinstance(self._made, Tagger) else None
        rejects = len(card.rejects) if card else 0
        classes = logits.shape[-1] - rejects
        warmth = card.temperature if card else 1.0
        among = probabilities_at(logits[..., :classes], warmth)
        return among, probabilities_at(logits, warmth)[:, classes:]

    def _decides_alone(self, pictures: Pictures) -> bool:
        """Whether what the last dense layer gives is all that the answers are made of."""
        if self._trunk is None or (isinstance(self._made, Tagger) and self._made.card.second_look < 1):
            return False
        pairs = zip(self._of_logits(self._trunk.decides(pictures)[1]), self._answers(pictures), strict=True)
        return all(bool((np.abs(ours - theirs) < _SAME).all()) for ours, theirs in pairs)


def _trunk(judged: Judged) -> Trunk:
    if judged.file is None:
        raise LapelError("its file is not at hand")
    made = judged.made
    return Trunk(judged.file(), made.card if isinstance(made, Tagger) else card_of(made), judged.name)


def _energy(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """The logarithm of the sum of the exponentials of logits (views, n, classes), a mean over views."""
    exact = logits.astype(np.float64)
    most = exact.max(axis=-1, keepdims=True)
    sums: NDArray[np.float64] = (np.log(np.exp(exact - most).sum(axis=-1)) + most[..., 0]).mean(axis=0)
    return sums


def _kinds(
    judged: Judged,
    known: Pictures,
    named: Sequence[str],
    most: int,
    seed: int,
    progress: Progress | None,
) -> tuple[list[Strangers], list[tuple[str, str]]]:
    """Strangers of every kind, as the model sees them, and which were left out."""
    kinds, left_out = [], []
    learned_inverted = isinstance(judged.made, Run) and judged.made.recipe.augmentation.invert > 0
    for kind in made_strangers(known, seed):
        if kind.name == "inverted" and learned_inverted:
            left_out.append((kind.name, "it has learned from inverted garments, so that it knows them"))
            continue
        seen, refused = as_seen(kind.pictures, judged.picture)
        kinds.append(replace(kind, pictures=seen, refused=refused))
    if "mnist" not in named and judged.dataset.name != "mnist":
        found = digits(judged.picture, most, seed)
        if found is None:
            left_out.append(("mnist", "not on this machine; `lapel data get mnist` fetches it"))
        else:
            kinds.append(found)
    kinds += [named_strangers(name, judged.picture, most, seed, progress) for name in named]
    return kinds, left_out


def _figures(judged: Judged, scorer: Scorer, inside: Scores, kind: Strangers) -> StrangerFigures:
    some: dict[str, Any] = {
        "name": kind.name,
        "pictures": len(kind.pictures),
        "made": kind.made,
        "refused": kind.refused,
        "unread": len(kind.unread),
        "unread_first": kind.unread[0] if kind.unread else "",
    }
    if not len(kind.pictures):
        return StrangerFigures(figures=(), **some)
    outside = scorer.scores(kind.pictures)
    figures = tuple(told_apart(name, inside[name], outside[name]) for name in inside)
    return StrangerFigures(figures=figures, accepted=_accepted(judged, outside), **some)


def told_apart(score: str, inside: NDArray[np.float64], outside: NDArray[np.float64]) -> Apart:
    """How well a score tells known pictures from strangers, where the known should have more."""
    scores = np.concatenate([inside, outside])
    known = np.arange(len(scores)) < len(inside)
    curve = roc(scores, known)
    found = precision_recall(scores, known)
    return Apart(score, curve.area, found.average_precision, curve.false_positives_at(_KEPT))


def _accepted(judged: Judged, scores: Scores) -> float | None:
    if not isinstance(judged.made, Tagger):
        return None
    return float((scores[CONFIDENCE] >= judged.made.card.accept).mean())


def _auroc(kind: StrangerFigures, score: str) -> float:
    """The AUROC of a score; strangers that were all refused are told apart."""
    return next((one.auroc for one in kind.figures if one.score == score), 1.0)
