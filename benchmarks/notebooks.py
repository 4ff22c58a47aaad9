"""Run the example notebooks on the real Fashion-MNIST and keep what they print and show.

    LAPEL_DATA=FOLDER python benchmarks/notebooks.py [NAME …]    FOLDER holds fashion-mnist/

A notebook that was run carries the digest of its code, and a test compares the two: change a cell, and the
notebook wants to be run again. Figures keep few colours, and no path of the machine stays in the text.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
COLOURS = 48


def code_digest(notebook: dict[str, Any]) -> str:
    """SHA-256 of the code of all cells, in their order."""
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def execute(path: Path, data: Path) -> Any:
    """The notebook with its outputs, run in an empty folder."""
    nbformat: Any = importlib.import_module("nbformat")
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"LAPEL_DATA": str(data), "TMPDIR": folder}
        NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": folder}}).execute()
        for cell in notebook.cells:
            cell.metadata = {}
            for output in cell.get("outputs", []):
                tidy(output, {folder: tempfile.gettempdir(), str(data): "data"})
    notebook.metadata = {
        "kernelspec": notebook.metadata["kernelspec"],
        "language_info": {"name": "python"},
        "lapel": {"code": ""},
    }
    return notebook


def tidy(output: dict[str, Any], paths: dict[str, str]) -> None:
    """Take paths of this machine out of an output, and most colours out of its figures."""
    output.get("metadata", {}).clear()
    for holder, keys in ((output, ["text"]), (output.get("data", {}), ["text/plain", "text/html"])):
        for key in keys:
            for path, name in paths.items():
                if key in holder:
                    holder[key] = holder[key].replace(path, name)
    if "image/png" in output.get("data", {}):
        picture = Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"]))).convert("RGB")
        file = io.BytesIO()
        picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
        output["data"]["image/png"] = base64.b64encode(file.getvalue()).decode()


def main() -> None:
    """Run the notebooks that are named, or all of them, in place."""
    nbformat: Any = importlib.import_module("nbformat")
    place = os.environ.get("LAPEL_DATA")
    if not place or not (Path(place) / "fashion-mnist").is_dir():
        sys.exit("Set LAPEL_DATA to a folder that holds fashion-mnist/.")
    for name in sys.argv[1:] or sorted(path.stem for path in EXAMPLES.glob("*.ipynb")):
        path = EXAMPLES / f"{name}.ipynb"
        notebook = json.loads(nbformat.writes(execute(path, Path(place).resolve())))
        notebook["metadata"]["lapel"]["code"] = code_digest(notebook)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
        print(f"{path.name}: {path.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
