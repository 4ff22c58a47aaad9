"""What a recipe may say: a network and how to train it, as data."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..layers.reference import AnyLayer


class _Part(BaseModel):
    """Settings that refuse unknown keys and do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Normalise(_Part):
    """How a picture's levels (0 to 255) become the numbers that the network takes: (level - zero) / span.

    One value for all channels, or one for each.
    """

    zero: float | tuple[float, ...] = 0.0
    span: float | tuple[float, ...] = 255.0

    @field_validator("span")
    @classmethod
    def _not_nothing(cls, span: float | tuple[float, ...]) -> float | tuple[float, ...]:
        if 0 in (span if isinstance(span, tuple) else (span,)):
            raise ValueError("a span of 0 would leave nothing of a picture")
        return span


class Augmentation(_Part):
    """Changes made to training pictures, each drawn anew for every picture of every batch."""

    changed: float = Field(1.0, ge=0, le=1)  # share of the pictures that are changed at all
    alone: bool = False  # each picture is changed in one of these ways, and mirrored, instead of in all
    flip: bool = False  # mirror half of the pictures
    quarter: float = Field(0.0, ge=0, le=1)  # share that is turned by one, two or three quarters
    shift: int = Field(0, ge=0, le=16)  # pixels, at most, each way
    rotate: float = Field(0.0, ge=0, le=180)  # degrees, at most, each way
    scale: float = Field(0.0, ge=0, lt=1)  # 0.1: between 0.9 and 1.1 times as large
    shear: float = Field(0.0, ge=0, le=2)  # tangent of the angle, at most, each way
    erase: float = Field(0.0, ge=0, le=1)  # share of the pictures that lose a rectangle
    brightness: float = Field(0.0, ge=0, lt=1)  # at most this share of white added or taken
    contrast: float = Field(0.0, ge=0, lt=1)  # at most this share more or less contrast
    invert: float = Field(0.0, ge=0, le=1)  # share that is made dark for bright
    blur: float = Field(0.0, ge=0, le=8)  # pixels, at most: round, or along a line in any direction
    noise: float = Field(0.0, ge=0, le=1)  # standard deviation, at most, as a share of white
    specks: float = Field(0.0, ge=0, lt=1)  # share of the pixels, at most, that become black or white


class Training(_Part):
    """How a network is fitted."""

    epochs: int = Field(5, ge=1, le=10_000)
    # At least so many (head-first: of the head): an epoch then goes through its pictures several times.
    steps: int = Field(0, ge=0, le=10_000_000)
    batch: int = Field(32, ge=1, le=65_536)
    optimizer: Literal["adam", "adamw", "sgd", "muon"] = "adam"
    learning_rate: float = Field(1e-3, gt=0, le=100)
    schedule: Literal["constant", "one-cycle", "cosine", "linear"] = "constant"
    warmup: float = Field(0.0, ge=0, lt=1)  # share of all steps; one-cycle: where the peak lies
    momentum: float = Field(0.9, ge=0, lt=1)  # sgd and muon (Nesterov)
    weight_decay: float = Field(
        0.0, ge=0, le=10
    )  # decoupled for adamw and muon, in the gradient for adam and sgd
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    clip: float = Field(0.0, ge=0)  # gradient norm, at most; 0: not clipped
    average: float = Field(0.0, ge=0, lt=1)  # decay of the moving average of the weights; 0: none
    class_weights: Literal["none", "balanced"] | tuple[float, ...] = "none"
    learn: Literal["all", "frozen", "head-first"] = "all"  # frozen: what lies behind the last picture
    head_epochs: int = Field(1, ge=1, le=10_000)  # head-first: those in which the head learns alone
    layer_decay: float = Field(1.0, gt=0, le=1)  # each layer learns at so much of the rate of the next one
    rates: dict[str, Annotated[float, Field(ge=0, le=1000)]] = {}  # by layer, times the rate; 0: frozen
    patience: int = Field(0, ge=0)  # epochs without a better validation before stopping; 0: all epochs
    validation: float = Field(0.1, gt=0, lt=1)  # share of the training pictures held out
    keep: Literal["best", "last"] = "best"  # which epoch's weights the run keeps, by validation accuracy


class Photographs(_Part):
    """What photographs are made into for this recipe; ready pictures stay as they are."""

    size: int = Field(ge=4, le=1024)
    channels: Literal[1, 3] = 3


class Measured(_Part):
    """What this recipe reached on a dataset's own test pictures, looked at once a seed."""

    dataset: str
    engine: str
    accuracy: float  # mean over seeds, in per cent
    spread: float | None = None  # standard deviation over seeds, in percentage points
    seeds: tuple[int, ...]
    seconds: float  # median of a whole training
    hardware: str


class Recipe(_Part):
    """A network and how to train it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)
    about: str = ""
    layers: tuple[AnyLayer, ...] = Field(min_length=1)
    start: str = ""  # first weights: of a pretrained network, a run or a model; empty: they are drawn
    picture: Photographs | None = None  # None: what suits the photographs
    normalise: Normalise = Normalise()
    training: Training = Training()
    augmentation: Augmentation = Augmentation()
    measured: tuple[Measured, ...] = ()

    def settings(self) -> dict[str, Any]:
        """Every setting, defaults filled in, as plain data that TOML can hold."""
        data: dict[str, Any] = self.model_dump(mode="json")

        def without_none(value: Any) -> Any:
            if isinstance(value, dict):
                return {key: without_none(item) for key, item in value.items() if item is not None}
            return [without_none(item) for item in value] if isinstance(value, list) else value

        return dict(without_none(data))
