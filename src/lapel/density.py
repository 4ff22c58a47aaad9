"""Where the features of known pictures lie: a bell for each class, all of one shape, in numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import LapelError

Floats = NDArray[np.floating[Any]]

_RIDGE = 1e-3  # of the mean variance: features that never vary would else decide alone


@dataclass(frozen=True, eq=False)
class Density:
    """The means of the classes (classes, width), and what makes the common bell round (width, width)."""

    means: NDArray[np.float64]
    whitening: NDArray[np.float64]

    def distances(self, features: Floats) -> NDArray[np.float64]:
        """The squared Mahalanobis distance (n) of features (n, width) from the class that is nearest."""
        points, middles = features.astype(np.float64) @ self.whitening, self.means @ self.whitening
        squares = (points**2).sum(1)[:, None] - 2 * points @ middles.T + (middles**2).sum(1)
        nearest: NDArray[np.float64] = np.maximum(squares, 0).min(axis=1)
        return nearest


def fit_density(features: Floats, labels: NDArray[np.integer[Any]]) -> Density:
    """The density of features (n, width) by their labels (n). Raises LapelError where there are none."""
    if features.ndim != 2 or len(features) != len(labels) or not len(labels):
        raise LapelError(
            f"A density needs features of shape (n, width) and n labels, at least one; "
            f"{features.shape} and {len(labels)} labels came."
        )
    exact = features.astype(np.float64)
    classes, places = np.unique(labels, return_inverse=True)
    means = np.stack([exact[places == place].mean(axis=0) for place in range(len(classes))])
    away = exact - means[places]
    shared = away.T @ away / len(away)
    ridge = _RIDGE * float(np.trace(shared)) / len(shared) or 1.0  # all alike: any bell will do
    root = np.linalg.cholesky(shared + ridge * np.eye(len(shared)))
    return Density(means, np.linalg.inv(root).T)
