"""`lapel export`: a run becomes a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..exporting import Exported


@click.command(epilog="Example: lapel export cnn-1 --out coats.onnx")
@click.argument("run")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write it (.onnx, .pth or .keras)  [default: model.onnx in the run]",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is there already.")
@click.option("--compact", is_flag=True, help="Keep kernels as 8-bit numbers: a quarter of the size.")
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
def export(run: str, out: Path | None, overwrite: bool, compact: bool, mirror: bool, goal: float) -> None:
    """Write RUN as a model: one ONNX file, proved to answer as the run does.

    Validation pictures decide how sure it sounds, and from which score a tag is accepted.

    With --out FILE.pth the weights alone are written, as a PyTorch state dict; with --out FILE.keras a Keras
    model that takes the same pictures.
    """
    from ..exporting import export as export_run
    from ..runs import open_run

    opened = open_run(run)
    made = export_run(opened, out, overwrite=overwrite, compact=compact, mirror=mirror, goal=goal)
    which = "held-out pictures" if made.real else "drawn pictures (the run's own data were not found)"
    click.echo(made.path)
    click.echo(
        f"{made.bytes / 1e6:.2f} MB; answers as the run does on {made.pictures} {which}: "
        f"same labels{'' if made.agreement == 1 else f' on {made.agreement:.1%}'}, "
        f"probabilities within {made.largest_difference:.1e}.",
        err=True,
    )
    say_calibration(made)
    if mirror and not opened.recipe.augmentation.flip:
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
