"""How a model does on labelled photos, source by source, and what it makes of what is none of its classes.

    python benchmarks/sources.py LABELS.csv [--model photo] [--by kind]

It is `lapel evaluate MODEL --data LABELS.csv --by kind` as a Markdown table. LABELS.csv has the columns
`file` (relative to its folder) and `label`: the name or the number of a class, or -1 for anything else.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import lapel
from lapel.by_group import PhotoFigures


def row(figures: PhotoFigures) -> str:
    """A row of the table: photos of the classes, those of them that are accepted, and each class alike."""
    low, high = figures.interval or (0.0, 0.0)
    accepted = "none" if figures.accepted_accuracy is None else f"{figures.accepted_accuracy:.1%}"
    return (
        f"| {figures.name} | {figures.pictures:,} | {figures.accuracy:.1%} ({low:.1%} to {high:.1%}) "
        f"| {figures.balanced_accuracy:.1%} | {figures.accepted:.0%} | {accepted} |"
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
    photos = lapel.evaluate_photos(
        lapel.load_tagger(arguments.model), arguments.labels, by=arguments.by
    ).photos
    assert photos is not None
    print("| photos | n | right | each class alike | accepted | of these right |")
    print("|---|---:|---:|---:|---:|---:|")
    for figures in (photos.all, *photos.groups):
        if figures.pictures:
            print(row(figures))
    whole = photos.all
    if whole.auroc is not None:
        print(
            f"\nother things: {whole.others:,}, {whole.others_accepted:.1%} accepted, AUROC {whole.auroc:.3f}"
        )


if __name__ == "__main__":
    main()
