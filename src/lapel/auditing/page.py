"""A page of what an audit found: by reason, the worst first. One file that needs no other and no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources
from pathlib import Path

import numpy as np

from ..data.dataset import Dataset, Pictures
from ..data.findings import DOUBTFUL, Finding
from ..encode import image_uri, to_image
from ..files import write_atomic
from ..tag.cards import whole_page
from ..wording import percent
from .summary import COPY, Summary

MOST = 96  # pictures of a reason in a split; the table has all
_SIDE = 112  # pixels of a picture at most
_ABOUT = {
    DOUBTFUL: "Networks that had not learned from the picture think that it is something else.",
    COPY: "Two pictures of one thing, or of two that cannot be told apart at this size.",
    "in several parts": "What is not ground falls apart: several things, or a part as dark as the ground.",
    "cut off at the border": "It covers nearly all of one side of the picture.",
    "inverted": "Dark where its class is bright, and bright where that is dark.",
}


def write_page(path: Path, summary: Summary, findings: Sequence[Finding], dataset: Dataset) -> None:
    """Write the page. Raises LapelError where it cannot be written."""
    write_atomic(path, _page(summary, findings, dataset), elsewhere="Choose another place with --out.")


def _page(summary: Summary, findings: Sequence[Finding], dataset: Dataset) -> str:
    style = (resources.files(__package__) / "page.css").read_text("utf-8")
    sections = "".join(_section(reason, findings, dataset) for reason in _reasons(findings))
    return whole_page(f"Audit of {summary.dataset}", f"{_head(summary)}{sections}", style)


def _head(summary: Summary) -> str:
    doubted = sum(counts.get(DOUBTFUL, 0) for counts in summary.reasons.values())
    total = sum(summary.pictures.values())
    splits = " and ".join(f"{count:,} {name}" for name, count in summary.pictures.items())
    reasons = list(dict.fromkeys(reason for counts in summary.reasons.values() for reason in counts))
    rows = "".join(
        f'<tr><th scope="row">{escape(reason)}</th>'
        + "".join(f"<td>{summary.reasons.get(name, {}).get(reason, 0):,}</td>" for name in summary.pictures)
        + "</tr>"
        for reason in reasons
    )
    heads = "".join(f'<th scope="col">{name}</th>' for name in summary.pictures)
    overlaps = "".join(
        f'<tr><th scope="row">{escape(one.first)} and {escape(one.second)}</th>'
        f"<td>{one.mistaken:,} of {one.pictures:,}</td><td>{one.auroc:.3f}</td></tr>"
        for one in summary.overlaps
    )
    across = ""
    if summary.test_like_train is not None:
        across = f" {summary.test_like_train:,} test pictures are nearly the same as a training picture."
    return (
        f'<header><h1>Audit of {escape(summary.dataset)}</h1><div class="headline"><div>'
        f'<p class="score">{100 * doubted / total:.1f}<small>%</small></p>'
        f'<p class="lead">of the labels are doubtful: {doubted:,} of {splits} pictures.{across}'
        f"<span>By {escape(summary.by)}. They agree with {summary.agreement:.1%} of the training labels. "
        f"A doubt is a reason to look, and no proof. Here are at most {MOST} pictures of each kind, the "
        "worst first; audit.csv has all.</span></p></div>"
        f"<table><caption>pictures, by what was found</caption><thead><tr><td></td>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
        "<table><caption>classes that are taken for each other</caption><thead><tr><td></td>"
        '<th scope="col">mistaken</th><th scope="col">told apart (AUROC)</th></tr></thead>'
        f"<tbody>{overlaps}</tbody></table></div></header>"
    )


def _reasons(findings: Iterable[Finding]) -> list[str]:
    """Those that are there: doubtful labels first, copies last."""
    there = dict.fromkeys(reason for one in findings for reason in one.reasons)
    order = [DOUBTFUL, *(reason for reason in there if reason not in (DOUBTFUL, COPY)), COPY]
    return [reason for reason in order if reason in there]


def _section(reason: str, findings: Sequence[Finding], dataset: Dataset) -> str:
    parts = [f"<section><h2>{escape(reason).capitalize()}</h2>"]
    if reason in _ABOUT:
        parts.append(f'<p class="about">{_ABOUT[reason]}</p>')
    for split in dict.fromkeys(one.split for one in findings):
        own = _worst(reason, [one for one in findings if one.split == split and reason in one.reasons])
        if not own:
            continue
        cards = "".join(_card(reason, one, dataset) for one in own[:MOST])
        parts.append(
            f'<h3>{split}: {min(MOST, len(own)):,} of {len(own):,}</h3><ul class="cards">{cards}</ul>'
        )
    return "".join([*parts, "</section>"])


def _worst(reason: str, findings: list[Finding]) -> list[Finding]:
    """In the order in which they are worth a look; of two copies, only one."""
    if reason != COPY:
        return findings
    seen: set[tuple[str, str]] = set()
    kept = []
    for one in sorted(findings, key=lambda one: (one.like.split()[0] == one.split, one.index)):
        pair = sorted((f"{one.split} {one.index}", one.like))
        if (pair[0], pair[1]) not in seen:
            seen.add((pair[0], pair[1]))
            kept.append(one)
    return kept


def _card(reason: str, one: Finding, dataset: Dataset) -> str:
    name = one.file or f"{one.split} {one.index:,}"
    images = _image(_pictures(one.split, dataset), one.index, name)
    if reason == COPY:
        split, index = one.like.split()
        images += _image(_pictures(split, dataset), int(index), one.like)
        words = f'<p class="said">{escape(one.label)}</p><p class="name">like {escape(one.like)}</p>'
    elif one.suggested != one.label:
        words = (
            f'<p class="doubt">{escape(one.label)}?</p><p class="others">rather {escape(one.suggested)}</p>'
        )
    else:
        words = f'<p class="said">{escape(one.label)}</p>'
    also = [other for other in one.reasons if other != reason]
    return (
        f'<li><figure>{images}</figure>{words}<p class="others">label {percent(one.score)}'
        f'{", " + escape(", ".join(also)) if also else ""}</p><p class="name">{escape(name)}</p></li>'
    )


def _pictures(split: str, dataset: Dataset) -> Pictures:
    assert split == "train" or dataset.test is not None
    return dataset.train.pictures if split == "train" or dataset.test is None else dataset.test.pictures


def _image(pictures: Pictures, place: int, name: str) -> str:
    image = to_image(np.asarray(pictures[place]))
    image.thumbnail((_SIDE, _SIDE))
    return f'<img src="{image_uri(image)}" alt="{escape(name)}">'
