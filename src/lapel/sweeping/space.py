"""Which settings of a recipe a sweep tries, and in which ranges: `training.learning_rate=1e-4..1e-2:log`."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import LapelError
from ..recipes.load import with_settings
from ..recipes.schema import Recipe

Value = float | int | str

_LARGEST = 1 << 20  # bytes; a space is a page of text
_FORM = "Write low..high, low..high:log, or choices as in 64|128|256."
# What decides the pictures: all trials learn from the same, and are judged on the same.
_SHARED = ("picture", "training.validation")
_WORDS = ("name", "about", "measured")


@dataclass(frozen=True)
class Numbers:
    """All numbers from `low` to `high`, both of them included; whole ones where these are whole."""

    key: str
    low: float | int
    high: float | int
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether there are only whole numbers in it."""
        return isinstance(self.low, int)

    @property
    def text(self) -> str:
        """As it is typed."""
        return f"{self.low!r}..{self.high!r}{':log' if self.log else ''}"


@dataclass(frozen=True)
class Choices:
    """Some values, each as it is typed behind a `=` of --set."""

    key: str
    values: tuple[str, ...]

    @property
    def text(self) -> str:
        """As it is typed."""
        return "|".join(self.values)


Dimension = Numbers | Choices


def read_space(texts: Iterable[str | Path], recipe: Recipe) -> tuple[Dimension, ...]:
    """The ranges that these lines (`key=range`) and TOML files give, each checked against the recipe.

    In a file stands `training.batch = "64|128"` or `training.batch = [64, 128]`. Raises LapelError for what
    is no range, a key that comes twice or that all trials have to share, and RecipeError, with the nearest
    known key, where the recipe does not take the key, an end of the range or a choice.
    """
    found: dict[str, Dimension] = {}
    for key, text in _lines(texts):
        if key in found:
            raise LapelError(f'"{key}" comes twice in the space.', "Give each setting one range.")
        found[key] = _dimension(key, text, recipe)
    if not found:
        raise LapelError(
            "A sweep needs a space, and none came.", "Such as: --space training.learning_rate=1e-4..1e-2:log"
        )
    return tuple(found.values())


def setting(key: str, value: Value) -> str:
    """The line for --set that gives a key this value."""
    return f"{key}={value if isinstance(value, str) else repr(value)}"


def trial_recipe(recipe: Recipe, values: Mapping[str, Value]) -> Recipe:
    """The recipe with these settings. Raises RecipeError where they do not go together."""
    return with_settings(recipe, [setting(key, value) for key, value in values.items()])


def _lines(texts: Iterable[str | Path]) -> Iterator[tuple[str, str]]:
    for text in texts:
        key, equals, value = str(text).partition("=")
        if isinstance(text, str) and equals:
            yield _plain_key(key), value.strip()
        else:
            yield from _flat(_read(Path(text)), "", Path(text))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise LapelError(
            f'"{path}" is neither a range nor a file.',
            "Write --space training.learning_rate=1e-4..1e-2:log, or give a TOML file of such lines.",
        )
    try:
        if path.stat().st_size > _LARGEST:
            raise LapelError(
                f"{path}: larger than 1 MiB; a space is a page of text.", "Is this the right file?"
            )
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise LapelError(f"{path}: {error.strerror}.", "Give the path of a space in TOML.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LapelError(
            f"{path}: not valid TOML: {error}.", 'A line of it is: training.learning_rate = "1e-4..1e-2:log"'
        ) from error


def _flat(table: Mapping[str, Any], before: str, path: Path) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        key = f"{before}{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{key}.", path)
        elif isinstance(value, str):
            yield _plain_key(key), value.strip()
        elif isinstance(value, Sequence):
            yield _plain_key(key), "|".join(map(_choice, value))
        else:
            raise LapelError(f'{path}: "{key}" is {value!r}, which is one value and no range.', _FORM)


def _choice(value: Any) -> str:
    """A value of a TOML list as it is typed."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else repr(value)


def _plain_key(key: str) -> str:
    """The key with one spelling. Raises LapelError where trials may not differ in it."""
    plain = ".".join(part.strip() for part in key.split("."))
    if plain in _WORDS:
        raise LapelError(f'"{plain}" says what a recipe is; trying others of it trains nothing anew.', _FORM)
    if any(plain == one or plain.startswith(f"{one}.") for one in _SHARED):
        raise LapelError(
            f'"{plain}" decides the pictures, and all trials of a sweep share those.',
            f"Make a sweep for each, with --set {plain}=… .",
        )
    return plain


def _dimension(key: str, text: str, recipe: Recipe) -> Dimension:
    if "|" in text:
        choices = _choices(key, text)
        for value in choices.values:
            trial_recipe(recipe, {key: value})
        return choices
    numbers = _numbers(key, text)
    taken = [_value_at(trial_recipe(recipe, {key: value}), key) for value in (numbers.low, numbers.high)]
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in taken):
        raise LapelError(f'"{key}" takes no numbers, so {text} is no range of it.', _FORM)
    # The schema knows whether a setting takes whole numbers alone: 0..1 is either.
    if isinstance(taken[0], float):
        return Numbers(key, float(numbers.low), float(numbers.high), numbers.log)
    if not numbers.whole:
        raise LapelError(f'"{key}" takes whole numbers; {text} has others.', "Write it as 32..256.")
    return numbers


def _choices(key: str, text: str) -> Choices:
    values = tuple(part.strip() for part in text.split("|"))
    if not all(values) or len(set(values)) < len(values):
        raise LapelError(f'"{key}": {text} has an empty choice, or one twice.', _FORM)
    return Choices(key, values)


def _numbers(key: str, text: str) -> Numbers:
    span, colon, scale = text.partition(":")
    low, dots, high = span.partition("..")
    if not dots or (colon and scale.strip() != "log"):
        raise LapelError(f'"{key}={text}" is no range.', _FORM)
    try:
        found = Numbers(key, _number(low), _number(high), bool(colon))
    except ValueError as error:
        raise LapelError(f'"{key}={text}" is no range: its ends have to be numbers.', _FORM) from error
    if not (math.isfinite(found.low) and math.isfinite(found.high) and found.low < found.high):
        raise LapelError(f'"{key}={text}": the lower end comes first, and both are finite.', _FORM)
    if found.log and found.low <= 0:
        raise LapelError(
            f'"{key}={text}": on a logarithmic scale all numbers are above 0.',
            "Begin above 0, or leave :log out.",
        )
    if isinstance(found.low, int) is not isinstance(found.high, int):
        return Numbers(key, float(found.low), float(found.high), found.log)
    return found


def _number(text: str) -> float | int:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _value_at(recipe: Recipe, key: str) -> Any:
    value: Any = recipe.settings()
    for part in key.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value
