"""What a Keras file says of its network, held against what is known before Keras may build any of it.

Keras builds whatever classes a file names, and some of them run code or open files.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from ..errors import ModelError
from .network import words

_LARGEST = 16 * 1024 * 1024  # characters

_NETWORKS = words("Sequential Functional Model")
_LAYERS = words(
    """
    InputLayer Dense EinsumDense Embedding Identity Masking Activation Conv1D Conv2D Conv3D
    SeparableConv1D SeparableConv2D DepthwiseConv1D DepthwiseConv2D Conv1DTranspose Conv2DTranspose
    MaxPooling1D MaxPooling2D AveragePooling1D AveragePooling2D AdaptiveMaxPooling2D
    AdaptiveAveragePooling2D GlobalMaxPooling1D GlobalMaxPooling2D GlobalAveragePooling1D
    GlobalAveragePooling2D BatchNormalization LayerNormalization GroupNormalization UnitNormalization
    RMSNormalization SpectralNormalization Normalization Rescaling Dropout SpatialDropout1D
    SpatialDropout2D GaussianDropout GaussianNoise AlphaDropout ActivityRegularization Flatten Reshape
    Permute RepeatVector ZeroPadding1D ZeroPadding2D Cropping1D Cropping2D UpSampling1D UpSampling2D
    Resizing CenterCrop Add Subtract Multiply Average Maximum Minimum Concatenate Dot ReLU LeakyReLU PReLU
    ELU Softmax RandomFlip RandomRotation RandomZoom RandomTranslation RandomContrast RandomBrightness
    RandomCrop RandomHeight RandomWidth RandomErasing SimpleRNN LSTM GRU SimpleRNNCell LSTMCell GRUCell
    RNN StackedRNNCells Bidirectional TimeDistributed MultiHeadAttention Attention
    """
)
_PARTS = words(
    """
    Zeros Ones Constant GlorotUniform GlorotNormal HeUniform HeNormal LecunUniform LecunNormal
    RandomUniform RandomNormal TruncatedNormal VarianceScaling Orthogonal OrthogonalInitializer
    IdentityInitializer L1 L2 L1L2 OrthogonalRegularizer MaxNorm NonNeg UnitNorm MinMaxNorm DTypePolicy
    FloatDTypePolicy Policy
    """
)
# Arithmetic between layers, written as x / 255 or keras.ops.…
_OPERATIONS = words(
    """
    Absolute Divide TrueDivide Negative Power Square Sqrt Exp Log Tanh Relu Relu6 Gelu Silu Sigmoid
    LogSoftmax Elu Selu LeakyRelu Mean Sum Max Min Clip Cast Matmul ExpandDims Squeeze Transpose GetItem
    Stack Pad Repeat
    """
)
_DATA = words("__keras_tensor__ __tensor__ __numpy__ __tuple__ __slice__ __ellipsis__ TensorShape")
_KNOWN = _NETWORKS | _LAYERS | _PARTS | _OPERATIONS | _DATA
_FUNCTIONS = words(
    """
    linear relu relu6 leaky_relu elu selu gelu silu swish mish softplus softsign softmax log_softmax
    sigmoid hard_sigmoid hard_silu tanh exponential
    """
)


def check_config(text: str | bytes, source: str) -> dict[str, Any]:
    """Read the config of a Keras file, without what its training was set to.

    Raises ModelError where it is too large, no JSON, or names a class that is not one of Keras's own plain
    ones: a Lambda layer, a layer of somebody's own, a layer that opens files.
    """
    if len(text) > _LARGEST:
        raise ModelError(f"{source}: its config has {len(text):,} characters; at most {_LARGEST:,} are read.")
    try:
        config = json.loads(text)
        if not isinstance(config, dict) or config.get("class_name") not in _NETWORKS:
            _refuse_class(config, source)
        cleaned = _check_value(config, source)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{source}: its config is not valid JSON.", "Is this the right file?") from error
    assert isinstance(cleaned, dict)
    return cleaned


def _check_value(value: Any, source: str) -> Any:
    if isinstance(value, list):
        return [_check_value(item, source) for item in value]
    if not isinstance(value, dict):
        return value
    if "class_name" in value:
        _check_class(value, source)
        # Loss and metrics are not needed, and may be of somebody's own.
        value = {key: item for key, item in value.items() if key != "compile_config"}
    return {key: _check_value(item, source) for key, item in value.items()}


def _check_class(value: dict[str, Any], source: str) -> None:
    name, module = str(value["class_name"]), str(value.get("module") or "keras")
    if name == "function":
        own = module in ("keras", "builtins", "keras.activations")
        known = own and str(value.get("config")) in _FUNCTIONS
    else:
        own = module == "keras" or module.startswith("keras.")
        known = own and name in _KNOWN and value.get("registered_name") in (None, name)
    if not known:
        _refuse_class(value, source)


def _refuse_class(value: Any, source: str) -> NoReturn:
    if not isinstance(value, dict) or not isinstance(value.get("class_name"), str):
        raise ModelError(f"{source}: its config describes no Keras network.", "Is this the right file?")
    name, config = value["class_name"], value.get("config")
    layer = config.get("name") if isinstance(config, dict) else None
    if name in ("Lambda", "__lambda__"):
        raise ModelError(
            f"{source}: holds a Lambda layer{_quote(layer)}, which is Python code; it is not loaded.",
            "Put plain layers in its place (Rescaling, Reshape, …), save the network again and import that.",
        )
    shown = value.get("registered_name") or name
    if name == "function":
        shown = f"function {config}"
    where = f" of {value['module']}" if value.get("module") else ""
    raise ModelError(
        f'{source}: holds "{str(shown)[:80]}"{where[:80]}{_quote(layer)}, which is not one of the plain '
        "layers of Keras; it is not loaded.",
        "Where you trust it, bring the network to ONNX and import that.",
    )


def _quote(layer: object) -> str:
    return f' (layer "{layer[:80]}")' if isinstance(layer, str) else ""
