"""A layer as a field of a recipe: any kind that the registry knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import SerializeAsAny, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from .layer import Layer
from .registry import find_layer


def _validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    if isinstance(value, Layer) or not isinstance(value, Mapping):
        return handler(value)
    if "kind" not in value:
        raise PydanticCustomError("layer_without_kind", "the layer does not say its kind")
    kind = str(value["kind"])
    layer = find_layer(kind)
    if layer is None:
        raise PydanticCustomError("unknown_layer", "unknown layer {kind}", {"kind": kind})
    return layer.model_validate(value)


AnyLayer = Annotated[SerializeAsAny[Layer], WrapValidator(_validate)]
