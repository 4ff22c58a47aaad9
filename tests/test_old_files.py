"""What an earlier version wrote: its runs open and go on, its models open and answer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import lapel
from lapel.data.synthetic.draw import draw

OLD = Path(__file__).parent / "fixtures" / "version-0.1.0"


@pytest.mark.long
@pytest.mark.parametrize("engine", ["torch", "keras"])
def test_a_run_that_was_stopped_in_version_0_1_goes_on(engine: str, tmp_path: Path) -> None:
    pytest.importorskip(engine)
    shutil.copytree(OLD / f"{engine}-stopped", tmp_path / "run")
    run = lapel.open_run(tmp_path / "run")
    assert run.done is None and [epoch.number for epoch in run.history] == [1]

    lapel.resume(run)

    wanted = [json.loads(line) for line in (OLD / f"{engine}-history.jsonl").read_text().splitlines()]
    assert [epoch.number for epoch in run.history] == [1, 2, 3]
    # Another processor rounds otherwise, so the figures are near those of then and not the same.
    for epoch, then in zip(run.history, wanted, strict=True):
        assert epoch.loss == pytest.approx(then["loss"], abs=0.01)
        assert epoch.validation_accuracy == pytest.approx(then["validation_accuracy"], abs=0.02)
        assert epoch.learning_rate == pytest.approx(then["learning_rate"])
    assert lapel.evaluate(run).accuracy == pytest.approx(wanted[-1]["validation_accuracy"], abs=0.02)


def test_a_model_of_version_0_1_answers() -> None:
    tagger = lapel.load_tagger(OLD / "model.onnx")
    pictures, labels = draw(500, seed=3)

    probabilities, rejected = tagger.answers(pictures)

    assert probabilities.shape == (500, 10) and rejected.shape == (500, 0)
    assert np.mean(probabilities.argmax(1) == labels) > 0.5
    assert tagger.card.class_names[8] == "Bag" and 0 < tagger.card.accept <= 1
