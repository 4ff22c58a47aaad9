"""From a model file to tags. Needs no engine: importing this loads neither PyTorch nor matplotlib."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .card import KEY, Card
from .decode import Limits, Source
from .errors import ModelError, PictureError
from .picture import Picture, read_picture

if TYPE_CHECKING:
    import onnxruntime

_LARGEST_MODEL = 512 * 1024 * 1024
_BATCH = 64  # pictures handed to the model at once; more is hardly faster, and fewer have to be waited for
_HINT = "Models are made by `lapel export RUN`."


@dataclass(frozen=True)
class Tag:
    """The answer for one photo. `alternatives` are the other labels, the most probable first."""

    source: str
    label: str
    confidence: float
    alternatives: tuple[tuple[str, float], ...]

    @property
    def ranking(self) -> tuple[tuple[str, float], ...]:
        """Every label with its confidence, the most probable first."""
        return ((self.label, self.confidence), *self.alternatives)

    def to_dict(self, top: int | None = None) -> dict[str, Any]:
        """Plain data for JSON; `top` counts the labels to give, the first one included."""
        others = self.ranking[1:top]
        return {
            "source": self.source,
            "label": self.label,
            "confidence": self.confidence,
            "alternatives": [{"label": label, "confidence": confidence} for label, confidence in others],
        }


@dataclass(frozen=True)
class Untagged:
    """A photo that could not be read, and why."""

    source: str
    error: PictureError

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"source": self.source, "error": self.error.message}


class Tagger:
    """A loaded model, asked for tags. Made by `load_tagger`."""

    def __init__(
        self, session: onnxruntime.InferenceSession, card: Card, limits: Limits, fingerprint: str
    ) -> None:
        self.card = card
        self.limits = limits
        self.fingerprint = fingerprint  # SHA-256 of the model file
        self._session = session

    def __repr__(self) -> str:
        return f"Tagger({self.card.name!r}, {len(self.card.class_names)} classes)"

    def tag(self, source: Source) -> Tag:
        """Label one photo: a path, the bytes of a file, a PIL image or a uint8 array.

        Raises PictureError where it cannot be read.

        >>> load_tagger("model.onnx").tag("shirt.jpg").label  # doctest: +SKIP
        'Shirt'
        """
        return self.tag_pictures([_told(source)], [self.picture(source)])[0]

    def tag_many(self, sources: Iterable[Source]) -> Iterator[Tag | Untagged]:
        """Label photos one after the other, in their order; one that cannot be read comes back Untagged.

        Sources are taken a batch at a time, so there may be more of them than fit in memory.
        """
        remaining = iter(sources)
        while batch := list(islice(remaining, _BATCH)):
            names, pictures, failures = [], [], {}
            for place, source in enumerate(batch):
                try:
                    pictures.append(self.picture(source))
                    names.append(_told(source))
                except PictureError as error:
                    failures[place] = Untagged(_told(source), error)
            tags = iter(self.tag_pictures(names, pictures))
            for place in range(len(batch)):
                yield failures[place] if place in failures else next(tags)

    def picture(self, source: Source) -> Picture:
        """The picture that the model sees of a photo: uint8 (size, size, channels). Raises PictureError."""
        return read_picture(source, self.card.picture, self.limits)

    def tag_pictures(self, names: Sequence[str], pictures: Sequence[Picture]) -> list[Tag]:
        """Label pictures that were made as `picture` makes them; `names` become the sources of the tags.

        Raises ModelError as `probabilities` does.
        """
        if not pictures:
            return []
        rows = self.probabilities(np.stack(pictures))
        return [self._tag(name, row) for name, row in zip(names, rows, strict=True)]

    def probabilities(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the model gives each class, for pictures (n, size, size, channels): float32 (n, classes).

        Raises ModelError where the pictures are of another shape or the model fails.
        """
        if pictures.dtype != np.uint8 or pictures.shape[1:] != self.card.picture.shape:
            expected = ", ".join(map(str, self.card.picture.shape))
            raise ModelError(
                f"The model takes uint8 pictures of shape (n, {expected}); "
                f"got {pictures.dtype} of shape {pictures.shape}."
            )
        try:
            (answer,) = self._session.run(["probabilities"], {"pictures": np.ascontiguousarray(pictures)})
        except Exception as error:  # ONNX Runtime has no public base class for what it raises
            raise ModelError(f"The model fails on a picture ({_first_line(error)}).", _HINT) from error
        if answer.shape != (len(pictures), len(self.card.class_names)) or not np.isfinite(answer).all():
            raise ModelError("The model answers with something other than probabilities.", _HINT)
        result: NDArray[np.float32] = answer
        return result

    def _tag(self, name: str, row: NDArray[np.float32]) -> Tag:
        order = np.argsort(-row, kind="stable")
        first, *others = ((self.card.class_names[place], float(row[place])) for place in order)
        return Tag(name, *first, alternatives=tuple(others))


def load_tagger(path: str | Path, limits: Limits | None = None) -> Tagger:
    """Load a model file. `limits` bound the photos that it will read.

    Raises ModelError where the file is not a model of Lapel, with what it is instead.

    >>> load_tagger("model.onnx").card.class_names[0]  # doctest: +SKIP
    'T-shirt/top'
    """
    data = _read(Path(path))
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # The networks are small: a second thread costs more than it brings, and photos are read beside it.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # A model is one file. Weights elsewhere are looked for in a folder that cannot be there.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", "/dev/null/none")
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        text = session.get_modelmeta().custom_metadata_map.get(KEY)
        takes = [(item.name, item.type, list(item.shape[1:])) for item in session.get_inputs()]
        gives = [(item.name, item.type, list(item.shape[1:])) for item in session.get_outputs()]
    except Exception as error:  # ONNX Runtime has no public base class for what it raises
        outside = "xternal data" in str(error)
        why = "it keeps weights in another file" if outside else _first_line(error)
        raise ModelError(f"{path}: not a usable ONNX model ({why}).", _HINT) from error
    if text is None:
        raise ModelError(
            f"{path}: an ONNX model without a card, so its classes and its pictures are not known.", _HINT
        )
    try:
        card = Card.from_json(text)
    except ModelError as error:
        raise ModelError(f"{path}: {error.message}", error.hint) from error
    shape, classes = list(card.picture.shape), len(card.class_names)
    if takes != [("pictures", "tensor(uint8)", shape)]:
        raise ModelError(
            f"{path}: by its card, the model takes uint8 pictures of shape {shape}; "
            f"in fact it takes {takes}.",
            _HINT,
        )
    if gives != [("probabilities", "tensor(float)", [classes])]:
        raise ModelError(
            f"{path}: by its card, the model gives probabilities of {classes} classes; "
            f"in fact it gives {gives}.",
            _HINT,
        )
    return Tagger(session, card, limits or Limits(), hashlib.sha256(data).hexdigest())


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ModelError(
                f"{path}: a folder, not a model file.",
                "Of a run, give the model.onnx that `lapel export` writes.",
            )
        with path.open("rb") as file:
            data = file.read(_LARGEST_MODEL + 1)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such model file.", _HINT) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path}: cannot be read ({reason}).") from error
    if not data:
        raise ModelError(f"{path}: empty; it holds no model.", _HINT)
    if len(data) > _LARGEST_MODEL:
        raise ModelError(f"{path}: more than {_LARGEST_MODEL:,} bytes; larger models are not loaded.")
    return data


def _told(source: Source) -> str:
    """The source in a tag: the path as it was given, or what kind of thing it was."""
    if isinstance(source, (str, Path)):
        return str(source)
    return {bytes: "bytes", np.ndarray: "array"}.get(type(source), "image")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
