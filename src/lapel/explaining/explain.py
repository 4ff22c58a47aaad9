"""A photo and a model or a run -> why it has its label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset, evenly
from ..decode import Source
from ..errors import LapelError, did_you_mean
from ..heat import Heat, ground_of
from ..picture import Picture
from ..runs import Run
from ..tagger import Tagger, source_label
from ..wording import percent
from .curves import Judgement, judge_heat
from .figure import explanation_figure
from .gradients import heat_of
from .subject import METHODS, OCCLUSION, Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HOTTEST = 0.2  # of the pixels, which are covered to see by how much the probability falls
JUDGED = 200  # pictures


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a picture has a label.

    `values` (height, width) say how much each pixel speaks for the label, and against it where they are less
    than 0; `heat` is the first, from 0 to 1. `fall` is by how much the label's probability `share` falls when
    the hottest fifth of the picture is covered in the colour of its ground. `nearest` are training pictures
    that look most alike to the network, each with its label and the cosine.
    """

    source: str
    label: str
    share: float
    method: str
    picture: Picture
    values: NDArray[np.float32]
    heat: Heat
    fall: float
    nearest: tuple[tuple[Picture, str, float], ...] = ()

    def __repr__(self) -> str:
        return f"Explanation({self.source!r}, {self.label!r} {self.share:.1%}, {self.method})"

    def figure(self) -> Figure:
        """The picture, the heat over it, and the nearest training pictures. Raises MissingExtra."""
        return explanation_figure(
            self.picture,
            self.heat,
            (self.label, percent(self.share)),
            (self.method, f"hottest covered: {-self.fall:+.0%}"),
            self.nearest,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, without the pictures."""
        return {
            "source": self.source,
            "label": self.label,
            "share": self.share,
            "method": self.method,
            "fall": self.fall,
            "nearest": [{"label": label, "cosine": cosine} for _, label, cosine in self.nearest],
        }


def explain(
    subject: str | Path | Run | Tagger | Subject,
    photo: Source,
    *,
    method: str = OCCLUSION,
    label: str | None = None,
    nearest: int = 0,
    dataset: Dataset | None = None,
    told: Callable[[str, int, int], None] | None = None,
) -> Explanation:
    """Find what in a photo a label hangs on: the most probable one, or `label`.

    `subject` is a model or a run; a `Subject` made of one serves several photos. `method` is "occlusion", for
    whatever answers, or "grad-cam" or "integrated-gradients", for runs of PyTorch (extra `explain`). So many
    `nearest` training pictures are found for a run, in its own `dataset` or the one that is given.

    Raises PictureError where the photo cannot be read, LapelError for a label or a method that is not there,
    RunError where gradients or training pictures are asked of what has none, and MissingExtra.

    >>> explain("photo", "shirt.jpg").fall  # doctest: +SKIP
    0.43
    """
    if not isinstance(subject, Subject):
        subject = Subject(subject)
    names = subject.card.class_names
    if label is not None and label not in names:
        raise LapelError(f'{subject.name} knows no "{label}".', did_you_mean(label, names))
    picture = subject.picture(photo)
    shares = np.asarray(subject.ask(picture[None]))[0]
    place = int(shares.argmax()) if label is None else names.index(label)
    values = subject.values(picture, place, method)
    heat = heat_of(values)
    share = float(shares[place])
    covered = np.asarray(subject.ask(_without_hottest(picture, heat)[None]))[0][place]
    return Explanation(
        source_label(photo),
        names[place],
        share,
        method,
        picture,
        values,
        heat,
        share - float(covered),
        tuple(subject.nearest(picture, nearest, dataset, told)) if nearest else (),
    )


def judge_methods(
    subject: str | Path | Run | Tagger | Subject,
    methods: tuple[str, ...] = METHODS,
    *,
    count: int = JUDGED,
    dataset: Dataset | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Judgement]:
    """Judge methods by deletion and insertion on `count` validation pictures, evenly from first to last.

    Raises what `explain` raises, and DataError or RunError where the pictures cannot be had.
    """
    known = subject if isinstance(subject, Subject) else Subject(subject)
    pictures = known.validation(dataset)

    def heat_by(method: str) -> Callable[[NDArray[np.uint8], int], Heat]:
        return lambda picture, label: known.heat(picture, label, method)

    return judge_heat(
        known.ask,
        {method: heat_by(method) for method in methods},
        [pictures[place] for place in evenly(len(pictures), count)],
        progress=progress,
    )


def _without_hottest(picture: Picture, heat: Heat) -> Picture:
    """The picture with its hottest pixels in the colour of the ground; cold ones are never covered."""
    order = np.argsort(-heat.ravel(), kind="stable")[: round(_HOTTEST * heat.size)]
    covered = picture.reshape(-1, picture.shape[2]).copy()
    covered[order[heat.ravel()[order] > 0]] = ground_of(picture)
    return covered.reshape(picture.shape)
