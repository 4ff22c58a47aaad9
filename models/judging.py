"""What is known of a photo model before it is shipped: its answers for photographs unseen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from joined import FLOOR
from numpy.typing import NDArray
from photographs import Photographs
from robustness import softmax
from scenes import OTHER

import lapel
from lapel.calibrate import accept_at, temperature_of
from lapel.data.registry import FASHION_CLASSES
from lapel.metrics import auroc, wilson_interval

SMALL_SHARE = 0.25  # of the answer is that of the small model
GOAL = 0.95  # of the accepted, this share is right


def asked_small(photographs: Photographs) -> NDArray[np.float64]:
    """What the shipped small model gives each class, (n, 10).

    It has learned from the phone photos, so that of these it says nothing about photographs unseen.
    """
    tagger = lapel.load_tagger("photo-small")
    pictures = [tagger.picture(path) for path in photographs.paths]
    parts = np.array_split(np.stack(pictures), -(-len(pictures) // 64))
    return np.concatenate([tagger.probabilities(part) for part in parts]).astype(np.float64)


def mixed(logits: NDArray[np.float32], small: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithms of the shares of the classes, as the joined model mixes them (n, 10)."""
    return (1 - SMALL_SHARE) * _alone(logits) + SMALL_SHARE * np.log(np.maximum(small, FLOOR))


def _alone(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """The same of the large network alone."""
    shares: NDArray[np.float64] = np.log(np.maximum(softmax(logits[:, :OTHER]), FLOOR))
    return shares


@dataclass(frozen=True)
class Judged:
    """What was answered for photographs unseen: phone photos by the large part alone, the shops' by both."""

    photographs: Photographs
    logs: NDArray[np.float64]  # (n, 10): before the temperature
    rejected: NDArray[np.float64]  # (n): the share of what is none of the classes
    temperature: float

    @classmethod
    def of(cls, photographs: Photographs, logits: NDArray[np.float32], small: NDArray[np.float64]) -> Judged:
        """Judge them, and find the temperature."""
        logs = np.where(photographs.phone[:, None], _alone(logits), mixed(logits, small))
        known = photographs.of_a_class
        return cls(
            photographs,
            logs,
            softmax(logits)[:, OTHER:].sum(1),
            temperature_of(logs[known], photographs.labels[known]),
        )

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Which are labelled right."""
        right: NDArray[np.bool_] = self.logs.argmax(1) == self.photographs.labels
        return right

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """The score of each."""
        best: NDArray[np.float64] = softmax(self.logs / self.temperature).max(1)
        return best * (1 - self.rejected)

    @cached_property
    def accept(self) -> float:
        """The least score from which GOAL of the answers are right: the mean of phones' and of shops'."""
        return float(
            np.mean([self._threshold(self.photographs.phone), self._threshold(~self.photographs.phone)])
        )

    def _threshold(self, among: NDArray[np.bool_]) -> float:
        some = among & self.photographs.of_a_class
        return accept_at(self.scores[some], self.right[some], GOAL)

    def table(self) -> str:
        """The figures, by scene and by class, as Markdown."""
        photographs = self.photographs
        shops = ~photographs.phone
        parts = {"all": photographs.phone | shops, "phones": photographs.phone, "shops": shops}
        for scene in sorted(set(photographs.scenes[shops].tolist())):
            parts[f"shops: {scene}"] = photographs.scenes == scene
        parts["shops, only to judge"] = ~photographs.learned
        return "\n".join(
            [
                "| photographs unseen | n | right | each class alike | accepted | of these right "
                "| others accepted | AUROC |",
                "|---|---:|---:|---:|---:|---:|---:|---:|",
                *(self._row(name, part) for name, part in parts.items()),
                "",
                "| class | phones | shops |",
                "|---|---:|---:|",
                *(self._class_row(label, name) for label, name in enumerate(FASHION_CLASSES)),
                "",
                f"temperature {self.temperature:.3f}, accepted from a score of {self.accept:.3f}",
            ]
        )

    def _row(self, name: str, part: NDArray[np.bool_]) -> str:
        labels, kept = self.photographs.labels, self.scores >= self.accept
        some, others = part & self.photographs.of_a_class, part & (labels == OTHER)
        right = self.right[some]
        low, high = wilson_interval(int(right.sum()), len(right))
        alike = np.mean([right[labels[some] == label].mean() for label in np.unique(labels[some])])
        cells = [
            name,
            f"{len(right):,}",
            f"{right.mean():.1%} ({low:.1%} to {high:.1%})",
            f"{alike:.1%}",
            f"{kept[some].mean():.1%}",
            f"{self.right[some & kept].mean():.1%}" if (some & kept).any() else "",
        ]
        if others.any():
            told = auroc(self.scores[some], self.scores[others])
            cells += [f"{kept[others].mean():.1%} of {others.sum():,}", f"{told:.3f}"]
        return f"| {' | '.join(cells)} |"

    def _class_row(self, label: int, name: str) -> str:
        cells = []
        for part in (self.photographs.phone, ~self.photographs.phone):
            some = part & (self.photographs.labels == label)
            cells.append(f"{self.right[some].mean():.1%} of {some.sum()}" if some.any() else "")
        return f"| {name} | {' | '.join(cells)} |"
