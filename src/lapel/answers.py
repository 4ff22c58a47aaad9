"""What a run or a study has answered about a split: kept, or asked for now; which pictures these are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .data import Progress
from .data.dataset import Dataset
from .errors import RunError
from .evaluation import evaluate
from .metrics import Numbers, Probabilities
from .runs import Run, dataset_of
from .splits import SplitName, held_by, places_of_run
from .study import Study, check_trained

Contender: TypeAlias = Run | Study


@dataclass(frozen=True, eq=False)
class Answers:
    """Probabilities (members, n, classes) about the same n pictures, and their labels (n).

    A run is one member, a study of seeds has as many as seeds. The folds of a study are one member together
    about the validation pictures: each picture is answered by the run that has not learned from it. `held`
    says in words which pictures they are: the same words, the same pictures of a dataset.
    """

    name: str
    split: SplitName
    held: str
    probabilities: Probabilities
    labels: Numbers
    class_names: tuple[str, ...]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which member is right about which picture: (members, n)."""
        return np.asarray(self.probabilities.argmax(axis=2) == self.labels)

    @property
    def together(self) -> Probabilities:
        """The mean of all members' probabilities: (n, classes)."""
        return np.asarray(self.probabilities.mean(axis=0, dtype=np.float64))


def runs_of(one: Contender) -> list[Run]:
    """The run itself, or the runs of a study."""
    return one.runs if isinstance(one, Study) else [one]


def has_answers(one: Contender, split: SplitName) -> bool:
    """Whether all of its runs keep answers about a split."""
    runs = runs_of(one)
    whole = not isinstance(one, Study) or len(runs) == len(one.members)
    return whole and all(run.predictions(split) is not None for run in runs)


def held_of(one: Contender, split: SplitName) -> str:
    """Which pictures a run or study is judged on, in words."""
    if split == "test":
        return "the test pictures"
    if isinstance(one, Study) and one.kind == "folds":
        return f"all in {len(one.members)} folds, seed {one.runs[0].split_seed}"
    return held_by(runs_of(one)[0])


def answers_of(
    one: Contender, split: SplitName, dataset: Dataset | None = None, progress: Progress | None = None
) -> Answers:
    """What a run or a study answers about a split. Its runs are judged on it where they were not yet.

    Raises RunError where a member of a study is not trained to its end, and what `evaluate` raises.
    """
    if isinstance(one, Study):
        check_trained(one)
    kept = []
    for run in runs_of(one):
        answer = run.predictions(split)
        if answer is None:
            evaluate(run, split=split, dataset=dataset, progress=progress)
            answer = run.predictions(split)
            assert answer is not None
        kept.append(answer)
    probabilities, labels = [answer[0] for answer in kept], [answer[1] for answer in kept]
    names = tuple(runs_of(one)[0].environment["dataset"]["class_names"])
    held = held_of(one, split)
    if _is_pooled(one, split):
        pooled = np.concatenate(probabilities)[None]
        return Answers(one.name, split, held, pooled, np.concatenate(labels), names)
    if any(not np.array_equal(labels[0], other) for other in labels[1:]):
        raise RunError(f"{one.name}: its runs have answered other {split} pictures.", "Evaluate them again.")
    return Answers(one.name, split, held, np.stack(probabilities), labels[0], names)


def paired(
    first: Contender, second: Contender, split: SplitName | None = None, progress: Progress | None = None
) -> tuple[Answers, Answers]:
    """What two runs or studies answer about the same pictures.

    Without `split` it is the test pictures where both have answered them, else the validation pictures, on
    which they are judged now where they were not yet. Of the test pictures only kept answers are taken: they
    are never looked at for this. Raises RunError where the two were judged on other data or pictures.
    """
    check_same_data(first, second)
    seen = has_answers(first, "test") and has_answers(second, "test")
    if split == "test" and not seen:
        raise RunError(
            f"{first.name} and {second.name} have not both been judged on the test pictures.",
            "A comparison does not look at them: lapel evaluate NAME --test",
        )
    chosen: SplitName = split or ("test" if seen else "validation")
    held = [held_of(one, chosen) for one in (first, second)]
    if held[0] != held[1]:
        raise RunError(
            f"{first.name} and {second.name} were validated on different pictures "
            f"({held[0]}, and {held[1]}).",
            "The test pictures are the same for both: lapel evaluate RUN --test",
        )
    mine, theirs = (answers_of(one, chosen, progress=progress) for one in (first, second))
    if not np.array_equal(mine.labels, theirs.labels):
        raise RunError(
            f"{first.name} and {second.name} have answered other {chosen} pictures.",
            "Evaluate both of them again.",
        )
    return mine, theirs


def check_same_data(first: Contender, second: Contender) -> None:
    """Raise RunError, with both fingerprints, where two were trained on other data."""
    one, other = (runs_of(contender)[0].environment["dataset"] for contender in (first, second))
    if one["fingerprint"] != other["fingerprint"]:
        raise RunError(
            f"{first.name} was trained on {one['name']} of fingerprint {one['fingerprint'][:12]} and "
            f"{second.name} on {other['name']} of {other['fingerprint'][:12]}: "
            "their accuracies do not compare.",
            "Compare runs of the same data.",
        )


def places_of(one: Contender, dataset: Dataset, split: SplitName) -> NDArray[np.intp]:
    """Where the pictures of `answers_of` stand among the training or test pictures of a dataset."""
    parts = [places_of_run(run, dataset, split) for run in runs_of(one)]
    return np.concatenate(parts) if _is_pooled(one, split) else parts[0]


def dataset_behind(one: Contender, progress: Progress | None = None) -> Dataset:
    """The dataset that a run or a study was trained on. Raises as `dataset_of` does."""
    return one.dataset(progress) if isinstance(one, Study) else dataset_of(one, progress)


def _is_pooled(one: Contender, split: SplitName) -> bool:
    return isinstance(one, Study) and one.kind == "folds" and split == "validation"
