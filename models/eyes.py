"""A network that has learned from ImageNet, in two parts: one stays as it is, one goes on learning.

What the first part answers is computed once for each picture and kept: `Map`s (channels, 7, 7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx.utils import Extractor
from torch import Tensor, nn

from lapel.card import Card
from lapel.engines.onnx import to_onnx
from lapel.engines.protocol import Weights
from lapel.engines.weights import draw
from lapel.layers.dense import Dense
from lapel.layers.efficientnet import EfficientNetLite
from lapel.layers.mobile import MobileBlock
from lapel.layers.pool import GlobalPool
from lapel.model_file import open_session
from lapel.picture import PictureSpec
from lapel.pretrained.networks import network_recipe
from lapel.pretrained.weights import read_pretrained
from lapel.recipes.plan import plan
from lapel.recipes.schema import Recipe

NETWORK = "efficientnet-lite0"
SPEC = PictureSpec(size=224, channels=3)
KEPT = 15  # layers of the body that stay as they are: all up to the first block of 7×7 and 192 channels
OPINION = 17  # the block from which the second opinion goes its own way, as it was before
FEATURES = 1280

Maps = NDArray[np.float16]  # (n, 192, 7, 7)

_EPSILON = 1e-3  # of the network's batch norms
_AT_ONCE = 16


def names_head() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The weights (1000, 1280) and the bias by which the network tells ImageNet's names."""
    weights = read_pretrained(NETWORK)
    return weights["3.weight"], weights["3.bias"]


def as_it_was(network: SecondPart) -> SecondPart:
    """What gives the second opinion: the network's first blocks, and what followed before it learned."""
    before = SecondPart(answers=1, kinds=1)
    for place, block in network.blocks.items():
        if int(place) < OPINION:
            before.blocks[place].load_state_dict(block.state_dict())
    return before.eval()


def opinion_begins(model: onnx.ModelProto) -> str:
    """Where the second opinion goes its own way, in a model of the whole network."""
    kernel = f"0.layers.{OPINION}.layers.0.weight"
    begin: str = next(node.input[0] for node in model.graph.node if kernel in node.input)
    return begin


def first_part() -> Callable[[NDArray[np.uint8]], Maps]:
    """The part that stays as it is: pictures (n, 224, 224, 3) -> maps."""
    weights, recipe = read_pretrained(NETWORK), network_recipe(NETWORK)
    cut = Recipe(
        name="first-part",
        layers=(*_body()[:KEPT], GlobalPool(), Dense()),
        normalise=recipe.normalise,
    )
    card = Card(name=cut.name, class_names=("any", "other"), picture=SPEC)
    own = draw(plan(cut, SPEC.shape, len(card.class_names)), 0)
    own |= {name.removeprefix("0.layers."): value for name, value in weights.items() if _is_kept(name)}
    model = onnx.shape_inference.infer_shapes(to_onnx(cut, own, card))
    pooled = next(node for node in model.graph.node if node.op_type == "GlobalAveragePool")
    part = Extractor(model).extract_model(["pictures"], [pooled.input[0]])
    session = open_session(part.SerializeToString())

    def maps(pictures: NDArray[np.uint8]) -> Maps:
        parts = (pictures[start : start + _AT_ONCE] for start in range(0, len(pictures), _AT_ONCE))
        return np.concatenate([session.run(None, {"pictures": part})[0].astype(np.float16) for part in parts])

    return maps


class SecondPart(nn.Module):
    """The part that goes on learning: maps -> what it answers, of classes and of kinds.

    Every batch norm is part of the convolution before it, so that its figures do not move.
    """

    def __init__(self, answers: int, kinds: int) -> None:
        super().__init__()
        weights = {name: torch.from_numpy(value) for name, value in read_pretrained(NETWORK).items()}
        self._blocks = {
            place: _Block(weights, place, adds=adds)
            for place, adds in zip(_blocks(), (True, True, True, False), strict=True)
        }
        self.blocks = nn.ModuleDict({str(place): block for place, block in self._blocks.items()})
        head = KEPT + len(self.blocks)
        self.head = _folded(weights, f"0.layers.{head}", f"0.layers.{head + 1}")
        self.answers, self.kinds = nn.Linear(FEATURES, answers), nn.Linear(FEATURES, kinds)
        for layer in (self.answers, self.kinds):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def features(self, maps: Tensor) -> Tensor:
        """(n, 1280)."""
        for block in self._blocks.values():
            maps = block(maps)
        return F.relu6(self.head(maps)).mean((2, 3))

    def features_of(self, maps: Maps) -> NDArray[np.float32]:
        """The same of maps that are kept, some at a time."""
        parts = (torch.from_numpy(np.array(maps[start : start + 64])) for start in range(0, len(maps), 64))
        with torch.inference_mode():
            features: NDArray[np.float32] = torch.cat([self.features(part.float()) for part in parts]).numpy()
        return features

    def joined(self, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> Weights:
        """The weights of the whole network, both parts and a head, as `network_recipe` names them."""
        weights = read_pretrained(NETWORK)
        for place, block in self._blocks.items():
            for name, layer in (("0", block.wide), ("3", block.deep), ("6", block.narrow)):
                weights |= _as_two(layer, f"0.layers.{place}.layers.{name}")
        weights |= _as_two(self.head, f"0.layers.{KEPT + len(self.blocks)}")
        return weights | {"3.weight": weight, "3.bias": bias}


class _Block(nn.Module):
    """A mobile block whose batch norms are part of its convolutions."""

    def __init__(self, weights: dict[str, Tensor], place: int, *, adds: bool) -> None:
        super().__init__()
        inside = f"0.layers.{place}.layers."
        self.wide = _folded(weights, f"{inside}0", f"{inside}1")
        self.deep = _folded(weights, f"{inside}3", f"{inside}4", depthwise=True)
        self.narrow = _folded(weights, f"{inside}6", f"{inside}7")
        self._adds = adds

    def forward(self, maps: Tensor) -> Tensor:
        """Maps in, maps out."""
        found: Tensor = self.narrow(F.relu6(self.deep(F.relu6(self.wide(maps)))))
        return maps + found if self._adds else found


def _folded(weights: dict[str, Tensor], conv: str, norm: str, *, depthwise: bool = False) -> nn.Conv2d:
    """A convolution and the batch norm behind it as one."""
    gain = weights[f"{norm}.weight"] / torch.sqrt(weights[f"{norm}.running_var"] + _EPSILON)
    kernel = weights[f"{conv}.weight"] * gain.view(-1, 1, 1, 1)
    filters, channels, side, _ = kernel.shape
    layer = nn.Conv2d(
        filters if depthwise else channels,
        filters,
        side,
        padding=side // 2,
        groups=filters if depthwise else 1,
    )
    layer.weight.data.copy_(kernel)
    layer.bias.data.copy_(weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain)  # type: ignore[union-attr]
    return layer


def _as_two(layer: nn.Conv2d, name: str) -> Weights:
    """The other way round: a convolution without a bias, and a batch norm that only adds it."""
    before, _, place = name.rpartition(".")
    norm = f"{before}.{int(place) + 1}"
    assert layer.bias is not None
    ones = np.ones(layer.out_channels, np.float32)
    return {
        f"{name}.weight": layer.weight.detach().numpy(),
        f"{norm}.weight": ones,
        f"{norm}.bias": layer.bias.detach().numpy(),
        f"{norm}.running_mean": 0 * ones,
        f"{norm}.running_var": ones - np.float32(_EPSILON),
    }


def _body() -> tuple[object, ...]:
    return tuple(EfficientNetLite(version=0).branches((3, *SPEC.shape[:2]))["layers"])


def _blocks() -> Iterator[int]:
    """The places of the mobile blocks that go on learning."""
    return (place for place, layer in enumerate(_body()) if place >= KEPT and isinstance(layer, MobileBlock))


def _is_kept(name: str) -> bool:
    return name.startswith("0.layers.") and int(name.split(".")[2]) < KEPT
