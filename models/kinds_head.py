"""The answers of the model `wardrobe`: a logistic regression on what the eyes see."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

_LEVEL = 10.0  # the mean length of a row of features, as the regression sees them
_PENALTY = 3e-3
_STEPS = 80


def fit_kinds(
    features: NDArray[np.float32], possible: NDArray[np.bool_], shares: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (answers, width) and bias by which a row of features is told one of its possible answers.

    `possible` (n, answers) says which answers may be right for each row, and `shares` (n) how much it counts.
    """
    scale = _LEVEL / float(np.linalg.norm(features, axis=1).mean())
    rows, weights = torch.from_numpy(features * np.float32(scale)), torch.from_numpy(shares / shares.sum())
    wrong = ~torch.from_numpy(possible)
    weight = torch.zeros(possible.shape[1], features.shape[1], requires_grad=True)
    bias = torch.zeros(possible.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=_STEPS, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        told = (rows @ weight.T + bias).log_softmax(1).masked_fill(wrong, -torch.inf).logsumexp(1)
        loss = -(told * weights.float()).sum() + _PENALTY / 2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return weight.detach().numpy() * np.float32(scale), bias.detach().numpy()
