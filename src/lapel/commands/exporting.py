"""`lapel export` and `lapel bench`: a run or a model in any form, and how fast each is."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..exporting import Exported
    from ..exporting.speed import FormSpeed
    from ..runs import Run


@click.command(epilog="Example: lapel export cnn-1 --out coats.onnx")
@click.argument("source", metavar="RUN|MODEL")
@click.option(
    "--to",
    default="onnx",
    show_default=True,
    metavar="FORM",
    help="onnx; onnx-int8: computes in 8-bit whole numbers; openvino: a folder for OpenVINO; "
    "c: a folder with plain C99; litert, litert-int8: a folder for phones and small devices; "
    "web: a folder with a page that labels in the browser.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where to write it (as onnx: .onnx, .pth or .keras)  [default: in the run; of a model, here]",
)
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
@click.option(
    "--compact",
    is_flag=True,
    help="As onnx: keep kernels as 8-bit numbers, a quarter of the size, and compute in floats.",
)
@click.option(
    "--mirror",
    is_flag=True,
    help="Ask about each picture and its mirror image: slower, and more often right where the network "
    "has learned from mirrored pictures.",
)
@click.option(
    "--goal",
    default=0.95,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of the accepted tags that are to be right.",
)
def export(
    source: str, to: str, out: Path | None, overwrite: bool, compact: bool, mirror: bool, goal: float
) -> None:
    """Write RUN as a model: one ONNX file, proved to answer as the run does.

    Validation pictures decide how sure it sounds, and from which score a tag is accepted.

    With --out FILE.pth the weights alone are written, as a PyTorch state dict; with --out FILE.keras a Keras
    model that takes the same pictures.

    With --to a RUN or a MODEL is written in another form, proved to answer as the ONNX model does on all
    validation pictures, or on drawn garments where those are not at hand.
    """
    from ..evaluation import is_model
    from ..exporting import export as export_source
    from ..runs import open_run
    from .loading import download_progress

    opened = source if is_model(source) else open_run(source)
    how: dict[str, Any] = {"overwrite": overwrite, "compact": compact, "mirror": mirror, "goal": goal}
    if to == "onnx":
        made = export_source(opened, out, **how)
    else:
        with download_progress() as progress:
            made = export_source(opened, out, to=to, progress=progress, **how)
    _say_parity(made, to)
    if not isinstance(opened, str):
        say_calibration(made)
        _warn_of_mirror(opened, mirror)


def _say_parity(made: Exported, to: str) -> None:
    own = "held-out pictures", "drawn pictures (the run's own data were not found)"
    others = "held-out pictures", "drawn garments (its own data were not found)"
    which = (own if to == "onnx" else others)[0 if made.real else 1]
    whom = "the run does" if to == "onnx" else "the ONNX model does"
    click.echo(made.path)
    click.echo(
        f"{made.bytes / 1e6:.2f} MB; answers as {whom} on {made.pictures} {which}: "
        f"same labels{'' if made.agreement == 1 else f' on {made.agreement:.1%}'}, "
        f"probabilities within {made.largest_difference:.1e}.",
        err=True,
    )


def _warn_of_mirror(run: Run, mirror: bool) -> None:
    if mirror and not run.recipe.augmentation.flip:
        click.echo(
            "This network has not learned from mirrored pictures (augmentation.flip), so that --mirror most "
            "likely makes it worse.",
            err=True,
        )


def say_calibration(made: Exported) -> None:
    """Say on stderr from which score a model accepts its tags, or that it accepts all of them."""
    if made.card is not None and made.real:
        by_class = "scale" in made.card.calibration
        how = "a scale for each class" if by_class else f"temperature {made.card.temperature:.2f}"
        click.echo(
            f"Calibrated on the validation pictures: {how}; "
            f"tags are accepted from a score of {made.card.accept:.3f}.",
            err=True,
        )
    elif made.card is not None:
        click.echo("Not calibrated without the run's own data: every tag is accepted.", err=True)


@click.command(epilog="Example: lapel bench fashion-mnist")
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each form.")
def bench(model: str, as_json: bool) -> None:
    """Measure every form of MODEL that is installed: size, speed and memory.

    Batches of 1, 64 and 1,024 pictures are asked about for half a second each, in a process of its own for
    each form. Milliseconds are those of a batch, at most so many half of the time (p50) and 99 times of 100
    (p99), from pictures in memory to probabilities.
    """
    from ..exporting.speed import measure_forms
    from .loading import download_progress
    from .models import model_file

    file = model_file(model)
    found = []
    with download_progress() as progress:
        for one in measure_forms(file, progress):
            found.append(one)
            if as_json:
                click.echo(json.dumps(asdict(one)))
    if not as_json:
        _print_speeds(found)


def _print_speeds(found: list[FormSpeed]) -> None:
    from .tables import Column, print_sentence, print_table

    columns = [
        Column("form"),
        Column("MB", number=True),
        Column("same labels", 2, number=True),
        Column("batch", number=True),
        Column("p50 ms", number=True),
        Column("p99 ms", number=True),
        Column("pictures/s", number=True),
        Column("memory MB", 1, number=True),
    ]
    rows = [
        [
            *(one.form, f"{one.bytes / 1e6:.2f}", f"{one.agreement:.1%}", f"{speed.batch:,}"),
            *(f"{speed.p50_ms:,.2f}", f"{speed.p99_ms:,.2f}", f"{speed.pictures_per_second:,.0f}"),
            f"{one.memory / 1e6:,.0f}" if one.memory else "",
        ]
        for one in found
        for speed in one.speeds
    ]
    print_table(columns, rows)
    for one in found:
        if one.lacks:
            print_sentence(f"{one.form}: {one.lacks}", err=True)
