"""Recipes: networks and how to train them, as data. The named ones lie beside this file in `named/`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import tomli_w
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..errors import RecipeError, did_you_mean
from ..layers.layer import Layer
from ..layers.registry import find_layer, kinds
from .backbone import PREFIX, backbone_recipe
from .schema import Recipe

__all__ = ["Recipe", "load_recipe", "named_recipes", "template", "to_toml"]

_LARGEST = 1 << 20  # bytes; a recipe is a page of text


@cache
def named_recipes() -> tuple[str, ...]:
    """The names of the recipes that come with Lapel, from the simplest to the strongest."""
    listed = (resources.files(__package__) / "named" / "order.txt").read_text().split()
    return tuple(listed)


def load_recipe(name_or_path: str | Path, settings: Iterable[str] = ()) -> Recipe:
    """Read a recipe by name or from a TOML file, with single settings changed.

    "timm:" and the name of a network of timm is the recipe that begins with that network, pretrained.

    `settings` are lines such as ``"training.epochs=3"`` or ``"layers.2.rate=0.5"``: the dotted place and
    a TOML value (a bare word is taken as text). Raises RecipeError, which names the nearest known key.

    >>> load_recipe("cnn", ["training.epochs=1"]).training.epochs
    1
    """
    data, source = _read(name_or_path)
    for setting in settings:
        _apply(data, setting)
    # A changed recipe is no longer the one whose figures were measured.
    if settings:
        data.pop("measured", None)
    return parse(data, source)


def with_settings(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """A recipe with settings as those of `load_recipe` changed, and without what was measured of it."""
    data = {key: value for key, value in recipe.settings().items() if key != "measured"}
    for setting in settings:
        _apply(data, setting)
    return parse(data, f'recipe "{recipe.name}"')


def parse(data: Mapping[str, Any], source: str) -> Recipe:
    """Check plain data against the schema. Raises RecipeError with `source`, place and fault."""
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise _explain(error.errors(), data, source) from error


def to_toml(recipe: Recipe) -> str:
    """The recipe with every default filled in, as TOML that `load_recipe` reads back."""
    return tomli_w.dumps(recipe.settings())


def template(name_or_path: str | Path, settings: Iterable[str] = ()) -> str:
    """A recipe as TOML to be copied and changed: without the results that were measured of it.

    A named recipe whose settings stay comes as it was written, others with every default filled in. Raises
    RecipeError as `load_recipe` does.
    """
    recipe = load_recipe(name_or_path, settings)
    if name_or_path in named_recipes() and not settings:
        return _source_text(str(name_or_path)).partition("\n[[measured]]")[0]
    return tomli_w.dumps({key: value for key, value in recipe.settings().items() if key != "measured"})


def _source_text(name: str) -> str:
    return (resources.files(__package__) / "named" / f"{name}.toml").read_text()


def _read(name_or_path: str | Path) -> tuple[dict[str, Any], str]:
    word = str(name_or_path)
    if word in named_recipes():
        return tomllib.loads(_source_text(word)), f'recipe "{word}"'
    if word.startswith(PREFIX):
        return backbone_recipe(word), f'recipe "{word}"'
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.is_file():
        raise RecipeError(
            f'There is no recipe "{word}".',
            did_you_mean(word, named_recipes()) + " Or give a path to a .toml file.",
        )
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}.", "Give the path of a recipe in TOML.") from error
    if len(text) > _LARGEST:
        raise RecipeError(
            f"{path}: larger than 1 MiB; a recipe is a page of text.", "Is this the right file?"
        )
    try:
        return tomllib.loads(text.decode()), str(path)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecipeError(
            f"{path}: not valid TOML: {error}.", "See `lapel recipes cnn` for the form."
        ) from error


def _apply(data: dict[str, Any], setting: str) -> None:
    place, equals, value = setting.partition("=")
    keys = [key.strip() for key in place.split(".")]
    if not equals or not all(keys):
        raise RecipeError(f'"{setting}" is not a setting.', "Write it as training.epochs=3.")
    target: Any = data
    for key in keys[:-1]:
        target = _inside(target, key, setting)
    if isinstance(target, list):
        _inside(target, keys[-1], setting)
        target[int(keys[-1])] = _value(value)
    elif isinstance(target, dict):
        target[keys[-1]] = _value(value)
    else:
        raise RecipeError(f'"{setting}": there is nothing to set inside "{".".join(keys[:-1])}".')


def _inside(target: Any, key: str, setting: str) -> Any:
    if isinstance(target, list):
        if not key.isdecimal() or int(key) >= len(target):
            raise RecipeError(
                f'"{setting}": "{key}" is not a place in a list of {len(target)}, counted from 0.'
            )
        return target[int(key)]
    if isinstance(target, dict):
        return target.setdefault(key, {})
    raise RecipeError(f'"{setting}": there is nothing inside "{key}".')


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def _explain(faults: Sequence[ErrorDetails], data: Mapping[str, Any], source: str) -> RecipeError:
    """The first fault, in our words."""
    fault = faults[0]
    place, model = _place(fault["loc"], data)
    if fault["type"] == "extra_forbidden":
        key = str(fault["loc"][-1])
        inside = place.rpartition(".")[0]
        where = f' in "{inside}"' if inside else ""
        return RecipeError(f'{source}: unknown key "{key}"{where}.', did_you_mean(key, model.model_fields))
    if fault["type"] == "unknown_layer":
        kind = fault["ctx"]["kind"]
        return RecipeError(f'{source}: unknown layer "{kind}" at "{place}".', did_you_mean(kind, kinds()))
    if fault["type"] == "layer_without_kind":
        return RecipeError(
            f'{source}: the layer at "{place}" does not say its kind.',
            f"Add kind = …; known: {', '.join(kinds())}.",
        )
    if fault["type"] == "missing":
        return RecipeError(f'{source}: "{place}" is missing.', "See `lapel recipes cnn` for the form.")
    # Where a value may have one of several types, there is a fault for each.
    messages = [other["msg"] for other in faults if _place(other["loc"], data)[0] == place]
    message = " or ".join(message[0].lower() + message[1:] for message in dict.fromkeys(messages))
    return RecipeError(
        f'{source}: "{place}" is {fault["input"]!r}: {message}.', "See `lapel recipes cnn` for the form."
    )


def _place(location: tuple[int | str, ...], data: Mapping[str, Any]) -> tuple[str, type[BaseModel]]:
    """The place as a user writes it, and the model whose key is at fault there."""
    model: type[BaseModel] = Recipe
    owner = model
    words: list[str] = []
    value: Any = data
    for part in location:
        if isinstance(value, Mapping):
            owner = model
            field = model.model_fields.get(str(part))
            model = _model_within(field.annotation if field else None) or model
            value = value.get(part)
        elif isinstance(value, list | tuple) and isinstance(part, int):
            value = value[part]
        else:
            continue  # pydantic's name for one of the types that a value may have
        words.append(str(part))
        if issubclass(model, Layer) and isinstance(value, Mapping):
            model = find_layer(str(value.get("kind"))) or model
    return ".".join(words), owner


def _model_within(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, or holds a row of."""
    for candidate in (annotation, *get_args(annotation)):
        plain = getattr(candidate, "__origin__", candidate)  # without what Annotated adds
        if isinstance(plain, type) and issubclass(plain, BaseModel):
            return plain
    return None
