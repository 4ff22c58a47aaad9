"""Rows as CSV, as JSON lines and as Parquet, and back again."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from ..colour import Colour
from ..errors import PictureError
from ..runtime import pyarrow
from ..tagger import UNSURE, Tag, Tagger, Untagged
from .pipeline import Row

_GROUP = 10_000  # rows of Parquet written, and held, at once
_WORDS = {True: "true", False: "false"}  # in CSV


@dataclass(frozen=True)
class Form:
    """How rows are written. `decode` reads one back, and raises ValueError where it is none of this model."""

    header: bytes
    encode: Callable[[Row], bytes]
    decode: Callable[[bytes], Row]
    quoted: bool = False  # whether a line may end within quotes, and the row go on in the next one


def form_of(name: str, tagger: Tagger, top: int) -> Form:
    """The form `csv`, or `jsonl`, for this model and so many labels a row."""
    return csv_lines(tagger, top) if name == "csv" else jsonl(tagger, top)


def form_of_file(path: Path, tagger: Tagger, top: int) -> Form:
    """The form of a file by its ending; where it is there already, as an earlier version wrote it."""
    form = form_of(path.suffix.lower()[1:], tagger, top)
    with suppress(OSError), path.open("rb") as file:
        plain_form = csv_lines(tagger, top, colours=False)
        if form.quoted and file.read(len(plain_form.header)) == plain_form.header:
            return plain_form
    return form


def jsonl(tagger: Tagger, top: int) -> Form:
    """One JSON object a line: source, label, confidence, score, …, alternatives (or error), model."""
    model = model_name(tagger)
    labels = min(top, len(tagger.card.class_names))

    def encode(row: Row) -> bytes:
        return json.dumps(plain(row, top, model)).encode() + b"\n"

    def decode(line: bytes) -> Row:
        data = json.loads(line)
        if not isinstance(data, dict):
            raise ValueError("it is no row of tags")
        _check_model(data.get("model"), model)
        try:
            if "error" in data:
                return Untagged(str(data["source"]), PictureError(str(data["error"])))
            others = [(str(other["label"]), float(other["confidence"])) for other in data["alternatives"]]
            if len(others) + 1 != labels:
                raise ValueError(f"it gives {len(others) + 1} labels instead of {labels}")
            _check_label(data["label"], tagger)
            return Tag(
                str(data["source"]),
                data["label"],
                float(data["confidence"]),
                tuple(others),
                float(data["score"]),
                # Parquet gives back no reason where there is none.
                _reason(data["accepted"], data.get("reason") or "", tagger),
                # An earlier version had none.
                tuple(
                    Colour(str(one["name"]), float(one["share"]), str(one["hex"]))
                    for one in data.get("colours", [])
                ),
            )
        except (LookupError, TypeError) as error:
            raise ValueError("it is no row of tags") from error

    return Form(b"", encode, decode)


def csv_lines(tagger: Tagger, top: int, *, colours: bool = True) -> Form:
    """A header, and one line a row: source, label, confidence, score, accepted, reason, label_2, …, model.

    The last column, `colours`, holds "navy 0.712 #1f2b4d; white 0.201 #f0f0f0".
    """
    model = model_name(tagger)
    # More labels than the model has would be columns that are always empty.
    top = min(top, len(tagger.card.class_names))
    others = [f"{name}_{place}" for place in range(2, top + 1) for name in ("label", "confidence")]
    columns = ["source", "label", "confidence", "score", "accepted", "reason", *others, "error", "model"]
    columns += ["colours"] * colours

    def encode(row: Row) -> bytes:
        if isinstance(row, Untagged):
            empty = [""] * (len(columns) - 3 - colours)
            return _csv_line([row.source, *empty, row.error.message, model, *[""] * colours])
        first, *others = [(label, f"{share:.6f}") for label, share in row.ranking[:top]]
        verdict = f"{row.score:.6f}", _WORDS[row.accepted], row.reason
        ranking = [text for other in others for text in other]
        dyes = "; ".join(f"{one.name} {one.share:.3f} {one.hex}" for one in row.colours)
        return _csv_line([row.source, *first, *verdict, *ranking, "", model, *[dyes] * colours])

    def decode(line: bytes) -> Row:
        (fields,) = csv.reader([line.decode("utf-8", "surrogateescape")], strict=True)
        if len(fields) != len(columns):
            raise ValueError(f"it has {len(fields)} fields instead of {len(columns)}")
        dyes = fields.pop() if colours else ""
        source, label, share, score, accepted, reason, *ranking, error, name = fields
        _check_model(name, model)
        if error:
            return Untagged(source, PictureError(error))
        rest = zip(ranking[::2], map(float, ranking[1::2]), strict=True)
        _check_label(label, tagger)
        if accepted not in _WORDS.values():
            raise ValueError(f"it says {accepted[:100]!r} of whether it is accepted")
        reason = _reason(accepted == _WORDS[True], reason, tagger)
        found = tuple(_colour(text) for text in dyes.split("; ") if text)
        return Tag(source, label, float(share), tuple(rest), float(score), reason, found)

    return Form(_csv_line(columns), encode, decode, quoted=True)


def write_parquet(rows: Iterable[dict[str, Any]], file: BinaryIO) -> None:
    """Write rows as `plain` gives them. Raises MissingExtra without pyarrow."""
    arrow, parquet = pyarrow()
    other = arrow.struct([("label", arrow.string()), ("confidence", arrow.float64())])
    colour = arrow.struct([("name", arrow.string()), ("share", arrow.float64()), ("hex", arrow.string())])
    schema = arrow.schema(
        [
            ("source", arrow.string()),
            ("label", arrow.string()),
            ("confidence", arrow.float64()),
            ("score", arrow.float64()),
            ("accepted", arrow.bool_()),
            ("reason", arrow.string()),
            ("alternatives", arrow.list_(other)),
            ("error", arrow.string()),
            ("model", arrow.string()),
            ("colours", arrow.list_(colour)),
        ]
    )
    remaining = iter(rows)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while group := list(islice(remaining, _GROUP)):
            writer.write_table(arrow.Table.from_pylist([_as_text(row) for row in group], schema))


def read_parquet(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The rows that `write_parquet` wrote. Raises ValueError where the file holds something else."""
    arrow, parquet = pyarrow()
    try:
        with parquet.ParquetFile(file) as table:
            for batch in table.iter_batches(batch_size=_GROUP):
                for row in batch.to_pylist():
                    yield {name: value for name, value in row.items() if value is not None}
    except arrow.ArrowException as error:
        raise ValueError(str(error).split("\n")[0]) from error


def plain(row: Row, top: int, model: str) -> dict[str, Any]:
    """A row as plain data; `model` is what `model_name` gives."""
    return {**(row.to_dict() if isinstance(row, Untagged) else row.to_dict(top)), "model": model}


def model_name(tagger: Tagger) -> str:
    """What rows call the model: its name, and enough of its fingerprint to tell it from any other."""
    return f"{tagger.card.name}@{tagger.fingerprint[:12]}"


def _csv_line(fields: list[str]) -> bytes:
    # Only where lines end with "\r\n" does Python quote a field that holds either of the two.
    line = io.StringIO(newline="")
    csv.writer(line).writerow(fields)
    return line.getvalue()[:-2].encode("utf-8", "surrogateescape") + b"\n"


def _colour(text: str) -> Colour:
    name, share, code = text.rsplit(" ", 2)
    return Colour(name, float(share), code)


def _check_model(name: object, model: str) -> None:
    if name != model:
        raise ValueError(f"it was made by {str(name)[:100]}, and this model is {model}")


def _check_label(label: object, tagger: Tagger) -> None:
    if label not in tagger.card.class_names:
        raise ValueError(f"the model has no class {str(label)[:100]!r}")


def _reason(accepted: object, reason: object, tagger: Tagger) -> str:
    if reason not in ("", UNSURE, *tagger.card.rejects) or accepted is not (reason == ""):
        raise ValueError(f"the model does not say {str(reason)[:100]!r} of what is accepted or is not")
    return str(reason)


def _as_text(row: dict[str, Any]) -> dict[str, Any]:
    """The row with what is no text in the names of files written out, since Parquet holds text alone."""
    return {
        name: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for name, value in row.items()
    }
