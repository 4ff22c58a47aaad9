"""`lapel export`: a run becomes a model."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write it (.onnx, .pth or .keras)  [default: model.onnx in the run]",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is there already.")
def export(run: str, out: Path | None, overwrite: bool) -> None:
    """Write RUN as a model: one ONNX file, proved to answer as the run does.

    With --out FILE.pth the weights alone are written, as a PyTorch state dict; with --out FILE.keras a Keras
    model that takes the same pictures.
    """
    from ..export import export as export_run
    from ..runs import open_run

    made = export_run(open_run(run), out, overwrite=overwrite)
    which = "held-out pictures" if made.real else "drawn pictures (the run's own data were not found)"
    click.echo(made.path)
    click.echo(
        f"{made.bytes / 1e6:.2f} MB; answers as the run does on {made.pictures} {which}: "
        f"same labels, probabilities within {made.largest_difference:.1e}.",
        err=True,
    )
