"""How nearly two answer alike, what is still the same answer, and the picture on which they differ most."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data.dataset import Pictures
from ..encode import encode, to_image
from ..errors import ModelError
from ..files import write_atomic
from ..metrics import Probabilities


@dataclass(frozen=True)
class Bounds:
    """What is still the same answer: a difference between probabilities, and a share of the same labels."""

    difference: float
    agreement: float
    cause: str


# In probability; rounding in another order stays two powers of ten below it.
EXACT = Bounds(1e-4, 1.0, "rounding")
INT8 = Bounds(0.75, 0.98, "numbers of 8 bits")
COMPACT = Bounds(0.05, 0.99, "kernels of 8 bits")


@dataclass(frozen=True)
class Parity:
    """How nearly two answered alike: the largest difference, the share of the same labels, and on which."""

    difference: float
    agreement: float
    worst: int  # the place of the picture on which they differ most

    def within(self, bounds: Bounds) -> bool:
        """Whether that is the same answer."""
        # Written so that a difference that is no number is outside, too.
        return self.difference <= bounds.difference and self.agreement >= bounds.agreement


def compare_answers(expected: Probabilities, answers: Probabilities) -> Parity:
    """How nearly `answers` (n, classes) are those that are expected."""
    if answers.shape != expected.shape:
        raise ModelError(
            f"Answers of shape {expected.shape} were expected; answers of shape {answers.shape} came."
        )
    differences = np.abs(expected - answers).max(axis=1)
    same = expected.argmax(axis=1) == answers.argmax(axis=1)
    return Parity(float(differences.max()), float(np.mean(same)), int(differences.argmax()))


def require_parity(
    parity: Parity, bounds: Bounds, pictures: Pictures, target: Path, what: str, hint: str
) -> None:
    """Raise ModelError where the answers differ by more than `bounds`; the worst picture is kept as a file.

    It lies beside `target`, which is not written. `what` says who answers otherwise than whom.
    """
    if parity.within(bounds):
        return
    kept = target.with_name(f"{target.name}.worst.png")
    write_atomic(kept, encode(to_image(pictures[parity.worst])), elsewhere="Choose another place with --out.")
    raise ModelError(
        f"{what}: probabilities differ by up to {parity.difference:.2g} (at most {bounds.difference:g} is "
        f"{bounds.cause}), labels agree on {parity.agreement:.1%} of {len(pictures)} pictures (at least "
        f"{bounds.agreement:.0%} are asked for). Nothing was written. The picture on which they differ most "
        f"is {kept}.",
        hint,
    )
