"""From a model's ONNX graph back to weights as every engine names them, whatever they are kept as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .protocol import Weights

if TYPE_CHECKING:
    import onnx

_COMPACT = ".int8"  # as `Graph` keeps kernels where a model is compact
# As ONNX Runtime names what it makes of a convolution and the batch norm behind it, and of whole numbers.
_FUSED_KERNEL, _FUSED_BIAS, _QUANTISED = "ConvBnFusion_W_", "ConvBnFusion_BN_B_", "_quantized"


def weights_in(model: onnx.ModelProto) -> Weights:
    """The weights in a model of ours, by name; kernels that are kept in eight bits come as floats.

    Where a batch norm has been worked into the convolution before it, it comes back as one that adds its
    bias and changes nothing else.
    """
    from onnx import numpy_helper

    held = {constant.name: numpy_helper.to_array(constant) for constant in model.graph.initializer}
    found: Weights = {}
    for name, array in held.items():
        if name.endswith(_COMPACT):
            plain = name.removesuffix(_COMPACT)
            found[plain] = _floats(array, held[f"{plain}.scale"])
        elif name.startswith(_FUSED_KERNEL) and name.endswith(_QUANTISED):
            fused = name.removesuffix(_QUANTISED)
            plain = fused.removeprefix(_FUSED_KERNEL)
            if plain[0].isdecimal():  # what begins with a word is of a second network in the same file
                found[plain] = _floats(array, held[f"{fused}_scale"])
        elif name.startswith(_FUSED_BIAS) and name.endswith(_QUANTISED):
            norm = name.removeprefix(_FUSED_BIAS).removesuffix(f".bias{_QUANTISED}")
            if norm[0].isdecimal():
                bias = _floats(array, held[f"{name}_scale"])
                found |= {f"{norm}.bias": bias, f"{norm}.running_mean": np.zeros_like(bias)}
                found |= {f"{norm}.{word}": np.ones_like(bias) for word in ("weight", "running_var")}
        elif name[0].isdecimal() and f"{name.removesuffix('.scale')}{_COMPACT}" not in held:
            found[name] = np.array(array)  # what is no layer's has a name that begins with a word
    return found


def _floats(steps: NDArray[Any], scale: NDArray[Any]) -> NDArray[np.float32]:
    """Whole numbers with a scale a row, as floats."""
    return steps.astype(np.float32) * scale.reshape(-1, *[1] * (steps.ndim - 1)).astype(np.float32)
