"""What is asked of a model for photographs, beyond its accuracy: does the label stay when the photo changes,
does it know what it does not know?
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from lapel.calibrate import probabilities_at
from lapel.metrics import auroc
from lapel.picture import PictureSpec, read_picture

Pictures: TypeAlias = NDArray[np.uint8]
Answers: TypeAlias = NDArray[np.floating]
Ask: TypeAlias = Callable[[Pictures], Answers]  # pictures -> the share of every answer
Change: TypeAlias = Callable[[Image.Image], "Image.Image | bytes"]


def _jpeg(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def _turned(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=_rim(image))


def _rim(image: Image.Image) -> tuple[int, ...]:
    pixels = np.asarray(image)
    rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return tuple(np.median(rim, axis=0).astype(int).tolist())


def _as_large(image: Image.Image, pixels: float) -> bytes:
    factor = (pixels / (image.width * image.height)) ** 0.5
    return _jpeg(image.resize((round(image.width * factor), round(image.height * factor))), 90)


CHANGES: dict[str, Change] = {
    "turned by 10°": lambda image: _turned(image, 10),
    "turned by -20°": lambda image: _turned(image, -20),
    "turned by 90°": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "half as bright": lambda image: ImageEnhance.Brightness(image).enhance(0.5),
    "half again as bright": lambda image: ImageEnhance.Brightness(image).enhance(1.5),
    "JPEG of quality 30": lambda image: _jpeg(image, 30),
    "100 pixels": lambda image: image.resize((100, round(100 * image.height / image.width))),
    "12 megapixels": lambda image: _as_large(image, 12e6),
}


def on_ground(image: Image.Image, mask: NDArray[np.floating], level: int) -> Image.Image:
    """The garment alone, laid on a ground of one grey; `mask` (n, n; 0 to 1) is of the squared picture."""
    side = max(image.size)
    whole = Image.fromarray((mask * 255).astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    left, top = (side - image.width) // 2, (side - image.height) // 2
    alpha = whole.crop((left, top, left + image.width, top + image.height))
    return Image.composite(image, Image.new("RGB", image.size, (level,) * 3), alpha)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logits as shares of one."""
    return probabilities_at(logits[None], 1.0)


def scores(shares: Answers, classes: int) -> NDArray[np.floating]:
    """The share of the best class: what a tag is accepted by."""
    best: NDArray[np.floating] = shares[:, :classes].max(axis=1)
    return best


@dataclass
class Findings:
    """What was found, part by part, about networks that had not seen the photos they were asked about."""

    spec: PictureSpec
    classes: int
    changed: dict[str, tuple[int, int]] = field(default_factory=dict)  # labels changed, of how many
    plain: dict[str, NDArray[np.intp]] = field(default_factory=dict)  # a row a class: right, of how many
    apart: dict[str, list[float]] = field(default_factory=dict)  # AUROC of the score, one a part

    def change(self, ask: Ask, photos: Sequence[Image.Image], labels: NDArray[np.integer]) -> None:
        """Change photos that are labelled right, and see which are labelled otherwise then."""
        for name, change in CHANGES.items():
            some = slice(None, None, 8 if "mega" in name else 1)  # large files are slow to make
            answered = self._labels(ask, [change(photo) for photo in photos[some]])
            self._count(name, answered != labels[some])

    def lay(
        self,
        ask: Ask,
        photos: Sequence[Image.Image],
        masks: Answers,
        labels: NDArray[np.integer],
        right: NDArray[np.bool_],
    ) -> None:
        """Lay the garments of photos on plain ground; `right` says which were labelled right before."""
        for name, level in (("white", 255), ("black", 0)):
            laid = [on_ground(photo, mask, level) for photo, mask in zip(photos, masks, strict=True)]
            hits = self._labels(ask, laid) == labels
            self._count(f"on {name} ground", ~hits[right])
            self.on_plain(f"photos cut out, on {name}", hits, labels)

    def on_plain(self, name: str, hits: NDArray[np.bool_], labels: NDArray[np.integer]) -> None:
        """Note which garments on plain ground were labelled right."""
        table = self.plain.setdefault(name, np.zeros((self.classes, 2), np.intp))
        np.add.at(table, labels, np.stack([hits, np.ones_like(hits)], 1))

    def tell_apart(self, name: str, inside: Answers, outside: Answers) -> None:
        """How well the score tells pictures with a class from others."""
        figure = auroc(scores(inside, self.classes), scores(outside, self.classes))
        self.apart.setdefault(name, []).append(figure)

    def table(self) -> str:
        """All of it, as Markdown."""
        lines = ["| change | labels changed |", "|---|---:|"]
        lines += [
            f"| {name} | {wrong / count:.1%} of {count:,} |"
            for name, (wrong, count) in self.changed.items()
            if count
        ]
        lines += [
            "",
            "| garments on plain ground | balanced accuracy | accuracy |",
            "|---|---:|---:|",
        ]
        for name, table in self.plain.items():
            seen = table[table[:, 1] > 0]
            balanced = (seen[:, 0] / seen[:, 1]).mean()
            lines.append(f"| {name} | {balanced:.1%} | {seen[:, 0].sum() / seen[:, 1].sum():.1%} |")
        lines += ["", "| told apart from | AUROC, mean of the folds | least |", "|---|---:|---:|"]
        lines += [
            f"| {name} | {np.mean(found):.3f} | {min(found):.3f} |" for name, found in self.apart.items()
        ]
        return "\n".join(lines)

    def _labels(self, ask: Ask, photos: Sequence[Image.Image | bytes]) -> NDArray[np.intp]:
        if not photos:
            return np.zeros(0, np.intp)
        shares = ask(np.stack([read_picture(photo, self.spec) for photo in photos]))
        labels: NDArray[np.intp] = shares[:, : self.classes].argmax(1)
        return labels

    def _count(self, name: str, wrong: NDArray[np.bool_]) -> None:
        before = self.changed.get(name, (0, 0))
        self.changed[name] = before[0] + int(wrong.sum()), before[1] + len(wrong)
