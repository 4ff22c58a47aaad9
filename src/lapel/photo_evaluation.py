"""A model and somebody's own labelled photos -> report: the first thing to try before relying on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .by_group import Judged, each_group, figures, worst
from .data import Progress
from .data.dataset import evenly
from .decode import source_name
from .errors import DataError, PictureError
from .judgement import Photos, Report, judge
from .metrics import Probabilities
from .photo_labels import OTHER, LabelledPhoto, Labels, match_labels, read_labelled
from .tag import tag_catalogue
from .tagger import Tag, Tagger, Untagged

if TYPE_CHECKING:
    from .report.mistakes import Samples

_UNREAD = 20  # of which the report says why


@dataclass(frozen=True)
class Answer:
    """A labelled photo, the number of its class or OTHER, and what the model answered."""

    labelled: LabelledPhoto
    number: int
    tag: Tag

    @property
    def known(self) -> bool:
        """Whether it is of one of the model's classes."""
        return self.number != OTHER


def evaluate_photos(
    tagger: Tagger,
    data: str | PathLike[str],
    *,
    by: str | None = None,
    test: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Judge a model on labelled photos, which go the same way as those of `lapel tag`.

    `data` is a folder with a folder per label, or a CSV table with the columns file and label; `by` names a
    column of it (in a folder, it is a pattern on paths), for each value of which there are figures of their
    own. Labels are the model's classes by
    name, however written, or by number; whatever else there is counts as other things, which it should not
    accept.

    Raises DataError where no photo is of any of its classes, or what `data` names is neither of the two.

    >>> evaluate_photos(load_tagger("photo"), "my-photos").accuracy  # doctest: +SKIP
    0.81
    """
    return judge_answers(tagger, data, by=by, test=test, progress=progress)[0]


def judge_answers(
    tagger: Tagger,
    data: str | PathLike[str],
    *,
    by: str | None = None,
    test: bool = False,
    progress: Progress | None = None,
) -> tuple[Report, list[Answer]]:
    """The same, with the answers that the report is about."""
    path = Path(data)
    labelled = read_labelled(path, by=by, test=test)
    class_names = tagger.card.class_names
    labels = match_labels(dict.fromkeys(one.label for one in labelled), class_names)
    _check_known(path, labelled, labels, class_names)
    answers, unread = _ask(tagger, labelled, labels, progress)
    known = [answer for answer in answers if answer.known]
    if not known:
        raise DataError(f"{path}: not one photo of its classes can be read.", f"The first: {unread[0]}")
    report = judge(
        probabilities_of([answer.tag for answer in known], class_names),
        np.array([answer.number for answer in known]),
        class_names,
        split="test" if test else "labelled",
        dataset=_name(path.resolve()),
        run=tagger.card.name,
        test_looks=None,
    )
    return replace(report, photos=_photos(answers, unread, labels, class_names, by)), answers


def write_photo_report(tagger: Tagger, report: Report, answers: Sequence[Answer], folder: Path) -> Path:
    """Write the report of what `judge_answers` gave into a folder, and give the path of the page.

    Raises as `write_report` does.
    """
    from .report.certainty import judge_certainty
    from .report.figures import SHOWN
    from .report.findings import Findings, origin
    from .report.page import write_page

    class_names = tagger.card.class_names
    whole = report.photos.all if report.photos else figures("all", judged_of(answers, class_names))
    wrong = [
        one
        for one in answers
        if (one.tag.label != actual(one, class_names) if one.known else one.tag.accepted)
    ]
    # An accepted tag misleads; one that is not accepted has been caught.
    wrong.sort(key=lambda one: (not one.tag.accepted, -one.tag.score))
    facts = [
        ("Accepted", _percentage(whole.accepted)),
        ("Right among accepted", _percentage(whole.accepted_accuracy)),
        ("Other things accepted", _percentage(whole.others_accepted)),
        ("Classes told from others, AUROC", "–" if whole.auroc is None else f"{whole.auroc:.3f}"),
    ]
    known = [one for one in answers if one.known]
    probabilities = probabilities_of([one.tag for one in known], class_names)
    labels = np.array([one.number for one in known])
    scores = np.array([one.tag.score for one in known])
    findings = Findings(
        report.run,
        f"model on {report.dataset}",
        _samples(tagger, [answers[place] for place in evenly(len(answers), SHOWN)]),
        _samples(tagger, wrong[:SHOWN]),
        probabilities,
        labels,
        lambda places: _samples(tagger, [known[place] for place in places]),
        judge_certainty(scores, probabilities.argmax(axis=1) == labels),
        origin(tagger.card),
        facts=facts,
    )
    return write_page(findings, report, folder)


def actual(answer: Answer, class_names: Sequence[str]) -> str:
    """What a photo is: its class, or its owner's word for what is none."""
    if answer.known:
        return class_names[answer.number]
    return "other" if answer.labelled.label == str(OTHER) else answer.labelled.label


def _samples(tagger: Tagger, answers: Sequence[Answer]) -> Samples:
    """Photos as the page shows them. They are read again: all of a catalogue would not fit in memory."""
    from .report.mistakes import Samples

    reads = [
        (one, tagger.read(one.labelled.photo.source))
        for one in answers
        if not isinstance(one.labelled.photo.source, PictureError)
    ]
    kept = [(one, picture) for one, picture in reads if not isinstance(picture, PictureError)]
    pictures = np.array([picture for _, picture in kept], np.uint8).reshape(-1, *tagger.card.picture.shape)
    names = [actual(one, tagger.card.class_names) for one, _ in kept]
    files = [source_name(one.labelled.photo.name) for one, _ in kept]
    return Samples(pictures, names, [one.tag for one, _ in kept], files)


def _percentage(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def probabilities_of(tags: Sequence[Tag], class_names: Sequence[str]) -> Probabilities:
    """The confidence of each tag in each class: (n, classes)."""
    rankings = [dict(tag.ranking) for tag in tags]
    return np.array([[ranking[name] for name in class_names] for ranking in rankings])


def judged_of(answers: Sequence[Answer], class_names: Sequence[str]) -> Judged:
    """The answers as arrays, from which every figure follows."""
    return Judged(
        labels=np.array([one.number for one in answers], np.int64),
        probabilities=probabilities_of([one.tag for one in answers], class_names),
        accepted=np.array([one.tag.accepted for one in answers], bool),
        scores=np.array([one.tag.score for one in answers], np.float64),
    )


def _name(path: Path) -> str:
    """A table is called as its folder, unless it has a name of its own."""
    return path.parent.name if path.is_file() and path.stem == "labels" else path.name


def _check_known(
    path: Path, labelled: Sequence[LabelledPhoto], labels: Labels, class_names: Sequence[str]
) -> None:
    if any(number != OTHER for number in labels.numbers.values()):
        return
    found = ", ".join(list(labels.numbers)[:6]) or "none"
    near = "".join(f' Is "{label}" {name}?' for label, name in list(labels.near.items())[:3])
    table = next(iter(sorted(path.glob("*.csv"))), None) if path.is_dir() else None
    beside = f" There is a table in it: --data {table}" if table else ""
    raise DataError(
        f"{path}: none of its labels is one of the model's classes ({found}; {len(labelled):,} photos).",
        f"The classes: {', '.join(class_names)[:300]}.{near}{beside}",
    )


def _ask(
    tagger: Tagger, labelled: Sequence[LabelledPhoto], labels: Labels, progress: Progress | None
) -> tuple[list[Answer], list[str]]:
    """What the model answers, and why photos could not be read."""
    answers, unread = [], []
    with closing(tag_catalogue(tagger, (one.photo for one in labelled))) as rows:
        for done, (one, (_, row)) in enumerate(zip(labelled, rows, strict=True), start=1):
            if isinstance(row, Untagged):
                unread.append(row.error.message)
            else:
                answers.append(Answer(one, labels.numbers[one.label], row))
            if progress is not None and (done % 100 == 0 or done == len(labelled)):
                progress("judging", done, len(labelled))
    return answers, unread


def _photos(
    answers: Sequence[Answer],
    unread: Sequence[str],
    labels: Labels,
    class_names: Sequence[str],
    by: str | None,
) -> Photos:
    counts = Counter(answer.labelled.label for answer in answers if not answer.known)
    kept = Counter(answer.labelled.label for answer in answers if not answer.known and answer.tag.accepted)
    judged = judged_of(answers, class_names)
    each_class = [
        figures(class_names[label], judged.take(judged.labels == label))
        for label in np.unique(judged.labels[judged.labels >= 0]).tolist()
    ]
    groups = () if by is None else each_group([answer.labelled.group for answer in answers], judged)
    return Photos(
        all=figures("all", judged),
        classes=tuple(each_class),
        by=by,
        groups=groups,
        worst=worst(groups, lambda group: group.accuracy),
        worst_accepted=worst(groups, lambda group: group.accepted_accuracy),
        others=tuple((label, count, kept[label]) for label, count in counts.most_common()),
        near=tuple(labels.near.items()),
        unread=len(unread),
        unread_first=tuple(unread[:_UNREAD]),
    )
