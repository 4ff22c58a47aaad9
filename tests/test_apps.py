"""The programs of examples/apps, each run as its framework runs it, on a photo of examples/photos."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

APPS = Path(__file__).resolve().parent.parent / "examples" / "apps"
JEANS = APPS.parent / "photos" / "jeans.jpg"
RUN_HERE = {"flask_app", "streamlit_app", "gradio_app", "camera_window"}

# The frameworks warn of things that are theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, APPS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def needs(package: str) -> Any:
    return pytest.importorskip(package, reason=f"{package} is not installed; make test-all installs it")


def test_every_program_is_run_here() -> None:
    assert {path.stem for path in APPS.glob("*.py")} == RUN_HERE


def test_flask_answers_with_the_label_or_with_what_is_wrong() -> None:
    needs("flask")
    client = load("flask_app").app.test_client()
    assert b"<form" in client.get("/").data
    answer = client.post("/label", data={"photo": (io.BytesIO(JEANS.read_bytes()), "jeans.jpg")})
    assert (answer.status_code, answer.json["label"], answer.json["reason"]) == (200, "Trouser", "")
    broken = client.post("/label", data={"photo": (io.BytesIO(b"no photo"), "x.jpg")})
    assert broken.status_code == 422
    assert "photo" in client.post("/label").json["error"]


def test_streamlit_shows_the_label() -> None:
    needs("streamlit")
    from streamlit.testing.v1 import AppTest

    page = AppTest.from_file(str(APPS / "streamlit_app.py"), default_timeout=60).run()
    assert not page.exception
    page.file_uploader[0].set_value(("jeans.jpg", JEANS.read_bytes(), "image/jpeg")).run()
    assert not page.exception
    assert page.subheader[0].value == "Trouser"


def test_gradio_labels_through_its_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    needs("gradio")
    app = load("gradio_app").app
    verdict, sure = app.fn(str(JEANS))
    assert verdict == "Trouser"
    assert max(sure, key=sure.get) == "Trouser"
    assert app.fn(None) == ("Give a photo of one garment.", {})
    assert len(app.input_components) == 1
    assert len(app.output_components) == 2


def test_the_camera_window_writes_the_label_on_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a camera that sees a photo, and a window in which somebody presses q after one picture."""
    frame = np.asarray(Image.open(JEANS).convert("RGB"))[:, :, ::-1].copy()
    keys, words, shown = iter([-1, ord("q")]), [], []
    camera = SimpleNamespace(read=lambda: (True, frame.copy()), release=lambda: shown.append("released"))
    window = SimpleNamespace(
        VideoCapture=lambda number: camera,
        waitKey=lambda wait: next(keys),
        putText=lambda frame, text, *rest: words.append(text),
        imshow=lambda title, frame: shown.append(title),
        cvtColor=lambda picture, order: np.ascontiguousarray(picture[:, :, ::-1]),
        COLOR_BGR2RGB=4,
        FONT_HERSHEY_SIMPLEX=0,
    )
    monkeypatch.setitem(__import__("sys").modules, "cv2", window)
    load("camera_window").main()
    assert words[0].startswith("Trouser")
    assert shown == ["Lapel", "released"]
