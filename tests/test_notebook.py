"""The example notebook: clean as it is handed out, and true when it is run."""

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

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed (pip install 'lapel[notebook]')")

NOTEBOOK = Path(__file__).resolve().parent.parent / "examples" / "fashion_mnist.ipynb"
FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
# How many figures each cell shows; no other cell shows any.
FIGURES = {
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
}


class TestAsItIsHandedOut:
    def test_it_is_a_valid_notebook_of_the_present_form(self) -> None:
        notebook = json.loads(NOTEBOOK.read_text())
        nbformat.validate(notebook)
        assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
        assert notebook["metadata"]["kernelspec"]["name"] == "python3"

    def test_it_holds_no_outputs_and_nothing_of_whoever_ran_it(self) -> None:
        notebook = json.loads(NOTEBOOK.read_text())
        for cell in notebook["cells"]:
            assert cell["metadata"] == {}, cell["id"]
            if cell["cell_type"] == "code":
                assert (cell["outputs"], cell["execution_count"]) == ([], None), cell["id"]
        assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
        assert notebook["metadata"]["language_info"] == {"name": "python"}

    def test_it_is_written_as_jupyter_writes_it_and_its_cells_have_names(self) -> None:
        text = NOTEBOOK.read_text()
        notebook = json.loads(text)
        assert text == json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        names = [cell["id"] for cell in notebook["cells"]]
        assert len(set(names)) == len(names)
        # Names that Jupyter draws would change with every save.
        assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)

    def test_lines_of_code_fit_on_a_page(self) -> None:
        for cell in json.loads(NOTEBOOK.read_text())["cells"]:
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


def run_all(folder: Path, settings: dict[str, Any]) -> dict[str, list[Any]]:
    """Run the notebook in `folder`: the outputs of every cell of code, by the cell's name."""
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, resources=place, **settings).execute()
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def printed(outputs: list[Any]) -> str:
    return "".join(output.text for output in outputs if output.output_type == "stream")


def shown(outputs: list[Any]) -> list[bytes]:
    """The pictures among the outputs."""
    pictures = [output.data.get("image/png") for output in outputs if "data" in output]
    return [base64.b64decode(picture) for picture in pictures if picture]


def check(cells: dict[str, list[Any]], *, fingerprint: str, dense: float, cnn: float, counted: str) -> None:
    """Everything that holds whatever the data; the accuracies are the least that must come out."""
    for name, outputs in cells.items():
        assert all(output.get("name") != "stderr" for output in outputs), (name, printed(outputs))
        # Whatever is not a picture is printed: a figure that is only named was not drawn.
        assert len(shown(outputs)) == FIGURES.get(name, 0), name
        assert len(shown(outputs)) == sum("data" in output for output in outputs), name
        for picture in shown(outputs):
            image = Image.open(io.BytesIO(picture))
            assert min(image.size) > 200, name
            assert len(np.unique(image.convert("L"))) > 10, f"{name}: a blank figure"

    assert f"fingerprint {fingerprint}" in printed(cells["shapes"])
    assert printed(cells["counts"]).count(counted) == 10
    assert "101,770 parameters" in printed(cells["train-dense"])

    accuracies = [float(share) for share in re.findall(r"([\d.]+)% of", printed(cells["compare"]))]
    assert accuracies[0] >= dense
    assert accuracies[1] > accuracies[0]
    duel = [int(found(rf"only {name} is right about +(\d+)", cells["compare"])) for name in ("dense", "cnn")]
    chance = binomtest(duel[0], sum(duel)).pvalue
    assert float(found("McNemar's p: (.+)", cells["compare"])) == pytest.approx(chance, rel=0.05)

    test, low, high = map(float, re.findall(r"([\d.]+)%", printed(cells["look"]).replace("95 %", "")))
    assert low < test < high
    assert test >= cnn
    assert "looked at 1 time(s)" in printed(cells["look"])
    recalls = re.findall(r"^\S.*?\s+[\d.]+%\s+([\d.]+)%", printed(cells["per-class"]), re.MULTILINE)
    # Every class has as many test pictures, so the mean recall is the accuracy.
    assert sum(map(float, recalls)) / 10 == pytest.approx(test, abs=0.06)

    folder = Path(printed(cells["report"]).strip()).parent.parent
    again = found(r"validation accuracy ([\d.]+)%", cells["reopen"])
    assert float(again) == accuracies[1]
    assert found(r"validation accuracy ([\d.]+)%", cells["pth"]) == again
    assert "labels agree on 100% of" in printed(cells["export"])
    for file in ("report/index.html", "cnn.pth", "model.onnx", "unsure.png"):
        assert (folder / file).is_file(), file
    runs = printed(cells["where"]).split()
    assert len(runs) == 5
    assert str(folder) in runs


def found(pattern: str, outputs: list[Any]) -> str:
    match = re.search(pattern, printed(outputs))
    assert match, (pattern, printed(outputs))
    return match[1]


def test_it_runs_on_the_drawn_garments_where_fashion_mnist_cannot_be_had(
    surroundings: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Broken files in the place that comes first, so that no other place and no network is asked.
    broken = tmp_path / "data" / "fashion-mnist"
    broken.mkdir(parents=True)
    for name in FILES:
        (broken / f"{name}-ubyte.gz").touch()
    monkeypatch.setenv("LAPEL_DATA", str(broken.parent))
    work = tmp_path / "work"
    work.mkdir()
    cells = run_all(work, surroundings)
    assert "this notebook goes on with the drawn garments" in printed(cells["load"])
    assert "Dataset('synthetic'" in printed(cells["load"])

    from lapel import load_data

    fingerprint = load_data("synthetic").fingerprint
    check(cells, fingerprint=fingerprint, dense=92, cnn=97, counted="600 pictures")
    assert not list(work.iterdir()), "the notebook leaves files beside itself"


def test_it_runs_on_fashion_mnist(surroundings: dict[str, Any], fashion_mnist: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    cells = run_all(work, surroundings)
    assert "Dataset('fashion-mnist', 60000 train, 10000 test, 10 classes)" in printed(cells["load"])

    from lapel import load_data

    fingerprint = load_data("fashion-mnist", download=False).fingerprint
    check(cells, fingerprint=fingerprint, dense=86, cnn=88, counted="6,000 pictures")
    assert float(found("McNemar's p: (.+)", cells["compare"])) < 0.01
    # What the prose says of the confusions.
    tops = {"Shirt", "T-shirt/top", "Pullover", "Coat", "Dress"}
    for line in printed(cells["top-confusions"]).splitlines()[:5]:
        actual, predicted = re.search(r"× (.+) taken for (.+) \(", line).groups()
        assert {actual, predicted} <= tops
    assert not list(work.iterdir()), "the notebook leaves files beside itself"
