"""Model files: those that come with Lapel, what is in one, and ONNX Runtime's session for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ModelError, did_you_mean
from .runtime import onnx_runtime

if TYPE_CHECKING:
    import onnxruntime

HINT = "Models are made by `lapel export RUN`."
_LARGEST_MODEL = 512 * 1024 * 1024


def shipped_models() -> tuple[str, ...]:
    """The names of the models that come with Lapel."""
    folder = _models_folder()
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return tuple(sorted(name.removesuffix(".onnx") for name in names if name.endswith(".onnx")))


def model_path(model: str | Path) -> Path:
    """The file of a model: of one that comes with Lapel by its name, or the path that was given.

    Raises ModelError where a name is neither.
    """
    if not isinstance(model, str):
        return model
    names = shipped_models()
    if model in names:
        return _models_folder() / f"{model}.onnx"
    path = Path(model)
    if path.name == model and not path.suffix and not path.exists():
        raise ModelError(f'There is no model "{model}".', did_you_mean(model, names) if names else HINT)
    return path


def open_session(data: bytes, threads: int = 1) -> onnxruntime.InferenceSession:
    """ONNX Runtime's session for a model's bytes. Raises whatever it raises where it does not take them."""
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    # The networks are small: a second thread costs more than it brings, and photos are read beside it.
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4
    # A model is one file. Weights elsewhere are looked for in a folder that cannot be there.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", "/dev/null/none")
    # Kernels that are only kept as int8 become floats here, once. What computes in int8 stays as it is.
    if b"QuantizeLinear" not in data:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def read_model(model: str | Path) -> tuple[Path, bytes]:
    """The file of a model and what is in it. Raises ModelError where there is none, or it cannot be read."""
    path = model_path(model)
    return path, _read(path)


def _models_folder() -> Path:
    """The folder of the models that come with Lapel."""
    return Path(__file__).parent / "shipped"


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ModelError(
                f"{path}: a folder, not a model file.",
                "Of a run, give the model.onnx that `lapel export` writes.",
            )
        with path.open("rb") as file:
            data = file.read(_LARGEST_MODEL + 1)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such model file.", HINT) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path}: cannot be read ({reason}).") from error
    if not data:
        raise ModelError(f"{path}: empty; it holds no model.", HINT)
    if len(data) > _LARGEST_MODEL:
        raise ModelError(f"{path}: more than {_LARGEST_MODEL:,} bytes; larger models are not loaded.")
    return data
