"""The model in the browser: what `write_web` makes, in a real Chromium before a host of mere files."""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import json
import os
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import CHROMIUM, FLAGS, listen
from PIL import Image
from static_site import static_site

import lapel
from lapel.data.synthetic.draw import draw
from lapel.errors import LapelError, ModelError
from lapel.heat import heat_map, overlay
from lapel.model_file import model_path
from lapel.web import folder as folder_module
from lapel.web.folder import CONTENT_POLICY, WebFolder, model_in, write_web
from lapel.web.onnx_runtime_web import NAME, VERSION, WebRuntime, web_runtime

MODELS = ("photo-small", "fashion-mnist")


@pytest.fixture(scope="module")
def runtime() -> Path:
    """The npm package, where it is at hand."""
    file = f"{NAME}-{VERSION}.tgz"
    named = os.environ.get("LAPEL_WEB_RUNTIME")
    places = (
        [Path(named)] if named else [Path(sys.prefix) / file, Path.home() / ".cache" / "lapel" / NAME / file]
    )
    for package in places:
        if package.exists():
            return package
    pytest.skip(f"needs LAPEL_WEB_RUNTIME: what `npm pack {NAME}@{VERSION}` fetches")


@pytest.fixture(scope="module")
def sites(runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, WebFolder]:
    parent = tmp_path_factory.mktemp("sites")
    return {model: write_web(model, parent / model, runtime=runtime) for model in MODELS}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page; when the test ends, its console must have had nothing to complain about."""
    contexts, problems = [], []

    def open_page(url: str, **settings: Any) -> Any:
        contexts.append(browser.new_context(reduced_motion="reduce", **settings))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)  # the first start on a busy machine
        listen(page, problems)
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def garments(count: int) -> dict[str, bytes]:
    """Drawn garments of every size and shape, some grey, some with alpha, some as the models see them."""
    random = np.random.default_rng(0)
    files = {}
    for place in range(count):
        side = int(random.integers(28, 300))
        pixels = draw(1, size=side, channels=3, style="photo", seed=place)[0][0]
        height, width = random.integers(side // 3 + 1, side + 1, 2)
        pixels = pixels[:height, :width]
        if place % 10 == 8:
            pixels = pixels[:, :, 0]
        files[f"garment {place}.png"] = png(pixels)
    grey = draw(4, size=28, channels=1, seed=7)[0]
    files |= {f"dots {place}.png": png(one[:, :, 0]) for place, one in enumerate(grey)}
    clear = np.full((90, 70, 4), 255, np.uint8)
    clear[20:70, 15:55, :3] = 30, 60, 160
    clear[:, :, 3] = 0
    clear[20:70, 15:55, 3] = 255
    return files | {"clear.png": png(clear)}


TAG = """async (files) => {
  const { browser } = await import("/page/backend-browser.js");
  const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const photos = files.map(([name, data]) => new File([bytes(data)], name));
  return browser.tag(photos, { picture: true });
}"""


def tag(page: Any, files: dict[str, bytes]) -> list[dict[str, Any]]:
    """What the backend of the page answers."""
    answers: list[dict[str, Any]] = page.evaluate(
        TAG, [[name, base64.b64encode(data).decode()] for name, data in files.items()]
    )
    return answers


def from_url(url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))


def check_answers(site: WebFolder, files: dict[str, bytes], visit: Callable[..., Any]) -> None:
    """The pictures of the browser are Python's, and its tags those of Python about these pictures."""
    tagger = lapel.load_tagger(site.path.name)
    with static_site(site.path, CONTENT_POLICY) as (url, _):
        answers = tag(visit(url), files)
    for (name, data), answer in zip(files.items(), answers, strict=True):
        picture = tagger.picture(data)
        seen = from_url(answer.pop("picture"))[:, :, : picture.shape[2]]
        assert (np.abs(seen.astype(int) - picture) <= 2).mean() >= 0.99, name
        [expected] = tagger.tag_pictures([name], [seen])
        wanted = expected.to_dict()
        for one, other in zip(answer.pop("alternatives"), wanted.pop("alternatives"), strict=True):
            assert one == pytest.approx(other, abs=1e-4), name
        assert answer.pop("colours") == wanted.pop("colours"), name
        assert answer == pytest.approx(wanted, abs=1e-4), name


def test_the_browser_answers_as_python_does(sites: dict[str, WebFolder], visit: Callable[..., Any]) -> None:
    check_answers(sites["photo-small"], garments(12), visit)


@pytest.mark.long
@pytest.mark.parametrize("model", MODELS)
def test_the_browser_answers_as_python_does_about_many(
    model: str, sites: dict[str, WebFolder], visit: Callable[..., Any]
) -> None:
    check_answers(sites[model], garments(150), visit)


@pytest.mark.long
def test_real_photos_get_the_labels_of_python(sites: dict[str, WebFolder], visit: Callable[..., Any]) -> None:
    folder = Path(os.environ.get("LAPEL_DATA", "/nowhere")) / "photos"
    if not folder.is_dir():
        pytest.skip("needs LAPEL_DATA with photos")
    tagger = lapel.load_tagger("photo-small")
    files = {path.name: path.read_bytes() for path in sorted(folder.rglob("*.jpg"))[::40]}
    with static_site(sites["photo-small"].path) as (url, _):
        answers = tag(visit(url), files)
    tags = [tagger.tag(data) for data in files.values()]
    pictures = [tagger.picture(data) for data in files.values()]
    near = [
        np.abs(from_url(one["picture"])[:, :, :3].astype(int) - two) <= 2
        for one, two in zip(answers, pictures, strict=True)
    ]
    assert np.mean(near) >= 0.99
    sure = [(one["label"], two.label) for one, two in zip(answers, tags, strict=True) if two.accepted]
    assert np.mean([one == two for one, two in sure]) >= 0.995, len(sure)


KEPT = """Promise.all(["model/model.onnx.gz", "runtime/runtime.wasm.gz"].map((name) => caches.match(name)))
.then((found) => found.every(Boolean))"""


def test_after_one_visit_it_works_without_a_network(
    sites: dict[str, WebFolder], visit: Callable[..., Any]
) -> None:
    files = [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in garments(2).items()]
    with static_site(sites["photo-small"].path, CONTENT_POLICY) as (url, asked):
        page = visit(url)
        page.set_input_files("#files", files[:1])
        page.wait_for_selector("[data-state=answered]")
        label = page.inner_text(".card .woven")
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        while not page.evaluate(KEPT):
            page.wait_for_timeout(50)
        assert asked.count("/model/model.onnx.gz") == asked.count("/runtime/runtime.wasm.gz") == 1
    page.context.set_offline(True)  # and the host is gone, too
    page.reload()
    page.set_input_files("#files", files[:1])
    page.wait_for_selector("[data-state=answered]")
    assert page.inner_text(".card .woven") == label
    assert page.get_by_role("tab").all_inner_texts() == ["Photos", "Camera", "Draw"]
    assert "curl" not in page.content()


@pytest.mark.long
def test_why_lays_the_heat_over_the_picture(sites: dict[str, WebFolder], visit: Callable[..., Any]) -> None:
    tagger = lapel.load_tagger("photo-small")
    [(name, data), *_] = garments(1).items()
    with static_site(sites["photo-small"].path, CONTENT_POLICY) as (url, _):
        page = visit(url)
        page.set_input_files("#files", [{"name": name, "mimeType": "image/png", "buffer": data}])
        page.click(".why")
        page.wait_for_selector(".heat:not([hidden])")
        seen = from_url(page.get_attribute(".heat", "src"))
    picture = tagger.picture(data)
    label = int(tagger.probabilities(picture[None])[0].argmax())
    expected = overlay(heat_map(tagger.probabilities, picture, label).heat)
    assert np.abs(seen[:, :, 3].astype(int) - expected[:, :, 3]).mean() < 4


@pytest.mark.long
def test_what_is_no_photo_is_told(sites: dict[str, WebFolder], visit: Callable[..., Any]) -> None:
    bad = {
        "notes.jpg": b"this is no photo",
        "nothing.png": b"",
        "line.png": png(np.zeros((400, 4), np.uint8)),
    }
    bad["dark.png"] = png(np.zeros((40, 40, 3), np.uint8))
    with static_site(sites["fashion-mnist"].path) as (url, _):
        answers = tag(visit(url), bad)
    said = ["cannot", "empty", "narrow", "one colour"]
    for name, words, answer in zip(bad, said, answers, strict=True):
        assert answer["error"].startswith(f"{name}: ") and re.search(
            words.replace("cannot", "can read"), answer["error"]
        )


def test_the_folder_is_small_and_whole(sites: dict[str, WebFolder]) -> None:
    for made in sites.values():
        assert made.transferred < 6e6
        held = {path.relative_to(made.path).as_posix() for path in made.path.rglob("*") if path.is_file()}
        settings = json.loads((made.path / "settings.json").read_text())
        small = {"settings.json", "index.html", "service-worker.js"}
        assert small | {settings["files"][one]["name"] for one in ("runtime", "model")} <= held
        page = (made.path / "index.html").read_text()
        assert "<!-- server" not in page and "'wasm-unsafe-eval'" in page
        for script in (made.path / "page").glob("*.js"):
            for name in re.findall(r'^import .* from "(\.{1,2}/.+?)";$', script.read_text(), re.MULTILINE):
                assert (script.parent / name).is_file(), (script.name, name)
        icons = json.loads((made.path / "manifest.json").read_text())["icons"]
        assert all((made.path / icon["src"]).is_file() for icon in icons)


def fake_package(folder: Path) -> Path:
    (folder / "dist").mkdir(parents=True)
    for name in ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"):
        (folder / "dist" / name).write_text("export {}")
    return folder


def test_another_runtime_is_refused(tmp_path: Path) -> None:
    for path, words in (
        (tmp_path / "none.tgz", "no such file"),
        (tmp_path, "no ort-wasm-simd-threaded.wasm in it"),
        (fake_package(tmp_path / "fake"), "is not that of onnxruntime-web"),
        (Path(__file__), "not the package onnxruntime-web"),
    ):
        with pytest.raises(LapelError, match=words) as error:
            web_runtime(path)
        assert f"npm pack {NAME}@{VERSION}" in error.value.hint
    with tarfile.open(tmp_path / "other.tgz", "w:gz") as package:
        package.add(__file__, "package/index.js")
    with pytest.raises(LapelError, match="not the package"):
        web_runtime(tmp_path / "other.tgz")


def test_only_https_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPEL_CACHE", str(tmp_path))
    monkeypatch.delenv("LAPEL_WEB_RUNTIME", raising=False)
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    with pytest.raises(LapelError, match="refused: not https") as error:
        web_runtime()
    assert "LAPEL_WEB_RUNTIME=" in error.value.hint


@pytest.fixture
def small_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for what a browser would run, where none does."""
    monkeypatch.setattr(folder_module, "web_runtime", lambda *_: WebRuntime(b"export {}", b"code"))


def test_a_folder_is_replaced_only_where_it_is_its_own(tmp_path: Path, small_runtime: None) -> None:
    folder = tmp_path / "site"
    write_web("fashion-mnist", folder)
    with pytest.raises(LapelError, match="exists already"):
        write_web("fashion-mnist", folder)
    write_web("photo-small", folder, overwrite=True)
    assert json.loads((folder / "card.json").read_text())["name"] == "photo-small"
    assert model_in(folder) == model_path("photo-small").read_bytes()
    before = {
        path: hashlib.sha256(path.read_bytes()).digest() for path in folder.rglob("*") if path.is_file()
    }
    (folder / "CNAME").write_text("clothes.example")
    with pytest.raises(LapelError, match="holds CNAME, which no model"):
        write_web("fashion-mnist", folder, overwrite=True)
    (folder / "CNAME").unlink()
    with pytest.raises(ModelError):
        write_web("nothing", folder, overwrite=True)
    assert before == {path: hashlib.sha256(path.read_bytes()).digest() for path in before}
    assert list(tmp_path.iterdir()) == [folder]
    (tmp_path / "file").write_text("")
    with pytest.raises(LapelError, match="this form is a folder"):
        write_web("fashion-mnist", tmp_path / "file", overwrite=True)


def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, small_runtime: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site"
    write_web("fashion-mnist", folder)
    before = (folder / "service-worker.js").read_bytes()
    write = Path.write_bytes

    def fill(path: Path, data: bytes) -> int:
        if path.name == "model.onnx.gz":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(LapelError, match="no space left"):
        write_web("photo-small", folder, overwrite=True)
    assert (folder / "service-worker.js").read_bytes() == before
    assert list(tmp_path.iterdir()) == [folder]
