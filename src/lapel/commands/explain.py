"""`lapel explain`: why a photo has its label."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .loading import download_progress
from .tables import Column, print_table

if TYPE_CHECKING:
    from ..explaining.curves import Area, Judgement
    from ..explaining.explain import Explanation
    from ..explaining.subject import Subject

_METHODS = ("occlusion", "grad-cam", "integrated-gradients")
_FIGURES, _ARRAYS = (".png", ".svg"), (".npy", ".npz")


@click.command(epilog="Example: lapel explain photo shirt.jpg --out why.png")
@click.argument("subject", metavar="MODEL_OR_RUN")
@click.argument("photos", nargs=-1, type=click.Path())
@click.option(
    "--method",
    type=click.Choice(_METHODS),
    help="occlusion for anything; the others for runs of PyTorch  [default: occlusion]",
)
@click.option("--label", metavar="LABEL", help="Explain this label instead of the most probable one.")
@click.option(
    "--nearest",
    default=0,
    type=click.IntRange(0, 24),
    metavar="N",
    help="Of a run: show so many of the training pictures that it sees most like the photo.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FIGURE|FOLDER",
    help="Draw to this file (.png or .svg), or each photo to a file in this folder.",
)
@click.option(
    "--array",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.npz",
    help="Write what each pixel counts: .npy of one photo, .npz of any number.",
)
@click.option("--overwrite", is_flag=True, help="Replace figures and arrays that are there.")
@click.option(
    "--judge",
    is_flag=True,
    help="Without photos: judge the method (or all) by deletion and insertion on validation pictures.",
)
@click.option(
    "--count",
    default=200,
    show_default=True,
    type=click.IntRange(2, 10_000),
    help="With --judge: how many pictures.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def explain(
    subject: str,
    photos: tuple[str, ...],
    method: str | None,
    label: str | None,
    nearest: int,
    out: Path | None,
    array: Path | None,
    overwrite: bool,
    judge: bool,
    count: int,
    as_json: bool,
) -> None:
    """Show what in PHOTOS their label hangs on, for a model or a run.

    A heat map says which parts count. A row tells the label, its probability, and by how much that falls when
    the hottest fifth of the picture is covered. A photo that cannot be read is a row that says why, and the
    command ends with 1.
    """
    if judge == bool(photos):
        raise click.UsageError("Give photos to explain, or --judge without photos.")
    if judge and (label or nearest or out or array):
        raise click.UsageError("--label, --nearest, --out and --array go with photos.")
    _check_places(photos, out, array, overwrite)
    from ..explaining.subject import Subject

    asked = Subject(subject)
    if judge:
        _judge(asked, method, count, as_json)
        return
    from ..errors import PictureError
    from ..explaining.explain import explain as find

    found: list[Explanation] = []
    rows: list[dict[str, Any]] = []
    names: set[str] = set()
    with download_progress() as progress:
        for photo in photos:
            try:
                one = find(
                    asked,
                    Path(photo),
                    method=method or "occlusion",
                    label=label,
                    nearest=nearest,
                    told=progress,
                )
            except PictureError as error:
                rows.append({"source": photo, "error": error.message})
                continue
            row = one.to_dict()
            if out is not None:
                row["figure"] = str(_draw(one, out, names, overwrite))
            found.append(one)
            rows.append(row)
    if array is not None and found:
        _write_array(found, array)
    _print(rows, as_json)
    if any("error" in row for row in rows):
        click.get_current_context().exit(1)


def _check_places(photos: tuple[str, ...], out: Path | None, array: Path | None, overwrite: bool) -> None:
    if out is not None and out.suffix.lower() in _FIGURES and len(photos) > 1:
        raise click.UsageError("--out names one figure, for several photos; give a folder.")
    if array is not None and array.suffix.lower() not in _ARRAYS:
        raise click.UsageError(f"--array ends in .npy or .npz; {array} does not.")
    if array is not None and array.suffix.lower() == ".npy" and len(photos) > 1:
        raise click.UsageError("--array FILE.npy is of one photo; of several, give FILE.npz.")
    for path in (out, array):
        if path is not None and path.suffix and path.is_file():
            _refuse_there(path, overwrite)


def _refuse_there(path: Path, overwrite: bool) -> None:
    from ..errors import LapelError

    if path.exists() and not overwrite:
        raise LapelError(f"{path}: already there.", "Choose another place, or replace it with --overwrite.")


def _draw(one: Explanation, out: Path, names: set[str], overwrite: bool) -> Path:
    from ..files import write_atomic
    from ..report.style import png, svg_file

    path = out
    if out.suffix.lower() not in _FIGURES:
        stem, number = Path(one.source).stem, 1
        name = stem
        while name in names:  # photos of two folders
            number += 1
            name = f"{stem}-{number}"
        names.add(name)
        path = out / f"{name}.png"
        _refuse_there(path, overwrite)
    figure = one.figure()
    write_atomic(path, svg_file(figure) if path.suffix.lower() == ".svg" else png(figure))
    return path


def _write_array(found: list[Explanation], path: Path) -> None:
    import numpy as np

    from ..files import write_atomic

    if path.suffix.lower() == ".npy":
        write_atomic(path, lambda file: np.save(file, found[0].values, allow_pickle=False))
        return
    arrays = {
        "values": np.stack([one.values for one in found]),
        "source": np.array([one.source for one in found]),
        "label": np.array([one.label for one in found]),
    }
    write_atomic(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    from ..wording import percent

    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    good = [row for row in rows if "error" not in row]
    if good:
        print_table(
            [
                Column("photo"),
                Column("label"),
                Column("share", number=True),
                Column("fall", number=True),
                Column("learned from", rank=2, sentence=True),
            ],
            [
                [
                    row["source"],
                    row["label"],
                    percent(row["share"]),
                    f"{100 * row['fall']:.1f}",
                    ", ".join(f"{one['label']} {one['cosine']:.2f}" for one in row["nearest"]),
                ]
                for row in good
            ],
        )
    for row in rows:
        if "error" in row:
            click.echo(row["error"], err=True)


def _judge(asked: Subject, method: str | None, count: int, as_json: bool) -> None:
    from ..explaining.explain import judge_methods

    methods = (method,) if method else asked.methods
    with download_progress() as progress:
        found = judge_methods(
            asked,
            methods,
            count=count,
            progress=lambda done, total: progress("explaining", done, total),
        )
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    _print_judged(asked.name, found)


def _print_judged(name: str, found: list[Judgement]) -> None:
    click.echo(f"{name}: {found[0].pictures:,} validation pictures, area under the curve (interval of 95 %)")
    columns = [Column("method"), Column("curve"), Column("heat", number=True), Column("random", number=True)]
    print_table(
        [*columns, Column("better by", number=True), Column("interval", rank=1)],
        [
            [one.method, title, f"{side.heat:.3f}", f"{side.random:.3f}", f"{side.better:+.3f}", _ends(side)]
            for one in found
            for title, side in (("deletion", one.deletion), ("insertion", one.insertion))
        ],
    )


def _ends(side: Area) -> str:
    return f"{side.low:+.3f} to {side.high:+.3f}"
