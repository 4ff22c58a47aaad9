"""ONNX Runtime for browsers: two files of its npm package, found here or fetched once, and checked."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from ..data.download import Progress, fetch
from ..data.places import cache_folder
from ..data.registry import DataFile
from ..errors import DataError, LapelError
from ..files import file_errors

NAME = "onnxruntime-web"
VERSION = "1.30.0"
REGISTRY = "https://registry.npmjs.org/"  # npm's own setting npm_config_registry chooses another

_PACKED = DataFile(
    f"{NAME}-{VERSION}.tgz",
    33_106_585,
    "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
    "",
)
# The smallest that runs the models: WebAssembly alone, without WebGPU and without a second thread.
_SCRIPT, _BINARY = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
_FILES = {
    _SCRIPT: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    _BINARY: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
_LARGEST = 64 << 20  # bytes of one of them
CHOICE = "LAPEL_WEB_RUNTIME"
_HINT = f"Fetch it with `npm pack {NAME}@{VERSION}`, and say where it is: {CHOICE}={_PACKED.name}"


@dataclass(frozen=True)
class WebRuntime:
    """ONNX Runtime Web: the script, and the WebAssembly that it runs."""

    script: bytes
    binary: bytes


def web_runtime(path: Path | None = None, progress: Progress | None = None) -> WebRuntime:
    """ONNX Runtime Web from `path`, else where LAPEL_WEB_RUNTIME says, from Lapel's cache, or npm's registry.

    `path` is the package as npm packs it (.tgz), or a folder that holds it (as node_modules does). What is
    fetched (33 MB) is kept in the cache. The files are only taken where their SHA-256 is the known one.

    Raises LapelError where they cannot be had, or are other ones.
    """
    if path is None:
        path = Path(chosen).expanduser() if (chosen := os.environ.get(CHOICE)) else _fetched(progress)
    with file_errors(path):
        found = (_from_folder if path.is_dir() else _from_package)(path)
    for name, sha256 in _FILES.items():
        if hashlib.sha256(found[name]).hexdigest() != sha256:
            raise LapelError(f"{path}: its {name} is not that of {NAME} {VERSION}.", _HINT)
    return WebRuntime(found[_SCRIPT], found[_BINARY])


def _fetched(progress: Progress | None) -> Path:
    folder = cache_folder() / NAME
    settings = {name.lower(): value for name, value in os.environ.items()}  # npm reads them in either case
    registry = settings.get("npm_config_registry") or REGISTRY
    try:
        fetch([_PACKED], folder, [f"{registry.rstrip('/')}/{NAME}/-/"], progress=progress)
    except DataError as error:
        raise LapelError(error.message, f"{error.hint}\n{_HINT}") from error
    return folder / _PACKED.name


def _from_folder(path: Path) -> dict[str, bytes]:
    for folder in (path, path / "dist", path / "package" / "dist", path / NAME / "dist"):
        if all((folder / name).is_file() for name in _FILES):
            return {name: (folder / name).read_bytes() for name in _FILES}
    raise LapelError(f"{path}: no {_BINARY} in it; the package {NAME} holds one.", _HINT)


def _from_package(path: Path) -> dict[str, bytes]:
    if not path.exists():
        raise LapelError(f"{path}: no such file or folder.", _HINT)
    found = {}
    try:
        with tarfile.open(path) as package:
            for member in package:
                name = member.name.removeprefix("package/dist/")
                if name in _FILES and (file := package.extractfile(member)) is not None:
                    found[name] = file.read(_LARGEST)
                if len(found) == len(_FILES):
                    return found
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise LapelError(f"{path}: not the package {NAME} as npm packs it ({error}).", _HINT) from error
    raise LapelError(f"{path}: not the package {NAME} as npm packs it.", _HINT)
