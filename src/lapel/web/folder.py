"""From a model to a folder that any static host can show: a page with the model inside."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..card import Card
from ..colour import colour_rules
from ..data.download import Progress
from ..decode import Limits
from ..heat import heat_rules
from ..model_file import read_model
from ..place import require_free, staged
from ..tagger import tagger_of
from .onnx_runtime_web import NAME, VERSION, web_runtime

PAGE = Path(__file__).parents[1] / "page"
_SITE = Path(__file__).parent / "site"
# What the page has for the service alone, or for teaching and the wardrobe, which need it.
_LEFT_OUT = frozenset(
    {"index.html", "app-server.js", "backend-server.js", "backend-teach.js", "token.js", "docs.css"}
    | {"teach.html", "teach.js", "teach.css", "kind.js"}
    | {"wardrobe.html", "wardrobe.js", "wardrobe.css", "garment.js", "pieces.js", "backend-wardrobe.js"}
)
_AT_TOP = "service-worker.js"
_SETTINGS = "settings.json"
_MODEL, _BINARY, _SCRIPT = "model/model.onnx.gz", "runtime/runtime.wasm.gz", "runtime/runtime.js"

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; media-src 'self' blob:; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
_PIECES = {
    "head": f"""<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">
<meta name="referrer" content="no-referrer">
<link rel="manifest" href="manifest.json">
<link rel="apple-touch-icon" href="page/icon-192.png">
<script type="module" src="page/app-browser.js"></script>""",
    "noscript": '<p class="alert">This page needs JavaScript: the model runs in it.</p>',
    "footer": "<p>Photos stay on this device: the model runs in the page, without a network, too.</p>",
    "token": "",
}


@dataclass(frozen=True)
class WebFolder:
    """A folder with the model in a page: where it is, its bytes, and how many of them travel to a visitor.

    `transferred` counts what a host sends that compresses text; model and runtime are compressed as they lie.
    """

    path: Path
    bytes: int
    transferred: int
    card: Card


def write_web(
    model: str | Path,
    folder: str | Path,
    *,
    overwrite: bool = False,
    runtime: Path | None = None,
    progress: Progress | None = None,
) -> WebFolder:
    """Write a model, by its name or file, as a page that labels photos, camera and drawings by itself.

    Any static host shows the folder; nothing is sent anywhere, and after the first visit it works without a
    network. `runtime` is the npm package onnxruntime-web (a file or folder); else it is where
    LAPEL_WEB_RUNTIME says, in Lapel's cache, or fetched into that once. The folder is there whole, or not at
    all; one that exists is only replaced with `overwrite`, and only where it holds nothing but what this
    wrote.

    Raises ModelError where there is no such model; LapelError where the folder may not be replaced or
    written, or the runtime cannot be had.

    >>> write_web("photo-small", "site").path  # doctest: +SKIP
    PosixPath('site')
    """
    target = Path(folder)
    require_free(target, overwrite, folder=True)
    path, data = read_model(model)
    card = tagger_of(data, str(path)).card
    files = site_files(data, card, runtime, progress)
    with staged(target) as made:
        write_site(files, made)
    sizes = [len(one) if name.endswith(".gz") else len(_packed(one)) for name, one in files.items()]
    return WebFolder(target, sum(map(len, files.values())), sum(sizes), card)


def site_files(
    data: bytes, card: Card, runtime: Path | None = None, progress: Progress | None = None
) -> dict[str, bytes]:
    """What is in the folder of a model, by name. Raises LapelError where the runtime cannot be had."""
    code = web_runtime(runtime, progress)
    page = [path for path in (*PAGE.iterdir(), *_SITE.iterdir()) if path.name not in _LEFT_OUT]
    files = {f"page/{path.name}": path.read_bytes() for path in sorted(page) if path.name != _AT_TOP}
    files |= {
        "index.html": _index((PAGE / "index.html").read_text(encoding="utf-8")).encode(),
        "manifest.json": _json(_manifest()),
        "card.json": card.to_json().encode(),
        _SCRIPT: code.script,
        _BINARY: _packed(code.binary),
        _MODEL: _packed(data),
    }
    state = hashlib.sha256()
    for name in sorted(files):
        state.update(name.encode() + hashlib.sha256(files[name]).digest())
    settings = {
        "card": json.loads(card.to_json()),
        "computes_in_int8": b"QuantizeLinear" in data,
        "limits": asdict(Limits()),
        "colours": colour_rules(),
        "heat": heat_rules(),
        "runtime": f"{NAME} {VERSION}",
        "files": {
            "runtime": {"name": _BINARY, "bytes": len(files[_BINARY])},
            "model": {"name": _MODEL, "bytes": len(files[_MODEL])},
        },
    }
    state.update(_json(settings))
    settings["state"] = state.hexdigest()[:16]
    small = sorted({*files, _SETTINGS} - {_MODEL, _BINARY, "index.html"})
    files[_SETTINGS] = _json(settings)
    worker = (_SITE / _AT_TOP).read_text(encoding="utf-8")
    constants = {"STATE": settings["state"], "SMALL": ["./", *small], "LARGE": [_MODEL, _BINARY]}
    head = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in constants.items())
    files[_AT_TOP] = (head + worker).encode()
    return files


def write_site(files: Mapping[str, bytes], target: Path) -> None:
    """Write the files of a folder to a path where nothing is yet."""
    for name, data in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(data)


def model_in(folder: Path) -> bytes:
    """The model in ONNX that such a folder holds."""
    return gzip.decompress((folder / _MODEL).read_bytes())


def _index(page: str) -> str:
    """The service's page with other pieces where it speaks of the service."""
    return re.sub(r"<!-- server: (\w+) -->.*?<!-- end -->", lambda found: _PIECES[found[1]], page, flags=re.S)


def _manifest() -> dict[str, Any]:
    """What a phone needs to know to put the page on its home screen."""
    icons = [
        {"src": f"page/icon-{side}.png", "sizes": f"{side}x{side}", "type": "image/png"}
        for side in (192, 512)
    ]
    return {
        "name": "Lapel labels clothes",
        "short_name": "Lapel",
        "description": "Labels photos of clothes, on this device alone",
        "id": "./",
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": "#1d2942",
        "theme_color": "#1d2942",
        "icons": [{"src": "page/icon.svg", "sizes": "any", "type": "image/svg+xml"}, *icons],
    }


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def _packed(data: bytes) -> bytes:
    """The same bytes for the same data, whenever they are packed."""
    return gzip.compress(data, 6, mtime=0)
