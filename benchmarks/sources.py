"""How a model does on labelled photos, source by source, and what it makes of what is none of its classes.

    python benchmarks/sources.py LABELS.csv [--model photo] [--by kind]

LABELS.csv has the columns `file` (relative to its folder) and `label`: the number of a class, or -1 for
anything else.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

import lapel
from lapel.metrics import auroc, wilson_interval
from lapel.tag import Photo, tag_catalogue
from lapel.tagger import Tag

Found = tuple[int, Tag]  # the class that it is, and what was answered


def figures(name: str, found: list[Found], class_names: tuple[str, ...]) -> str:
    """A row of the table: those of the classes, those of them that are accepted, and each class alike."""
    known = [(class_names[label], tag) for label, tag in found if label >= 0]
    right = np.array([label == tag.label for label, tag in known])
    kept = np.array([tag.accepted for _, tag in known])
    of = np.array([label for label, _ in known])
    alike = np.mean([right[of == label].mean() for label in np.unique(of)])
    low, high = wilson_interval(int(right.sum()), len(right))
    accepted = f"{right[kept].mean():.1%}" if kept.any() else "none"
    return (
        f"| {name} | {len(known):,} | {right.mean():.1%} ({low:.1%} to {high:.1%}) | {alike:.1%} "
        f"| {kept.mean():.0%} | {accepted} |"
    )


def main() -> None:
    """Label all of them and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path)
    parser.add_argument("--model", default="photo")
    parser.add_argument("--by", help="a column that says the source")
    arguments = parser.parse_args()
    with arguments.labels.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"]]
    tagger = lapel.load_tagger(arguments.model)
    photos = [Photo(row["file"], str(arguments.labels.parent / row["file"])) for row in rows]
    answers = [tag for _, tag in tag_catalogue(tagger, photos)]
    whole: list[Found] = []
    groups: dict[str, list[Found]] = {}
    for row, tag in zip(rows, answers, strict=True):
        if isinstance(tag, Tag):
            whole.append((int(row["label"]), tag))
            groups.setdefault(row[arguments.by] if arguments.by else "", []).append(whole[-1])
    print("| photos | n | right | each class alike | accepted | of these right |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, found in {"all": whole, **(dict(sorted(groups.items())) if arguments.by else {})}.items():
        if any(label >= 0 for label, _ in found):
            print(figures(name, found, tagger.card.class_names))
    scores = [
        np.array([tag.score for label, tag in whole if (label >= 0) == known]) for known in (True, False)
    ]
    if all(map(len, scores)):
        accepted = np.mean([tag.accepted for label, tag in whole if label < 0])
        print(f"\nother things: {len(scores[1]):,}, {accepted:.1%} accepted, AUROC {auroc(*scores):.3f}")


if __name__ == "__main__":
    main()
