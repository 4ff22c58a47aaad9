"""Probabilities by networks that had not learned from the pictures -> which labels are doubtful.

This is confident learning (Northcutt, Jiang & Chuang 2021) as cleanlab does it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Labels
from ..errors import MissingExtra
from ..metrics import Probabilities, auroc, check_answers, confusion_matrix


@dataclass(frozen=True, eq=False)
class LabelDoubts:
    """What is thought of each label (n).

    `score` is the probability of the label that was given: the lower, the more doubtful. `rank` counts from
    1, the most doubtful. `suggested` is the most probable label, `doubtful` says which are thought to be
    wrong.
    """

    score: NDArray[np.float32]
    rank: NDArray[np.int64]
    suggested: Labels
    doubtful: NDArray[np.bool_]


@dataclass(frozen=True)
class Overlap:
    """Two classes that are taken for each other: of their `pictures`, `mistaken` so many.

    `auroc` says how well the probabilities tell the two apart: 1 always, 0.5 not at all.
    """

    first: str
    second: str
    pictures: int
    mistaken: int
    auroc: float


def find_doubtful(labels: Labels, probabilities: Probabilities) -> LabelDoubts:
    """Judge the labels (n) by probabilities (n, classes). Raises MissingExtra without cleanlab."""
    check_answers(probabilities, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what cleanlab imports, and of classes without pictures
        try:
            from cleanlab.filter import find_label_issues
            from cleanlab.rank import get_label_quality_scores
        except ModuleNotFoundError as error:
            raise MissingExtra("cleanlab, which labels are judged with,", "audit") from error
        score = get_label_quality_scores(labels, probabilities, method="self_confidence")
        doubtful = find_label_issues(labels, probabilities, filter_by=_FILTER, n_jobs=1)
    suggested = probabilities.argmax(axis=1)
    rank = np.empty(len(labels), np.int64)
    rank[np.argsort(score, kind="stable")] = np.arange(1, len(labels) + 1)
    return LabelDoubts(
        np.asarray(score, np.float32), rank, suggested, np.asarray(doubtful & (suggested != labels))
    )


def find_overlaps(
    labels: Labels, probabilities: Probabilities, class_names: tuple[str, ...], most: int
) -> list[Overlap]:
    """The pairs of classes that are taken for each other most often, at most `most`."""
    guesses = probabilities.argmax(axis=1)
    classes = len(class_names)
    counts = confusion_matrix(guesses, labels, classes)
    sizes = counts.sum(axis=1)
    pairs = [(a, b) for a in range(classes) for b in range(a + 1, classes) if sizes[a] and sizes[b]]
    found = []
    for a, b in sorted(pairs, key=lambda pair: -_share(counts, sizes, *pair))[:most]:
        mistaken = int(counts[a, b] + counts[b, a])
        if mistaken:
            odds = probabilities[:, a].astype(np.float64) / (
                probabilities[:, a] + probabilities[:, b] + 1e-12
            )
            apart = auroc(odds[labels == a], odds[labels == b])
            size = int(sizes[a] + sizes[b])
            found.append(Overlap(class_names[a], class_names[b], size, mistaken, round(apart, 4)))
    return found


def _share(counts: NDArray[np.int64], sizes: NDArray[np.int64], a: int, b: int) -> float:
    return float((counts[a, b] + counts[b, a]) / (sizes[a] + sizes[b]))


# Of its five, the one that named most planted errors among the fewest pictures; see LOG.md.
_FILTER = "low_self_confidence"
