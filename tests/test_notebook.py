"""The example notebooks: clean as they are handed out, and true when they are run."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest

from lapel import load_data
from lapel.data.dataset import Dataset
from lapel.engines.backend import load_keras
from lapel.errors import MissingExtra

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
from notebooks import code_digest

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed (pip install 'lapel[notebook]')")

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
# How many figures each cell of a notebook shows; no other cell shows any.
FIGURES = {
    "fashion_mnist": {
        "samples": 1,
        "mean-pictures": 1,
        "curves": 2,
        "train-few": 2,
        "compare-dropout": 1,
        "train-cnn": 1,
        "matrix": 1,
        "predictions": 1,
        "worst-mistakes": 1,
        "tag-figure": 1,
    },
    "fashion_mnist_keras": {
        "samples": 1,
        "curves": 2,
        "train-few": 2,
        "train-cnn": 1,
        "matrix": 1,
        "predictions": 1,
        "tag-figure": 1,
    },
}
Cells = dict[str, list[Any]]  # the outputs of every cell of code, by the cell's name

both = pytest.mark.parametrize("name", FIGURES)


def text_of(name: str) -> str:
    return (EXAMPLES / f"{name}.ipynb").read_text()


def test_every_notebook_is_held_to_this() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.ipynb")} == set(FIGURES)


@both
class TestAsItIsHandedOut:
    def test_it_is_a_valid_notebook_of_the_present_form(self, name: str) -> None:
        notebook = json.loads(text_of(name))
        nbformat.validate(notebook)
        assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
        assert notebook["metadata"]["kernelspec"]["name"] == "python3"

    def test_it_was_run_and_its_code_has_not_changed_since(self, name: str) -> None:
        notebook = json.loads(text_of(name))
        assert notebook["metadata"]["lapel"]["code"] == code_digest(notebook), "run: make notebooks"
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
        for cell in cells:
            figures = sum("image/png" in output.get("data", {}) for output in cell["outputs"])
            assert figures == FIGURES[name].get(cell["id"], 0), cell["id"]
            assert all(output.get("name") != "stderr" for output in cell["outputs"]), cell["id"]

    def test_it_is_small_and_tells_nothing_of_whoever_ran_it(self, name: str) -> None:
        notebook = json.loads(text_of(name))
        assert all(cell["metadata"] == {} for cell in notebook["cells"])
        assert set(notebook["metadata"]) == {"kernelspec", "language_info", "lapel"}
        assert notebook["metadata"]["language_info"] == {"name": "python"}
        assert len(text_of(name)) < 600_000
        assert not re.search(r"/(home|root|work|Users)/", text_of(name))

    def test_it_is_written_as_jupyter_writes_it_and_its_cells_have_names(self, name: str) -> None:
        text = text_of(name)
        notebook = json.loads(text)
        assert text == json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        names = [cell["id"] for cell in notebook["cells"]]
        assert len(set(names)) == len(names)
        # Names that Jupyter draws would change with every save.
        assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", cell) for cell in names)

    def test_lines_of_code_fit_on_a_page(self, name: str) -> None:
        for cell in json.loads(text_of(name))["cells"]:
            if cell["cell_type"] == "code":
                assert max(len(line.rstrip("\n")) for line in cell["source"]) <= 100, cell["id"]


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Settings under which a kernel of this very Python runs, in folders of the test's own."""
    for package in ("nbclient", "ipykernel"):
        pytest.importorskip(package, reason=f"{package} is not installed (pip install 'lapel[notebook]')")
    from traitlets.config import Config

    # A kernel that somebody registered as python3 may be of another Python.
    kernel = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": command, "display_name": "Python 3", "language": "python"}))
    for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "TMPDIR"):
        folder = tmp_path / name.lower() if name != "JUPYTER_PATH" else tmp_path / "jupyter"
        folder.mkdir(exist_ok=True)
        monkeypatch.setenv(name, str(folder))
    # Sockets in a folder need no network and no free ports; the path of a socket must be short.
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        yield {"config": Config(KernelManager={"transport": "ipc", "ip": f"{short}/k"})}


def run_all(name: str, folder: Path, settings: dict[str, Any]) -> Cells:
    """Run a notebook in `folder`, where it may leave nothing."""
    if name == "fashion_mnist_keras":
        try:
            load_keras()
        except MissingExtra as error:
            pytest.skip(str(error))
    from nbclient import NotebookClient

    notebook = nbformat.reads(text_of(name), as_version=4)
    folder.mkdir()
    place = {"metadata": {"path": str(folder)}}
    # One cell trains for a minute on a machine that has nothing else to do, for ten on a busy one.
    NotebookClient(notebook, timeout=1800, resources=place, **settings).execute()
    assert not list(folder.iterdir()), "the notebook leaves files beside itself"
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def printed(outputs: list[Any]) -> str:
    return "".join(output.text for output in outputs if output.output_type == "stream")


def tables(outputs: list[Any]) -> str:
    """What is shown as HTML, in plain letters."""
    plain = "".join(output.data["text/plain"] for output in outputs if "text/html" in output.get("data", {}))
    return re.sub(r"\x1b\[[\d;]*m", "", plain)


def shown(outputs: list[Any]) -> list[bytes]:
    """The pictures among the outputs."""
    pictures = [output.data.get("image/png") for output in outputs if "data" in output]
    return [base64.b64decode(picture) for picture in pictures if picture]


def found(pattern: str, outputs: list[Any]) -> str:
    match = re.search(pattern, printed(outputs))
    assert match, (pattern, printed(outputs))
    return match[1]


def percentages(outputs: list[Any]) -> list[float]:
    return [float(share) for share in re.findall(r"([\d.]+)%", printed(outputs))]


def check(name: str, cells: Cells, dataset: Dataset, *, dense: float, cnn: float) -> None:
    """Everything that holds whatever the data; the accuracies are the least that must come out."""
    for cell, outputs in cells.items():
        assert all(output.get("name") != "stderr" for output in outputs), (cell, printed(outputs))
        assert len(shown(outputs)) == FIGURES[name].get(cell, 0), cell
        # A figure that is only named was not drawn; Keras has its tables as HTML.
        for output in outputs:
            assert "data" not in output or {"image/png", "text/html"} & set(output.data), cell
        for picture in shown(outputs):
            image = Image.open(io.BytesIO(picture))
            assert min(image.size) > 200, cell
            assert len(np.unique(image.convert("L"))) > 10, f"{cell}: a blank figure"

    assert repr(dataset) in printed(cells["load"])
    assert f"fingerprint {dataset.fingerprint}" in printed(cells["shapes"])
    test, low, high = percentages(cells["look"])
    assert low < test < high
    assert test >= cnn
    assert "looked at 1 time(s)" in printed(cells["look"])
    assert "labels agree on 100% of" in printed(cells["export"])
    {"fashion_mnist": check_first, "fashion_mnist_keras": check_keras}[name](cells, dataset, dense)


def check_first(cells: Cells, dataset: Dataset, dense: float) -> None:
    assert printed(cells["counts"]).count(f"{len(dataset.train) // 10:,} pictures") == 10
    assert "101,770 parameters" in printed(cells["train-dense"])

    accuracies = [float(share) for share in re.findall(r"([\d.]+)% of", printed(cells["compare"]))]
    assert accuracies[0] >= dense
    assert accuracies[1] > accuracies[0]
    duel = [int(found(rf"only {name} is right about +(\d+)", cells["compare"])) for name in ("dense", "cnn")]
    chance = binomtest(duel[0], sum(duel)).pvalue
    assert float(found("McNemar's p: (.+)", cells["compare"])) == pytest.approx(chance, rel=0.05)

    recalls = re.findall(r"^\S.*?\s+[\d.]+%\s+([\d.]+)%", printed(cells["per-class"]), re.MULTILINE)
    # Every class has as many test pictures, so the mean recall is the accuracy.
    assert sum(map(float, recalls)) / 10 == pytest.approx(percentages(cells["look"])[0], abs=0.06)

    folder = Path(printed(cells["report"]).strip()).parent.parent
    again = found(r"validation accuracy ([\d.]+)%", cells["reopen"])
    assert float(again) == accuracies[1]
    assert found(r"validation accuracy ([\d.]+)%", cells["pth"]) == again
    for file in ("report/index.html", "cnn.pth", "model.onnx", "unsure.png"):
        assert (folder / file).is_file(), file
    runs = printed(cells["where"]).split()
    assert len(runs) == 5
    assert str(folder) in runs


def check_keras(cells: Cells, dataset: Dataset, dense: float) -> None:
    assert re.search(r"with keras [\d.]+ on tensorflow [\d.]+", printed(cells["train-dense"]))
    for cell, parameters in (("summary", "101,770"), ("summary-cnn", "421,642")):
        assert f"Total params: {parameters}" in tables(cells[cell])
        assert "scaled (Rescaling)" in tables(cells[cell])
    keras, ours = (re.findall(r"[\d.]+", line) for line in printed(cells["verify"]).splitlines())
    assert [float(figure) for figure in keras[:2]] == pytest.approx(list(map(float, ours[:2])), abs=0.01)

    # The network by hand: what plain Keras counts, the model that it has become counts, too.
    assert "Epoch 2/2" in printed(cells["plain"])
    right, _, wrong_sure, blind, _, blindly_sure = percentages(cells["forgotten"])
    assert blind > 50
    assert blindly_sure > max(90, wrong_sure)
    candidates = re.findall(r"^(\S+) +[\d.]+% +([\d.]+)(.*)$", printed(cells["bring"]), re.MULTILINE)
    assert len(candidates) == 5
    assert [name for name, _, taken in candidates if "taken" in taken] == ["0-1"]
    assert min(candidates, key=lambda one: float(one[1]))[0] == "0-1"
    assert percentages(cells["bring-use"])[0] == pytest.approx(right, abs=0.06)

    answering, learning = (re.findall(r"[\d.]+%", line) for line in printed(cells["faces"]).splitlines())
    assert (len(answering), len(set(answering))) == (6, 1)
    assert len(set(learning)) > 1

    accuracies = percentages(cells["train-cnn"])
    assert accuracies[0] >= dense
    assert accuracies[1] > accuracies[0]
    row = r"^ +\d +([\d.]+)% +([\d.]+)% +(\S+)$"
    rows = [list(map(float, one)) for one in re.findall(row, printed(cells["engines"]), re.MULTILINE)]
    assert len(rows) == 3
    means = [sum(one[place] for one in rows) / 3 for place in (0, 1)]
    assert percentages(cells["engines"])[-2:] == pytest.approx(means, abs=0.01)
    # The two of one seed lie a quarter of a point apart, a point where pictures are few (standard deviation).
    assert abs(means[0] - means[1]) < (1 if len(dataset.train) > 20_000 else 3)
    assert max(one[2] for one in rows) > 0.05

    for cell in ("inside", "to-torch"):
        assert float(found(r"validation accuracy ([\d.]+)%", cells[cell])) == accuracies[1]
    for part in ("metadata.json", "config.json", "model.weights.h5"):
        assert part in printed(cells["inside"])
    assert "Keras   (3, 3, 1, 32)\nPyTorch (32, 1, 3, 3)" in printed(cells["to-torch"])
    assert "engine torch" in printed(cells["to-torch"])
    assert float(found("at most (.+)", cells["to-keras"])) < 1e-4

    runs = [Path(line) for line in printed(cells["where"]).split()]
    assert len(runs) == 11
    for file in ("plain.keras", "plain.onnx", "cnn.pth", "dnn.keras", "unsure.png"):
        assert (runs[0].parent / file).is_file(), file


@both
@pytest.mark.long
def test_it_runs_on_the_drawn_garments_where_fashion_mnist_cannot_be_had(
    name: str, surroundings: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Broken files in the place that comes first, so that no other place and no network is asked.
    broken = tmp_path / "data" / "fashion-mnist"
    broken.mkdir(parents=True)
    for file in FILES:
        (broken / f"{file}-ubyte.gz").touch()
    monkeypatch.setenv("LAPEL_DATA", str(broken.parent))
    cells = run_all(name, tmp_path / "work", surroundings)
    assert "this notebook goes on with the drawn garments" in printed(cells["load"])
    check(name, cells, load_data("synthetic"), dense=92, cnn=97)


@pytest.mark.long
@both
def test_it_runs_on_fashion_mnist(
    name: str, surroundings: dict[str, Any], fashion_mnist: Path, tmp_path: Path
) -> None:
    cells = run_all(name, tmp_path / "work", surroundings)
    check(name, cells, load_data("fashion-mnist", download=False), dense=86, cnn=88)
    if name == "fashion_mnist":
        assert float(found("McNemar's p: (.+)", cells["compare"])) < 0.01
        # What the prose says of the confusions.
        tops = {"Shirt", "T-shirt/top", "Pullover", "Coat", "Dress"}
        for line in printed(cells["top-confusions"]).splitlines()[:5]:
            actual, predicted = re.search(r"× (.+) taken for (.+) \(", line).groups()
            assert {actual, predicted} <= tops
