"""What photographs of a folder become: what is asked for, what the recipe says, or what suits them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from garments import blobs, small_recipe
from PIL import Image

import lapel as package
from lapel.data import save_data
from lapel.errors import DataError, LapelError
from lapel.evaluation import evaluate
from lapel.exporting import export
from lapel.photographs import load_for
from lapel.picture import PictureSpec
from lapel.recipes.load import to_toml
from lapel.runs import open_run
from lapel.tagger import load_tagger
from lapel.trainer import resume, train

Lapel = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def photographs(size: tuple[int, int] = (90, 120), *, grey: bool = False, count: int = 6) -> Path:
    """A folder of two classes: light on the left, or on the right; the light is red unless grey."""
    folder = Path("photos")
    random = np.random.default_rng(0)
    width, height = size
    for place, name in enumerate(("left", "right")):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 60, (height, width, 1 if grey else 3), dtype=np.uint8)
            half = slice(0, width // 2) if place == 0 else slice(width // 2, None)
            pixels[:, half, 0] = 230
            Image.fromarray(pixels[..., 0] if grey else pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("size", "grey", "shape", "words"),
    [
        (
            (90, 120),
            False,
            (64, 64, 3),
            "64×64 in colour, since the 12 looked at are in colour and about 120",
        ),
        (
            (90, 120),
            True,
            (64, 64, 1),
            "64×64 in grey, since the 12 looked at are in grey and about 120 pixels",
        ),
        ((28, 28), True, (28, 28, 1), "28×28 in grey"),
        ((32, 32), False, (32, 32, 3), "32×32 in colour"),
    ],
)
def test_a_folder_is_looked_at_where_nobody_says(
    size: tuple[int, int], grey: bool, shape: tuple[int, ...], words: str
) -> None:
    dataset, said = load_for(small_recipe(), photographs(size, grey=grey))
    assert dataset.shape == shape
    assert said.startswith("photos: photographs become pictures of ")
    assert words in said


def test_the_photographs_of_a_table_are_looked_at_as_well() -> None:
    folder = photographs((90, 120))
    rows = [f"{path.relative_to(folder.parent)},{path.parent.name}" for path in folder.glob("*/*.png")]
    Path("table.csv").write_text("\n".join(["file,label", *rows]))
    dataset, said = load_for(small_recipe(), "table.csv")
    assert dataset.shape == (64, 64, 3)
    assert "since the 12 looked at are in colour" in said


def test_what_is_asked_for_counts_before_the_recipe_and_the_recipe_before_the_photographs() -> None:
    folder = photographs()
    says = small_recipe().model_copy(update={"picture": package.PictureSpec(40, 3)})
    assert load_for(says, folder)[0].shape == (40, 40, 3)
    assert 'as the recipe "small" says' in load_for(says, folder)[1]
    assert load_for(says, folder, size=20)[0].shape == (20, 20, 3)
    assert load_for(says, folder, channels=1)[0].shape == (40, 40, 1)
    assert load_for(small_recipe(), folder, size=20)[0].shape == (20, 20, 3)
    assert "as asked for" in load_for(small_recipe(), folder, size=20, channels=1)[1]


def test_ready_pictures_stay_as_they_are_and_are_not_made_into_another_size() -> None:
    save_data(blobs(40), Path("blobs.npz"), "npz")
    says = small_recipe().model_copy(update={"picture": package.PictureSpec(40, 3)})
    dataset, said = load_for(says, "blobs.npz")
    assert (dataset.shape, said) == ((8, 8, 1), "")
    with pytest.raises(DataError, match="its pictures are 8×8×1; 20×20×3 were asked for"):
        load_for(says, "blobs.npz", size=20)


def test_a_run_remembers_its_pictures_and_so_does_its_model(lapel: Lapel) -> None:
    photographs(count=12)
    Path("small.toml").write_text(to_toml(small_recipe(epochs=1, steps=40, augmentation={})))
    done = lapel("train", "small.toml", "--data", "photos", "--size", "24")
    assert done.returncode == 0, done.stderr
    assert "photos: photographs become pictures of 24×24 in colour" in done.stderr
    run = open_run(done.stdout.strip())
    assert evaluate(run).accuracy == 1
    tagger = load_tagger(export(run, "made.onnx").path)
    assert tagger.card.picture == PictureSpec(24, 3)
    assert tagger.tag("photos/left/0.png").label == "left"


def test_a_training_on_photographs_from_python_and_its_resuming() -> None:
    folder = photographs()
    run = train(small_recipe(epochs=1), folder, picture=PictureSpec(16, 1))
    assert run.environment["dataset"]["shape"] == [16, 16, 1]
    (run.path / "done.json").unlink()
    assert resume(run).done
    with pytest.raises(LapelError, match="pictures already"):
        train(small_recipe(epochs=1), blobs(40), picture=PictureSpec(16, 1))


def test_the_options_are_refused_in_a_run_that_goes_on(lapel: Lapel) -> None:
    for words in (("--size", "20"), ("--grey",), ("--colour",)):
        refused = lapel("train", "--resume", "mine", *words)
        assert refused.returncode == 2
        assert "cannot be changed in a run that goes on" in refused.stderr
