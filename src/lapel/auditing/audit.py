"""A dataset -> an audit: doubtful labels, pictures that went wrong, copies, classes that overlap."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data import load_data
from ..data.dataset import Dataset
from ..data.findings import TABLE, Finding, write_table
from ..files import write_atomic
from ..photographs import load_for
from ..pretrained.networks import find_network
from ..recipes.load import load_recipe
from .answers import FOLDS, Answers, Told, ask, folds_of, probe_of
from .copies import Copy, find_copies
from .cutouts import Fault, find_faults, mean_pictures
from .labels import LabelDoubts, find_doubtful, find_overlaps
from .page import write_page
from .summary import Summary, count_copies, count_reasons, gather
from .work import Work

SUMMARY, PAGE = "summary.json", "gallery.html"
_OVERLAPS = 10


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found in a dataset: `findings` a row a picture, `summary` the figures.

    `doubts` has, by split, what is thought of every label. `path` is the folder with the table (audit.csv),
    the figures (summary.json) and the page (gallery.html), where one was asked for.
    """

    summary: Summary
    findings: tuple[Finding, ...]
    doubts: dict[str, LabelDoubts]
    path: Path | None = None

    def __repr__(self) -> str:
        total = sum(self.summary.pictures.values())
        return f"Audit({self.summary.dataset!r}, {len(self.findings):,} of {total:,} pictures)"


def audit(
    dataset: Dataset | str | Path = "fashion-mnist",
    out: str | Path | None = None,
    *,
    folds: int = FOLDS,
    seed: int = 0,
    progress: Told | None = None,
) -> Audit:
    """Look a dataset over: which labels are doubtful, which pictures went wrong, which are copies.

    Networks learn from all `folds` but one in turn and are asked about that one; the test pictures are asked
    about by all of them. `out` is a folder for a table, a page and what was computed: an audit that was
    stopped goes on there. `progress` is told what is being done, how much of it, and of how much.

    Raises LapelError: one class, a class of one picture, a folder that holds something else, a full disk; and
    MissingExtra without the extra `audit`.

    >>> audit("fashion-mnist", "looked-over").summary.reasons["train"]  # doctest: +SKIP
    {'doubtful label': 2913, 'nearly the same': 801}
    """
    pictures = dataset if isinstance(dataset, Dataset) else load_to_audit(dataset)
    told = progress or (lambda *_: None)
    began = time.perf_counter()
    places = folds_of(pictures, folds, seed)
    probe = probe_of(pictures.shape)
    facts = {
        "dataset": pictures.name,
        "fingerprint": pictures.fingerprint,
        "probe": probe,
        "folds": int(places.max()) + 1,
        "seed": seed,
    }
    find_doubtful(np.array([0, 1]), np.eye(2, dtype=np.float32))  # what is missing is to be said at once
    work = Work(None if out is None else Path(out), facts)
    with work.held():
        answers = ask(pictures, places, probe, seed, work, told)
        found = _look(pictures, answers, told)
        if work.folder is not None:
            found = replace(found, path=work.folder)
            _write(found, pictures, work.folder, time.perf_counter() - began)
    return found


def load_to_audit(name_or_path: str | Path, **loading: Any) -> Dataset:
    """A dataset as an audit looks at it: photographs as large as a pretrained network wants them.

    Where none is installed, they become what suits a small one.
    `loading` is what `load_data` takes besides. Raises DataError as that does.
    """
    wanted = (224, 224, 3)
    probe = probe_of(wanted)
    if probe == "cnn-simple":
        return load_for(load_recipe(probe), name_or_path, **loading)[0]
    from ..picture import PictureSpec

    return load_data(name_or_path, photographs=PictureSpec(find_network(probe).size, 3), **loading)


def _look(dataset: Dataset, answers: Answers, told: Told) -> Audit:
    splits = {"train": (dataset.train, answers.train)}
    if dataset.test is not None and answers.test is not None:
        splits["test"] = (dataset.test, answers.test)
    doubts: dict[str, LabelDoubts] = {}
    faults: dict[str, Sequence[Fault]] = {}
    means = mean_pictures(dataset.train.pictures, dataset.train.labels, len(dataset.class_names))
    for number, (name, (split, probabilities)) in enumerate(splits.items(), start=1):
        doubts[name] = find_doubtful(split.labels, probabilities)
        faults[name] = list(find_faults(split.pictures, split.labels, means))
        told("labels and cut-outs", number, len(splits))
    copies: list[Copy] = list(find_copies(dataset, answers.embedding, told))
    findings = gather(dataset, doubts, faults, copies)
    pairs, like = count_copies(copies, len(dataset.train))
    summary = Summary(
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        pictures={name: len(split) for name, (split, _) in splits.items()},
        reasons=count_reasons(findings),
        copies=pairs,
        test_like_train=like if dataset.test else None,
        overlaps=tuple(find_overlaps(dataset.train.labels, answers.train, dataset.class_names, _OVERLAPS)),
        agreement=round(float((answers.train.argmax(axis=1) == dataset.train.labels).mean()), 4),
        by=answers.by,
    )
    return Audit(summary, tuple(findings), doubts)


def _write(found: Audit, dataset: Dataset, folder: Path, seconds: float) -> None:
    """The table, the page, and last the figures: where they are, the audit is whole."""
    write_atomic(folder / TABLE, write_table(found.findings))
    write_page(folder / PAGE, found.summary, found.findings, dataset)
    figures = found.summary.to_json() | {"seconds": round(seconds, 1)}
    write_atomic(folder / SUMMARY, json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
