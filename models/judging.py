"""What is known of a photo model before it is shipped: its answers for photographs unseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from joined import FLOOR, Shares
from kinds import KINDS
from numpy.typing import NDArray
from opinion import opinion_of
from photographs import Photographs
from robustness import softmax
from scenes import OTHER

from lapel.calibrate import accept_at, temperature_of
from lapel.data.registry import FASHION_CLASSES
from lapel.metrics import auroc, wilson_interval

# The small model's share of grey pictures is chosen by Fashion-MNIST's validation pictures, the second
# opinion's by the folds; LOG.md has the figures.
SHARES = Shares(small=0.25, opinion=0.3)
GOAL = 0.95  # of the accepted, this share is right
GOAL_OF_KINDS = 0.9  # the same of kinds, of which some are hardly to be told apart


class Answers(NamedTuple):
    """What is answered for photographs, as logits."""

    classes: NDArray[np.float32]  # (n, 12): the ten classes, another garment, none
    kinds: NDArray[np.float32]  # (n, 20): the kinds, another garment, none
    names: NDArray[np.float32]  # (n, 1000): ImageNet's, by the network as it was


def mixed(
    logits: NDArray[np.float32], names: NDArray[np.float32], class_names: Sequence[str]
) -> NDArray[np.float64]:
    """The logarithms of the shares of the classes, as the joined model mixes them for pictures in colour."""
    both = softmax(logits[:, : len(class_names)]), opinion_of(names, class_names)
    alone, second = (np.log(np.maximum(shares, FLOOR)) for shares in both)
    mean: NDArray[np.float64] = (1 - SHARES.opinion) * alone + SHARES.opinion * second
    return mean


@dataclass(frozen=True)
class Judged:
    """What was answered for photographs unseen."""

    photographs: Photographs
    class_names: Sequence[str]
    labels: NDArray[np.int64]  # (n): -1 where it is not known, or it is none of the classes
    others: NDArray[np.bool_]  # (n): which are known to be none of them
    logs: NDArray[np.float64]  # (n, classes): before the temperature
    rejected: NDArray[np.float64]  # (n): the share of what is none of the classes
    goal: float = GOAL

    @classmethod
    def of_classes(cls, photographs: Photographs, answers: Answers) -> Judged:
        """Judge what was answered of the ten classes of Fashion-MNIST."""
        return cls(
            photographs,
            FASHION_CLASSES,
            np.where(photographs.of_a_class, photographs.labels, -1),
            np.asarray(photographs.labels == OTHER),
            mixed(answers.classes, answers.names, FASHION_CLASSES),
            softmax(answers.classes)[:, OTHER:].sum(1),
        )

    @classmethod
    def of_kinds(cls, photographs: Photographs, answers: Answers) -> Judged:
        """Judge what was answered of the kinds of garments."""
        count = len(KINDS)
        return cls(
            photographs,
            KINDS,
            np.where(photographs.of_a_kind, photographs.possible.argmax(1), -1),
            np.asarray(~photographs.possible[:, :count].any(1)),
            mixed(answers.kinds, answers.names, KINDS),
            softmax(answers.kinds)[:, count:].sum(1),
            GOAL_OF_KINDS,
        )

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Of which it is known which of the classes they show."""
        known: NDArray[np.bool_] = self.labels >= 0
        return known

    @cached_property
    def temperature(self) -> float:
        """By what the logarithms are divided, so that the score is the share of right ones."""
        return temperature_of(self.logs[self.known], self.labels[self.known])

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Which are labelled right."""
        right: NDArray[np.bool_] = self.logs.argmax(1) == self.labels
        return right

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """The score of each."""
        best: NDArray[np.float64] = softmax(self.logs / self.temperature).max(1)
        return best * (1 - self.rejected)

    @cached_property
    def accept(self) -> float:
        """The least score from which `goal` of the answers are right, for phones and for shops each."""
        return max(self._threshold(self.photographs.phone), self._threshold(~self.photographs.phone))

    def _threshold(self, among: NDArray[np.bool_]) -> float:
        some = among & self.known
        return accept_at(self.scores[some], self.right[some], self.goal)

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
                *(self._row(name, part) for name, part in parts.items() if (part & self.known).any()),
                "",
                "| class | phones | shops |",
                "|---|---:|---:|",
                *(self._class_row(label, name) for label, name in enumerate(self.class_names)),
                "",
                f"temperature {self.temperature:.3f}, accepted from a score of {self.accept:.3f}",
            ]
        )

    def _row(self, name: str, part: NDArray[np.bool_]) -> str:
        kept = self.scores >= self.accept
        some, others = part & self.known, part & self.others
        right = self.right[some]
        low, high = wilson_interval(int(right.sum()), len(right))
        labels = self.labels[some]
        alike = np.mean([right[labels == label].mean() for label in np.unique(labels)])
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
            some = part & (self.labels == label)
            cells.append(f"{self.right[some].mean():.1%} of {some.sum()}" if some.any() else "")
        return f"| {name} | {' | '.join(cells)} |"
