"""The card of a model: what it says of itself, kept inside the model file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NoReturn

from .errors import LapelError, ModelError, did_you_mean
from .picture import PictureSpec

KEY = "lapel.card"  # in the metadata of the ONNX file

_FORMAT = 1
_LARGEST = 1 << 20  # characters
_MOST_CLASSES = 10_000
_LONGEST_NAME = 200
_HOTTEST = 1000.0
_BY_CLASS = ("curve", "vector", "vector and curve")
_MEASURED = {"dataset": str, "split": str, "accuracy": float, "interval": list, "pictures": int}


@dataclass(frozen=True)
class Card:
    """What a model says of itself.

    `measured` lists what it reached: dataset, split, accuracy (0 to 1), interval (95 %, low and high) and
    the number of pictures. `made` says how it came to be: recipe, engine, seed, data, date. `temperature`
    is what the network's answers are divided by, inside the model, before they become probabilities.
    `rejects` are the reasons for which the network itself can refuse a picture ("not one of the classes"),
    and `accept` is the least score, 0 to 1, at which a tag is accepted. Where the second class has more than
    the share `second_look` of what the first has, the mirror image is asked about as well and the answers
    are averaged; with 1 that is never. `usual` is what the model answered on
    the pictures that it was calibrated with: the share that it accepted, and the share of each class among
    its labels, accepted or not ({"accepted": 0.9, "labels": {"Shirt": 0.2, …}}); empty where not known.
    `calibration` says how its confidence was made true: method ("temperature", "curve", "vector" or "vector
    and curve"), on how many answers it was fitted, the log losses that methods had on answers left out, and
    but for a temperature the scale and bias of each class and the curve, which the model applies inside.
    """

    name: str
    class_names: tuple[str, ...]
    picture: PictureSpec
    measured: tuple[dict[str, Any], ...] = ()
    made: dict[str, str | int | float | None] = field(default_factory=dict)
    temperature: float = 1.0
    rejects: tuple[str, ...] = ()
    accept: float = 0.0
    second_look: float = 1.0
    usual: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    format: int = _FORMAT

    def to_json(self) -> str:
        """The card as JSON, the same text for the same card."""
        said = asdict(self)
        if not self.calibration:
            del said["calibration"]  # which the first versions do not know
        return json.dumps(said, sort_keys=True, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Card:
        """Read a card, trusting nothing in it. Raises ModelError that says what is wrong."""
        if len(text) > _LARGEST:
            raise ModelError(f"The model's card has {len(text):,} characters; at most {_LARGEST:,} are read.")
        try:
            data = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ModelError(f"The model's card is not valid JSON ({error}).") from error
        if not isinstance(data, dict):
            raise ModelError(f"The model's card should be a JSON object; it is {describe_value(data)}.")
        if data.get("format") != _FORMAT or type(data["format"]) is not int:
            raise ModelError(
                f"The model's card has the format {describe_value(data.get('format'))}; "
                f"this Lapel reads {_FORMAT}.",
                "A newer Lapel may read it: pip install --upgrade lapel",
            )
        known = [entry.name for entry in fields(cls)]
        for key in data:
            if key not in known:
                raise ModelError(
                    f"The model's card has an unknown entry {describe_value(key)}.", did_you_mean(key, known)
                )
        class_names = _class_names(data.get("class_names"))
        return cls(
            name=_text("name", data.get("name")),
            class_names=class_names,
            picture=_picture(data.get("picture")),
            measured=tuple(_list("measured", data.get("measured", []), _read_result)),
            made=_read_origin(data.get("made", {})),
            temperature=_temperature(data.get("temperature", 1.0)),
            rejects=_rejects(data.get("rejects", []), class_names),
            accept=_share("accept", data.get("accept", 0.0)),
            second_look=_share("second_look", data.get("second_look", 1.0)),
            usual=_usual(data.get("usual", {}), class_names),
            calibration=_calibration(data.get("calibration", {}), len(class_names)),
        )


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number that JSON knows")


def describe_value(value: object) -> str:
    """A value of JSON as messages show it, cut to 60 characters."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _wrong(entry: str, expected: str, value: object) -> ModelError:
    return ModelError(f'The model\'s card: "{entry}" should be {expected}; it is {describe_value(value)}.')


def _text(entry: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME or not value.isprintable():
        raise _wrong(entry, f"1 to {_LONGEST_NAME} printable characters", value)
    return value


def _list(entry: str, value: object, read: Callable[[str, object], Any]) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(entry, "a list", value)
    return [read(entry, item) for item in value]


def _class_names(value: object) -> tuple[str, ...]:
    names = _list("class_names", value, _text)
    if not 1 <= len(names) <= _MOST_CLASSES:
        raise ModelError(f"The model's card names {len(names)} classes; expected 1 to {_MOST_CLASSES:,}.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ModelError(f"The model's card names the class {describe_value(twice)} twice.")
    return tuple(names)


def _rejects(value: object, class_names: tuple[str, ...]) -> tuple[str, ...]:
    names = _list("rejects", value, _text)
    if len(names) > _MOST_CLASSES:
        raise ModelError(f"The model's card names {len(names)} rejects; expected at most {_MOST_CLASSES:,}.")
    known = set(class_names)
    for name in names:
        if name in known:
            raise ModelError(
                f"The model's card names the reject {describe_value(name)} twice, or as a class, too."
            )
        known.add(name)
    return tuple(names)


def _picture(value: object) -> PictureSpec:
    if not isinstance(value, dict):
        raise _wrong("picture", "an object", value)
    try:
        return PictureSpec.from_dict(value)
    except LapelError as error:
        raise ModelError(f"The model's card: {error.message}", error.hint) from error


def _read_result(entry: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(_MEASURED):
        raise _wrong(entry, f"a list of objects with {', '.join(_MEASURED)}", value)
    for key, kind in _MEASURED.items():
        if not _is(value[key], kind):
            raise _wrong(f"{entry}: {key}", f"of type {kind.__name__}", value[key])
    interval = value["interval"]
    if len(interval) != 2 or not all(_is(bound, float) for bound in interval):
        raise _wrong(f"{entry}: interval", "two numbers", interval)
    if not all(0 <= share <= 1 for share in (value["accuracy"], *interval)) or value["pictures"] < 1:
        raise _wrong(entry, "shares from 0 to 1 of at least one picture", value)
    return {
        **value,
        "dataset": _text("measured: dataset", value["dataset"]),
        "split": _text("measured: split", value["split"]),
    }


def _is(value: object, kind: type) -> bool:
    """Of that type; a whole number is a float, too, but True is no number."""
    return isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)


def _is_finite(value: object) -> bool:
    return _is(value, float) and math.isfinite(value)  # type: ignore[arg-type]


def _read_origin(value: object) -> dict[str, str | int | float | None]:
    if not isinstance(value, dict) or not all(
        isinstance(item, str | int | float | None) for item in value.values()
    ):
        raise _wrong("made", "an object of texts and numbers", value)
    return dict(value)


def _temperature(value: object) -> float:
    # NaN is out of range, too.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _HOTTEST:
        raise _wrong("temperature", f"a number above 0, at most {_HOTTEST:g}", value)
    return float(value)


def _usual(value: object, class_names: tuple[str, ...]) -> dict[str, Any]:
    if value == {}:
        return {}
    if not isinstance(value, dict) or set(value) != {"accepted", "labels"}:
        raise _wrong("usual", "an object with accepted and labels", value)
    labels = value["labels"]
    if not isinstance(labels, dict) or set(labels) != set(class_names):
        raise _wrong("usual: labels", "an object with a share for each class", labels)
    shares = {name: _share("usual: labels", labels[name]) for name in class_names}
    if not math.isclose(math.fsum(shares.values()), 1, abs_tol=1e-6):
        raise _wrong("usual: labels", "shares that add up to 1", labels)
    return {"accepted": _share("usual: accepted", value["accepted"]), "labels": shares}


def _calibration(value: object, classes: int) -> dict[str, Any]:
    if value == {}:
        return {}
    expected = {"method", "fitted", "losses"}
    method = value.get("method") if isinstance(value, dict) else None
    if isinstance(value, dict) and isinstance(method, str) and method in _BY_CLASS:
        expected |= {"scale", "bias", "curve"}
    elif not isinstance(value, dict) or method != "temperature":
        raise _wrong(
            "calibration", f"an object with a method, temperature or {' or '.join(_BY_CLASS)}", value
        )
    if set(value) != expected:
        raise _wrong("calibration", f"an object with {', '.join(sorted(expected))}", value)
    losses = value["losses"]
    if type(value["fitted"]) is not int or value["fitted"] < 1:
        raise _wrong("calibration: fitted", "a number of answers", value["fitted"])
    if not isinstance(losses, dict) or not all(map(_is_finite, losses.values())):
        raise _wrong("calibration: losses", "an object of numbers", losses)
    for entry in expected & {"scale", "bias"}:
        row = value[entry]
        if not isinstance(row, list) or len(row) != classes or not all(map(_is_finite, row)):
            raise _wrong(f"calibration: {entry}", f"{classes} numbers", row)
    if "curve" in expected and not (_is_finite(value["curve"]) and value["curve"] >= 0):
        raise _wrong("calibration: curve", "a number of 0 or more", value["curve"])
    return dict(value)


def _share(entry: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _wrong(entry, "a number from 0 to 1", value)
    return float(value)
