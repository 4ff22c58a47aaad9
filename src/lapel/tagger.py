"""From a model file to tags. Needs no engine: importing this loads neither PyTorch nor matplotlib."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .card import KEY, Card
from .colour import Colour, find_colours
from .decode import Limits, Source
from .errors import ModelError, PictureError, first_line
from .model_file import HINT, open_session, read_model
from .picture import Picture, read_picture
from .wording import UNKNOWN, describe_answer, describe_doubt

if TYPE_CHECKING:
    import onnxruntime

Shares: TypeAlias = NDArray[np.float32]

EMBEDDING = "embedding"  # the output of a model by which photos are found again
UNSURE = "unsure"  # the reason where the network has none of its own

_BATCH = 64  # pictures handed to the model at once; more is hardly faster, and fewer have to be waited for


@dataclass(frozen=True)
class Tag:
    """The answer for one photo. `alternatives` are the other labels, the most probable first.

    `score` is the confidence, less what the network would rather refuse for a reason of its own. `reason`
    says why the tag is not accepted; it is empty where it is. `colours` are those of the garment, the
    largest first; a model that sees grey pictures knows none.
    """

    source: str
    label: str
    confidence: float
    alternatives: tuple[tuple[str, float], ...]
    score: float
    reason: str = ""
    colours: tuple[Colour, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the label is to be relied on."""
        return not self.reason

    @property
    def ranking(self) -> tuple[tuple[str, float], ...]:
        """Every label with its confidence, the most probable first."""
        return ((self.label, self.confidence), *self.alternatives)

    @property
    def label_scores(self) -> tuple[tuple[str, float], ...]:
        """Every label with its score, the highest first: what people are shown."""
        kept = self.score / self.confidence if self.confidence else 0.0
        return tuple((label, share * kept) for label, share in self.ranking)

    @property
    def title(self) -> str:
        """The label, or that it is not known."""
        return self.label if self.accepted else UNKNOWN

    @property
    def doubt(self) -> str:
        """Why the tag is not accepted and what comes closest, for people; empty where it is accepted."""
        return describe_doubt(self.label, self.score, self.reason)

    def __str__(self) -> str:
        """The tag in words.

        >>> str(Tag("a.jpg", "Shirt", 0.9996, (), 0.9996)), str(Tag("b.jpg", "Shirt", 0.9, (), 0.2, "unsure"))
        ('Shirt >99.9%', "I don't know: unsure (closest: Shirt 20.0%)")
        """
        return describe_answer(self.label, self.score, self.reason)

    def to_dict(self, top: int | None = None) -> dict[str, Any]:
        """Plain data for JSON; `top` counts the labels to give, the first one included."""
        others = self.ranking[1:top]
        return {
            "source": self.source,
            "label": self.label,
            "confidence": self.confidence,
            "score": self.score,
            "accepted": self.accepted,
            "reason": self.reason or None,
            "alternatives": [{"label": label, "confidence": confidence} for label, confidence in others],
            "colours": [colour.to_dict() for colour in self.colours],
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
        self,
        session: onnxruntime.InferenceSession,
        card: Card,
        limits: Limits,
        fingerprint: str,
        embedding_width: int = 0,
    ) -> None:
        self.card = card
        self.limits = limits
        self.fingerprint = fingerprint  # SHA-256 of the model file
        self.embedding_width = embedding_width  # numbers of an embedding; 0 where the model gives none
        self._session = session

    def __repr__(self) -> str:
        return f"Tagger({self.card.name!r}, {len(self.card.class_names)} classes)"

    def tag(self, source: Source) -> Tag:
        """Label one photo: a path, the bytes of a file, a PIL image or a uint8 array.

        Raises PictureError where it cannot be read.

        >>> load_tagger("model.onnx").tag("shirt.jpg").label  # doctest: +SKIP
        'Shirt'
        """
        return self.tag_pictures([source_label(source)], [self.picture(source)])[0]

    def tag_many(self, sources: Iterable[Source]) -> Iterator[Tag | Untagged]:
        """Label photos one after the other, in their order; one that cannot be read comes back Untagged.

        Sources are taken a batch at a time, so there may be more of them than fit in memory.
        """
        remaining = iter(sources)
        while batch := list(islice(remaining, _BATCH)):
            yield from self.tag_read(
                [source_label(source) for source in batch], [self.read(one) for one in batch]
            )

    def picture(self, source: Source) -> Picture:
        """The picture that the model sees of a photo: uint8 (size, size, channels). Raises PictureError."""
        return read_picture(source, self.card.picture, self.limits)

    def read(self, source: Source) -> Picture | PictureError:
        """The same, or why there is none."""
        try:
            return self.picture(source)
        except PictureError as error:
            return error

    def tag_read(
        self, names: Sequence[str], reads: Sequence[Picture | PictureError]
    ) -> Iterator[Tag | Untagged]:
        """Label what `read` gave for photos of these names, in their order.

        Raises ModelError as `answers` does.
        """
        both = list(zip(names, reads, strict=True))
        seen = [(name, one) for name, one in both if not isinstance(one, PictureError)]
        tags = iter(self.tag_pictures([name for name, _ in seen], [picture for _, picture in seen]))
        for name, one in both:
            yield Untagged(name, one) if isinstance(one, PictureError) else next(tags)

    def tag_pictures(self, names: Sequence[str], pictures: Sequence[Picture]) -> list[Tag]:
        """Label pictures that were made as `picture` makes them; `names` become the sources of the tags.

        Raises ModelError as `answers` does.
        """
        if not pictures:
            return []
        stack = np.stack(pictures)
        return self.tags(names, *self.answers(stack), find_colours(stack))

    def tags(
        self,
        names: Sequence[str],
        probabilities: Shares,
        rejected: Shares,
        colours: Sequence[tuple[Colour, ...]],
    ) -> list[Tag]:
        """What `answers` and `find_colours` gave, as tags; `names` become their sources."""
        found = scores(probabilities, rejected)
        # Plain numbers from here on: Python is done with a row of them before numpy has begun.
        rows = zip(names, probabilities.tolist(), rejected.tolist(), found.tolist(), colours, strict=True)
        return [self._tag(*one) for one in rows]

    def probabilities(self, pictures: NDArray[np.uint8]) -> Shares:
        """What the model gives each class, for pictures (n, size, size, channels): float32 (n, classes).

        Raises ModelError as `answers` does.
        """
        return self.answers(pictures)[0]

    def answers(self, pictures: NDArray[np.uint8]) -> tuple[Shares, Shares]:
        """The probabilities (n, classes), and the share of each reject of the card (n, rejects): float32.

        Where the card wants a second look, pictures that leave doubt are asked about mirrored as well.
        Raises ModelError where the pictures are of another shape or the model fails.
        """
        probabilities, rejected, _ = self._look(pictures)
        return probabilities, rejected

    def embed(self, pictures: NDArray[np.uint8]) -> Shares:
        """What the model sees in each picture as a unit vector: float32 (n, embedding_width).

        Those of two views of one garment are near each other. Raises ModelError as `answers` does, and where
        the model gives none.
        """
        self._expect_embedding()
        return self._run_session(pictures, [EMBEDDING])[0]

    def tag_and_embed(self, names: Sequence[str], pictures: Sequence[Picture]) -> tuple[list[Tag], Shares]:
        """What `tag_pictures` and `embed` give, in one pass. Raises ModelError as `embed` does."""
        self._expect_embedding()
        if not pictures:
            return [], np.zeros((0, self.embedding_width), np.float32)
        stack = np.stack(pictures)
        probabilities, rejected, embeddings = self._look(stack, embeds=True)
        return self.tags(names, probabilities, rejected, find_colours(stack)), embeddings

    def _look(self, pictures: NDArray[np.uint8], *, embeds: bool = False) -> tuple[Shares, Shares, Shares]:
        """What `answers` gives, and the embeddings (n, any) where they are asked for."""
        first = self._ask(pictures, embeds=embeds)
        places = doubtful(first[0], self.card.second_look)
        if len(places):
            mirrored = self._ask(pictures[places, :, ::-1])
            for answers, second in zip(first[:2], mirrored, strict=False):
                answers[places] = (answers[places] + second) / 2
        return first

    def _ask(self, pictures: NDArray[np.uint8], *, embeds: bool = False) -> tuple[Shares, Shares, Shares]:
        """What the model itself answers: probabilities, what is rejected, and embeddings or none."""
        wanted = ["probabilities", *["rejected"] * bool(self.card.rejects), *[EMBEDDING] * embeds]
        answers = dict(zip(wanted, self._run_session(pictures, wanted), strict=True))
        nothing = np.zeros((len(pictures), 0), np.float32)
        return answers["probabilities"], answers.get("rejected", nothing), answers.get(EMBEDDING, nothing)

    def _expect_embedding(self) -> None:
        if not self.embedding_width:
            raise ModelError(
                f"The model {self.card.name} gives no embedding, so nothing can be found by it.",
                "The shipped model photo does.",
            )

    def _run_session(self, pictures: NDArray[np.uint8], wanted: Sequence[str]) -> list[Shares]:
        """Those of the model's outputs that are wanted; what is not wanted is not answered."""
        if pictures.dtype != np.uint8 or pictures.shape[1:] != self.card.picture.shape:
            expected = ", ".join(map(str, self.card.picture.shape))
            raise ModelError(
                f"The model takes uint8 pictures of shape (n, {expected}); "
                f"got {pictures.dtype} of shape {pictures.shape}."
            )
        try:
            answers: list[Shares]
            answers = self._session.run(list(wanted), {"pictures": np.ascontiguousarray(pictures)})
        except Exception as error:  # ONNX Runtime has no public base class for what it raises
            raise ModelError(f"The model fails on a picture ({first_line(error)}).", HINT) from error
        widths = {
            "probabilities": len(self.card.class_names),
            "rejected": len(self.card.rejects),
            EMBEDDING: self.embedding_width,
        }
        shapes = [(len(pictures), widths[name]) for name in wanted]
        if [answer.shape for answer in answers] != shapes or not all(
            np.isfinite(answer).all() for answer in answers
        ):
            raise ModelError("The model answers with something other than probabilities.", HINT)
        return answers

    def _tag(
        self,
        name: str,
        shares: list[float],
        rejected: list[float],
        score: float,
        colours: tuple[Colour, ...],
    ) -> Tag:
        ranking = sorted(zip(self.card.class_names, shares, strict=True), key=_share, reverse=True)
        reason = "" if score >= self.card.accept else self._reason(score, rejected)
        return Tag(name, *ranking[0], tuple(ranking[1:]), score, reason, colours)

    def _reason(self, score: float, rejected: list[float]) -> str:
        """The reject that has a larger share than the best class, or that none has."""
        largest = max(rejected, default=0.0)
        return self.card.rejects[rejected.index(largest)] if largest > score else UNSURE


_share = itemgetter(1)


def scores(probabilities: Shares, rejected: Shares) -> NDArray[np.float64]:
    """The score (n) of each answer: the confidence, less what is rejected."""
    found: NDArray[np.float64] = discount_rejects(probabilities, rejected).max(axis=1)
    return found


def discount_rejects(
    probabilities: NDArray[np.floating], rejected: NDArray[np.floating]
) -> NDArray[np.float64]:
    """The probabilities (n, classes), less what the network would rather refuse."""
    kept = 1 - rejected.sum(axis=1, keepdims=True).astype(np.float64)
    found: NDArray[np.float64] = probabilities * kept
    return found


def doubtful(probabilities: NDArray[np.floating], share: float) -> NDArray[np.intp]:
    """The places of answers of which the second class has more than this share of what the first has."""
    if share >= 1:
        return np.zeros(0, np.intp)
    best = np.sort(probabilities, axis=1)[:, -2:]
    return np.flatnonzero(best[:, 0] > share * best[:, -1])


def load_tagger(model: str | Path = "photo", limits: Limits | None = None) -> Tagger:
    """Load a model that comes with Lapel, by its name, or a file. `limits` bound the photos it will read.

    Raises ModelError where there is no such model, or the file is not a model of Lapel, with what it is
    instead.

    >>> load_tagger("model.onnx").card.class_names[0]  # doctest: +SKIP
    'T-shirt/top'
    """
    path, data = read_model(model)
    return tagger_of(data, str(path), limits)


def tagger_of(data: bytes, path: str, limits: Limits | None = None) -> Tagger:
    """The tagger of a model file's bytes; messages call it `path`. Raises ModelError as `load_tagger`."""
    try:
        session = open_session(data)
        text = session.get_modelmeta().custom_metadata_map.get(KEY)
        takes = [(item.name, item.type, list(item.shape[1:])) for item in session.get_inputs()]
        gives = [(item.name, item.type, list(item.shape[1:])) for item in session.get_outputs()]
    except Exception as error:  # ONNX Runtime has no public base class for what it raises
        outside = "xternal data" in str(error)
        why = "it keeps weights in another file" if outside else first_line(error)
        raise ModelError(f"{path}: not a usable ONNX model ({why}).", HINT) from error
    if text is None:
        raise ModelError(
            f"{path}: an ONNX model without a card, so its classes and its pictures are not known.",
            HINT,
        )
    try:
        card = Card.from_json(text)
    except ModelError as error:
        raise ModelError(f"{path}: {error.message}", error.hint) from error
    shape, classes, rejects = list(card.picture.shape), len(card.class_names), len(card.rejects)
    if takes != [("pictures", "tensor(uint8)", shape)]:
        raise ModelError(
            f"{path}: by its card, the model takes uint8 pictures of shape {shape}; "
            f"in fact it takes {takes}.",
            HINT,
        )
    outputs = [("probabilities", classes), ("rejected", rejects)][: 2 if rejects else 1]
    width = _embedding_width(gives)
    outputs += [(EMBEDDING, width)] * bool(width)
    if gives != [(name, "tensor(float)", [count]) for name, count in outputs]:
        besides = f" and shares of {rejects} rejects" if rejects else ""
        raise ModelError(
            f"{path}: by its card, the model gives probabilities of {classes} classes{besides}; "
            f"in fact it gives {gives}.",
            HINT,
        )
    return Tagger(session, card, limits or Limits(), hashlib.sha256(data).hexdigest(), width)


def _embedding_width(gives: Sequence[tuple[str, str, list[int | str]]]) -> int:
    """How many numbers the last of these outputs gives for a picture, where it is an embedding; else 0."""
    name, _, shape = gives[-1] if gives else ("", "", [])
    return shape[0] if name == EMBEDDING and len(shape) == 1 and isinstance(shape[0], int) else 0


def source_label(source: Source) -> str:
    """The source in a tag: the path as it was given, or what kind of thing it was."""
    if isinstance(source, (str, Path)):
        return str(source)
    return {bytes: "bytes", np.ndarray: "array"}.get(type(source), "image")
