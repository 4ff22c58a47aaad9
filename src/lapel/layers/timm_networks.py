"""Networks of timm: outlined, built, begun and exported. Imported late: this loads PyTorch and timm."""

from __future__ import annotations

import difflib
import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtra, ModelError, RecipeError, first_line
from ..files import file_errors
from ..runtime import onnx_runtime
from .layer import Shape, ShapeError, describe_shape

try:
    import torch
    from torch import Tensor, nn
    from torch.utils.flop_counter import FlopCounterMode
except ModuleNotFoundError as error:
    raise MissingExtra("PyTorch", "timm") from error

if TYPE_CHECKING:
    import onnx

_OPSET = 17  # as `to_onnx` has it
_ROUNDING = 1e-3  # of the largest number; what differs by more is another network
_SAME = 'Give the file of the same network as timm keeps it, or weights = "none" to begin from nothing.'


class Outline(NamedTuple):
    """What a network gives, holds and costs for pictures of a shape, known before it is built."""

    gives: int
    weights: Mapping[str, Shape]
    multiplications: int


@cache
def load_timm() -> Any:
    """Import timm. Raises MissingExtra where it is not installed, ModelError where it does not load."""
    try:
        with _quiet():
            import timm
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "timm", "timm") from error
    except Exception as error:  # a torchvision of another PyTorch fails in its own ways
        raise ModelError(
            f"timm cannot be loaded ({type(error).__name__}: {first_line(error)}).",
            "PyTorch and torchvision must suit each other: pip install --upgrade timm torch torchvision",
        ) from error
    return timm


def settings_of(name: str) -> Any:
    """What timm says of a network: its pictures and their normalisation.

    Raises ShapeError where timm has no such network.
    """
    timm, plain = load_timm(), name.partition(".")[0]
    unknown = f'names "timm:{name}", which timm does not have'
    if not timm.is_model(plain):
        raise ShapeError(unknown, _nearest(plain, timm.list_models()))
    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise ShapeError(unknown, _nearest(name, [plain, *timm.list_pretrained(f"{plain}.*")])) from error


@cache
def outline(name: str, takes: Shape) -> Outline:
    """Follow a picture of a shape through a network that takes no memory.

    Raises ShapeError where timm has no such network, or it cannot take such pictures.
    """
    size = settings_of(name).input_size
    try:
        with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
            network = build(name, takes).eval()
            answer = network(torch.empty(1, *takes))
    except Exception as error:  # each network has its own way to refuse
        raise ShapeError(
            f"cannot take {describe_shape(takes)} ({first_line(error)})",
            f"It was made for {describe_shape(size)}.",
        ) from error
    if answer.ndim != 2:
        raise ShapeError("gives no row of numbers", "Choose another network of timm.")
    shapes = {word: tuple(value.shape) for word, value in _weights(network)}
    return Outline(answer.shape[1], shapes, counter.get_total_flops() // 2)


def build(name: str, takes: Shape, **settings: Any) -> nn.Module:
    """The network without its last layer, its weights as timm draws them."""
    channels, height, width = takes
    fixed = getattr(settings_of(name), "fixed_input_size", False)
    size = {"img_size": (height, width)} if fixed else {}
    with _quiet():
        network: nn.Module = load_timm().create_model(
            name, num_classes=0, in_chans=channels, **size, **settings
        )
    return network


def first_weights(name: str, takes: Shape, weights: str, seed: int) -> dict[str, NDArray[np.float32]]:
    """The weights to begin with: "pretrained", "none" (drawn from a seed), or those in a file.

    Raises ModelError where they are not to be had, or are those of another network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _pretrained(name, takes) if weights == "pretrained" else build(name, takes)
    if weights not in ("pretrained", "none"):
        _read(network, name, Path(weights).expanduser())
    return {word: value.detach().numpy().astype(np.float32) for word, value in _weights(network)}


def exported(name: str, takes: Shape) -> onnx.ModelProto:
    """The network as an ONNX graph for any number of pictures, in which weights have timm's names.

    Their values are not those of any network. Raises RecipeError where PyTorch cannot export it.
    """
    network = build(name, takes, exportable=True).eval()
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        # Weights with the same numbers would become one.
        for _, value in _weights(network):
            value.add_(torch.rand(value.shape, generator=random), alpha=1e-3)
    try:
        model = _export(network, takes, random)
        _check_alike(model.SerializeToString(), network, torch.rand(3, *takes, generator=random))
    except Exception as error:  # the exporter and ONNX Runtime have many ways to fail
        raise RecipeError(
            f'PyTorch cannot bring "timm:{name}" to ONNX ({first_line(error)}).',
            "Choose another network of timm, such as timm:resnet18.",
        ) from error
    for node in model.graph.node:
        node.ClearField("doc_string")  # it may hold paths of this machine
    return model


def _export(network: nn.Module, takes: Shape, random: torch.Generator) -> onnx.ModelProto:
    import onnx

    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "network.onnx"
        # PyTorch's newer exporter knows no opset that is as old, takes ten times as long, and fails on more
        # of timm's networks.
        torch.onnx.export(
            network,
            (torch.rand(2, *takes, generator=random),),
            path,
            dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE,  # else batch norm goes into the kernels before it
            do_constant_folding=False,
            opset_version=_OPSET,
            input_names=["pictures"],
            output_names=["numbers"],
            dynamic_axes={"pictures": {0: "n"}},
        )
        return onnx.load(path)


def _check_alike(data: bytes, network: nn.Module, pictures: Tensor) -> None:
    """Raise ValueError where a graph answers otherwise than the network, for another number of pictures."""
    with torch.no_grad():
        expected = network(pictures).numpy()
    session = onnx_runtime().InferenceSession(data, providers=["CPUExecutionProvider"])
    (answers,) = session.run(None, {"pictures": pictures.numpy()})
    if not np.abs(answers - expected).max() <= _ROUNDING * np.abs(expected).max():
        raise ValueError("its graph answers otherwise than the network")


def _pretrained(name: str, takes: Shape) -> nn.Module:
    try:
        return build(name, takes, pretrained=True)
    except Exception as error:  # the hub, the network and timm have their own errors
        raise ModelError(
            f"timm:{name}: its pretrained weights cannot be had ({first_line(error)}).",
            'Give a file that holds them, weights = "FILE.safetensors", or weights = "none" to begin from '
            "nothing.",
        ) from error


def _read(network: nn.Module, name: str, path: Path) -> None:
    """Give the network the weights in a file. Nothing in the file is run."""
    with file_errors(path), path.open("rb"):
        pass
    try:
        with _quiet():
            held = load_timm().models.load_state_dict(str(path), use_ema=False, weights_only=True)
    except Exception as error:  # safetensors, pickle and zip have their own errors
        raise ModelError(
            f"{path}: holds no weights that can be read ({first_line(error)}).", _SAME
        ) from error
    for word, value in _weights(network):
        if word not in held:
            raise ModelError(f'{path}: holds no weight "{word}", so it is not timm:{name}.', _SAME)
        if held[word].shape != value.shape:
            raise ModelError(
                f'{path}: the weight "{word}" has shape {tuple(held[word].shape)}; timm:{name} asks for '
                f"{tuple(value.shape)} here.",
                _SAME,
            )
        with torch.no_grad():
            value.copy_(held[word])


def _weights(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """What a network holds by name; whole numbers are no weights."""
    return ((word, value) for word, value in network.state_dict().items() if value.is_floating_point())


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    names = " or ".join(f'"timm:{name}"' for name in near)
    return f"Did you mean {names}?" if near else "In Python, timm.list_models() gives every name."


@contextmanager
def _quiet() -> Iterator[None]:
    """While it lasts, timm and PyTorch's exporter keep what they have to say to themselves."""
    loggers = [logging.getLogger(name) for name in ("timm", "torch.onnx", "huggingface_hub")]
    before = [logger.disabled for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.disabled = True
            yield
        finally:
            for logger, disabled in zip(loggers, before, strict=True):
                logger.disabled = disabled
