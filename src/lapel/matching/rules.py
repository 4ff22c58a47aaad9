"""The rules by which garments go together: one readable file with weights, and what a person changes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..colour import NAMES
from ..errors import LapelError, did_you_mean

Role = Literal["top", "bottom", "dress", "shoes", "outer", "bag", "hat"]
Occasion = Literal["leisure", "casual", "smart", "formal"]
Day = Literal["cold", "mild", "warm"]
ROLES: tuple[Role, ...] = get_args(Role)
OCCASIONS: tuple[Occasion, ...] = get_args(Occasion)
DAYS: tuple[Day, ...] = get_args(Day)

_LARGEST = 1 << 20  # bytes; rules are a few pages of text
_FORM = "The rules that come with Lapel show the form: lapel match --show-rules"

Score = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=100)]
Degrees = Annotated[float, Field(ge=0, le=180)]
Chroma = Annotated[float, Field(ge=0, le=0.5)]


class _Part(BaseModel):
    """Rules that refuse unknown keys and do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Weights(_Part):
    """How much each question counts for two garments."""

    colour: Weight
    contrast: Weight
    occasion: Weight
    season: Weight
    pattern: Weight
    likes: Weight


class Limits(_Part):
    """From which score on garments go together, and how many are looked at."""

    goes: Score
    well: Score
    garments: int = Field(ge=1, le=100_000)


class Neutrals(_Part):
    """Which colours go with everything."""

    names: tuple[str, ...]
    chroma: Chroma

    @model_validator(mode="after")
    def _known(self) -> Neutrals:
        for name in self.names:
            if name not in NAMES:
                raise ValueError(f'there is no colour "{name}". {did_you_mean(name, NAMES)}')
        return self


class Hues(_Part):
    """Degrees between two colours."""

    same: Degrees
    near: Degrees
    opposite: Degrees

    @model_validator(mode="after")
    def _ordered(self) -> Hues:
        if not self.same <= self.near <= self.opposite:
            raise ValueError("same, near and opposite are to rise")
        return self


class Colours(_Part):
    """How two colours go together."""

    same: Score
    tones: Score
    neutrals: Score
    neutral: Score
    neighbours: Score
    opposites: Score
    others: Score
    muted: Score
    muted_below: Chroma
    vivid: Chroma
    loud: Score


class Lightness(_Part):
    """What is apart in lightness, and what is alike."""

    apart: Score
    alike: Score


class Contrast(_Part):
    """How two garments go together by their lightness."""

    apart: Score
    between: Score
    alike: Score


class Patterns(_Part):
    """How garments go together of which both, one or none have a pattern."""

    both: Score
    one: Score
    none: Score


class Steps(_Part):
    """How kinds go together by how far their occasions, or their days, lie apart."""

    common: Score
    one: Score
    more: Score


class Outfits(_Part):
    """What is asked of an outfit as a whole."""

    colours: int = Field(ge=0, le=20)
    too_many: Score
    patterns: Score
    torn: Score
    variety: Score
    repeated: Score
    lacking: Score
    layers: int = Field(ge=1, le=5)


class Shape(_Part):
    """The roles that make an outfit."""

    needs: tuple[Role, ...] = Field(min_length=2)
    may: tuple[Role, ...] = ()


class Kind(_Part):
    """What a kind of garment is worn as, when and for what."""

    roles: tuple[Role, ...] = Field(min_length=1)
    occasions: tuple[Occasion, ...] = Field(min_length=1)
    days: tuple[Day, ...] = Field(min_length=1)


class Pair(_Part):
    """Two kinds whose score has a bound."""

    kinds: tuple[str, str]
    most: Score
    reason: str = Field(min_length=1, max_length=200)


class Rules(_Part):
    """What goes with what."""

    weights: Weights
    limits: Limits
    neutrals: Neutrals
    hues: Hues
    colours: Colours
    lightness: Lightness
    contrast: Contrast
    patterns: Patterns
    steps: Steps
    outfits: Outfits
    shapes: tuple[Shape, ...] = Field(min_length=1)
    kinds: dict[str, Kind] = Field(min_length=1)
    pairs: tuple[Pair, ...] = ()

    @cached_property
    def bounds(self) -> Mapping[frozenset[str], Pair]:
        """The pairs by their kinds; of two entries for the same, the later one."""
        return {frozenset(pair.kinds): pair for pair in self.pairs}


def load_rules(path: str | Path | None = None) -> Rules:
    """The rules that come with Lapel; with a file, what stands in it takes the place of theirs.

    Tables are merged key by key, the shapes of outfits are replaced where there are any, and pairs are added.
    Raises LapelError where the file cannot be read, or says something that rules do not.

    >>> load_rules().kinds["Sandal"].days
    ('warm',)
    """
    if path is None:
        return _shipped()
    source = str(path)
    own = _read(Path(path))
    merged = _merge(tomllib.loads(shipped_text()), own)
    if isinstance(own.get("pairs"), list):
        merged["pairs"] = [*tomllib.loads(shipped_text())["pairs"], *own["pairs"]]
    try:
        rules = Rules.model_validate(merged)
    except ValidationError as error:
        raise _explain(error, own, source) from error
    for pair in rules.pairs:
        for kind in pair.kinds:
            if kind not in rules.kinds:
                raise LapelError(
                    f'{source}: "pairs" names the kind "{kind}", of which nothing is said.',
                    did_you_mean(kind, rules.kinds),
                )
    return rules


def shipped_text() -> str:
    """The file of rules that comes with Lapel."""
    return (resources.files(__package__) / "rules.toml").read_text("utf-8")


@cache
def _shipped() -> Rules:
    return Rules.model_validate(tomllib.loads(shipped_text()))


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise LapelError(f"{path}: {error.strerror}.", "Give the path of a file of rules in TOML.") from error
    if len(data) > _LARGEST:
        raise LapelError(f"{path}: larger than 1 MiB; rules are a few pages of text.", _FORM)
    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LapelError(f"{path}: not valid TOML: {error}.", _FORM) from error


def _merge(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        both = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        merged[key] = _merge(base[key], value) if both else value
    return merged


def _explain(error: ValidationError, own: Mapping[str, Any], source: str) -> LapelError:
    """The first fault, in our words."""
    fault = error.errors()[0]
    place = [str(part) for part in fault["loc"]]
    written = ".".join(place)
    if fault["type"] == "extra_forbidden":
        inside = f' in "{".".join(place[:-1])}"' if place[:-1] else ""
        return LapelError(
            f'{source}: unknown key "{place[-1]}"{inside}.', did_you_mean(place[-1], _keys(place[:-1]))
        )
    if fault["type"] == "missing":
        kinds = own.get("kinds")
        if place[0] == "kinds" and isinstance(kinds, Mapping):
            known = [name for name in _shipped().kinds if name not in kinds]
            return LapelError(
                f'{source}: of the kind "{place[1]}", which is new, "{place[-1]}" is missing.',
                did_you_mean(place[1], known) + " A new kind needs roles, occasions and days.",
            )
        return LapelError(f'{source}: "{written}" is missing.', _FORM)
    message = fault["msg"].removeprefix("Value error, ")
    return LapelError(
        f'{source}: "{written}" is {fault["input"]!r}: {message[0].lower()}{message[1:]}.', _FORM
    )


def _keys(place: list[str]) -> list[str]:
    """The keys that rules have at this place."""
    model: type[BaseModel] = Rules
    for part in place:
        field = model.model_fields.get(part)
        if field is None:  # the name of a kind, or the number of an entry
            continue
        inner = [field.annotation, *get_args(field.annotation)]
        model = next((one for one in inner if isinstance(one, type) and issubclass(one, BaseModel)), model)
    return list(model.model_fields)
