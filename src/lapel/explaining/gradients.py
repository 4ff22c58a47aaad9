"""Heat by gradients: what the network of a PyTorch run itself says that its answer hangs on, by Captum."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtra, RunError
from ..heat import Heat, ground_of

if TYPE_CHECKING:
    from torch import Tensor

GRAD_CAM, INTEGRATED = "grad-cam", "integrated-gradients"
_STEPS = 64  # between the ground and the picture
_AT_ONCE = 32


def gradient_values(network: Any, picture: NDArray[np.uint8], label: int, method: str) -> NDArray[np.float32]:
    """How much each pixel (height, width) speaks for a label; less than 0 speaks against it.

    `network` is one of the PyTorch engine, `method` "grad-cam" or "integrated-gradients". The values of
    integrated gradients add up to the label's probability, less that for plain ground. Raises MissingExtra
    without Captum, RunError where the network has no layer that Grad-CAM can look at.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Captum imports
            from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam
    except ModuleNotFoundError as error:
        raise MissingExtra("captum, which asks for gradients,", "explain") from error
    import torch

    from ..engines.torch.inputs import inputs

    network.eval()
    place = next(network.parameters()).device
    ground = np.broadcast_to(ground_of(picture), picture.shape).copy()
    both = inputs(torch.from_numpy(np.stack([picture, ground])).to(place), network.normalise)

    def logits(numbers: Tensor) -> Tensor:
        answers = network(numbers)
        found: Tensor = answers["answers"] if isinstance(answers, dict) else answers
        return found

    if method == GRAD_CAM:
        by = LayerGradCam(logits, last_picture_layer(network)).attribute(both[:1], target=label)
        values = LayerAttribution.interpolate(by, picture.shape[:2], "bilinear")
    else:
        by = IntegratedGradients(lambda numbers: logits(numbers).softmax(1))
        values = by.attribute(both[:1], both[1:], target=label, n_steps=_STEPS, internal_batch_size=_AT_ONCE)
    return np.asarray(values[0].sum(0).detach().float().cpu().numpy(), np.float32)


def last_picture_layer(network: Any) -> Any:
    """The last layer with weights that gives a picture. Raises RunError where there is none."""
    layers = list(network.children())
    for layer, step in zip(reversed(layers), reversed(network.steps), strict=True):
        if len(step.gives) == 3 and step.parameters:
            return layer
    raise RunError(
        "Grad-CAM looks at the last layer that learns and gives a picture, and this network has none.",
        "Choose --method occlusion or integrated-gradients.",
    )


def heat_of(values: NDArray[np.float32]) -> Heat:
    """Values as heat: what speaks for the label, relative to the hottest pixel."""
    heat: Heat = np.maximum(values, 0)
    hottest = heat.max()
    return heat / hottest if hottest > 0 else heat
