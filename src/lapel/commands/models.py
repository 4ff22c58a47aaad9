"""What `--model` may name."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import ModelError, RunError, did_you_mean


def model_file(name: str) -> str | Path:
    """What to load: a name, a file, or that of a run, which is exported first where its weights are newer."""
    from ..model_file import shipped_models

    if name in shipped_models() or Path(name).is_file():
        return name
    if name.endswith(".onnx"):
        raise ModelError(f"{name}: no such model file.", "`lapel export RUN` makes one.")
    from ..runs import list_runs, open_run

    try:
        run = open_run(name)
    except RunError as error:
        if Path(name).exists():
            raise
        names = [*shipped_models(), *(run.name for run in list_runs())]
        hint = did_you_mean(name, names) if names else "Train one (lapel train cnn), and give its run."
        raise ModelError(f'There is no model and no run "{name}".', hint) from error
    model, weights = run.model_path, run.weights_path
    if not model.exists() or (weights.exists() and weights.stat().st_mtime_ns > model.stat().st_mtime_ns):
        from ..exporting import export
        from .exporting import say_calibration

        click.echo(f"Making the model of {run.name} first.", err=True)
        say_calibration(export(run))
    return model
