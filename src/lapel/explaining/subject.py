"""What is asked why: a model or a run, in the same terms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset, Split
from ..decode import Limits, Source
from ..engines.features import FeatureMaker
from ..errors import LapelError, RunError
from ..evaluation import fitting, is_model
from ..exporting import card_of
from ..heat import Heat, heat_map
from ..neighbours import nearest, unit
from ..picture import Picture, read_picture
from ..runs import Run, dataset_of, open_run
from ..splits import dataset_of_model, learned_by, split_of_model, split_of_run
from ..tagger import Tagger, discount_rejects, load_tagger
from .gradients import GRAD_CAM, INTEGRATED, gradient_values, heat_of

OCCLUSION = "occlusion"
METHODS = (OCCLUSION, GRAD_CAM, INTEGRATED)


class Subject:
    """A model or a run: what it sees of a photo, what it answers, and where its heat lies.

    Raises LapelError where there is none of that name.
    """

    def __init__(self, subject: str | Path | Run | Tagger) -> None:
        if isinstance(subject, (str, Path)):
            subject = load_tagger(subject) if is_model(subject) else open_run(subject)
        self._run = subject if isinstance(subject, Run) else None
        self._tagger = subject if isinstance(subject, Tagger) else None
        self.card = card_of(subject) if isinstance(subject, Run) else subject.card
        self.name = subject.name if isinstance(subject, Run) else subject.card.name
        self._network: Any = None
        self._seen: tuple[Split, NDArray[np.float32]] | None = None

    def picture(self, photo: Source) -> Picture:
        """What it sees of a photo. Raises PictureError."""
        return read_picture(photo, self.card.picture, Limits())

    def ask(self, pictures: NDArray[np.uint8]) -> NDArray[np.floating[Any]]:
        """The probabilities (n, classes), less what a model would rather refuse."""
        if self._tagger:
            return discount_rejects(*self._tagger.answers(pictures))
        assert self._run
        return self._run.engine().probabilities(self.network, pictures)

    def values(self, picture: Picture, label: int, method: str) -> NDArray[np.float32]:
        """How much each pixel (height, width) speaks for a label, by a method.

        Raises LapelError for an unknown method, and where one needs gradients of a thing that has none.
        """
        if method == OCCLUSION:
            return heat_map(self.ask, picture, label).heat
        if method not in METHODS:
            raise LapelError(f'There is no method "{method}".', f"Known: {', '.join(METHODS)}.")
        if not self._has_gradients():
            raise RunError(
                f"{self.name}: {method} asks for gradients, which only runs of the engine torch have.",
                f"Give such a run, or choose --method {OCCLUSION}.",
            )
        return gradient_values(self.network, picture, label, method)

    def heat(self, picture: Picture, label: int, method: str) -> Heat:
        """The same as heat, from 0 to 1."""
        return heat_of(self.values(picture, label, method))

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that it can be asked by."""
        return METHODS if self._has_gradients() else (OCCLUSION,)

    def _has_gradients(self) -> bool:
        return self._run is not None and self._run.environment["engine"]["name"] == "torch"

    @property
    def network(self) -> Any:
        """The network of a run, built once."""
        assert self._run
        if self._network is None:
            shape, classes = self.card.picture.shape, len(self.card.class_names)
            self._network = self._run.engine().build(self._run.recipe, shape, classes, self._run.weights())
        return self._network

    def validation(self, dataset: Dataset | None = None) -> list[Picture]:
        """The validation pictures, as it sees them."""
        if self._run:
            return list(split_of_run(self._run, dataset or dataset_of(self._run), "validation").pictures)
        assert self._tagger
        split = split_of_model(self._tagger, dataset or dataset_of_model(self._tagger), "validation")
        return list(fitting(self._tagger, split.pictures))

    def nearest(
        self,
        picture: Picture,
        count: int,
        dataset: Dataset | None = None,
        told: Callable[[str, int, int], None] | None = None,
    ) -> list[tuple[Picture, str, float]]:
        """The pictures it has learned from that look most like this one to it: label and cosine of each.

        Raises RunError for a model, which does not know what it has learned from.
        """
        if self._run is None:
            raise RunError(
                f"{self.name}: a model does not hold what it has learned from.",
                "Give the run that it was made of.",
            )
        recipe, data = self._run.recipe, self._run.environment["dataset"]
        shape, classes = tuple(data["shape"]), len(data["class_names"])
        last = len(recipe.layers) - 1
        with FeatureMaker(recipe, self._run.weights(), shape, classes, last, kept=True) as compute:
            if self._seen is None:
                learned = learned_by(self._run, dataset or dataset_of(self._run))
                parts, done = [], 0
                for part in compute(learned.pictures):
                    parts.append(part)
                    done += len(part)
                    if told:
                        told("features", done, len(learned))
                self._seen = learned, unit(np.concatenate(parts))
            [query] = compute(picture[None])
        learned, rows = self._seen
        places, cosines = nearest(unit(query), rows, count)
        return [
            (learned.pictures[place], self.card.class_names[learned.labels[place]], float(cosine))
            for place, cosine in zip(places[0], cosines[0], strict=True)
        ]
