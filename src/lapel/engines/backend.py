"""Keras and what it computes with: imported quietly, on the backend that is asked for."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import LapelError, MissingExtra, did_you_mean

_EXTRAS = {"tensorflow": ("TensorFlow", "keras"), "jax": ("JAX", "jax"), "torch": ("PyTorch", "train")}


def load_keras(backend: str | None = None) -> Any:
    """Import Keras on this backend; without one, on what KERAS_BACKEND or Keras's own settings say.

    Raises MissingExtra where Keras or the backend is not installed, LapelError where there is no such
    backend or Keras runs on another one in this process already (it cannot change).
    """
    asked = backend or os.environ.get("KERAS_BACKEND")
    if asked and asked not in _EXTRAS:
        raise LapelError(
            f'There is no backend "{asked}" that Keras can train on.', did_you_mean(asked, _EXTRAS)
        )
    keras = _imported("keras", asked)
    running = keras.config.backend()
    if backend and running != backend:
        raise LapelError(
            f"Keras runs on {running} in this process already; it cannot change to {backend}.",
            "Start a new process for it.",
        )
    return keras


def any_backend(usual: str | None) -> str | None:
    """The backend to ask for where any will do: none in particular where Keras or its user has chosen."""
    return None if "keras" in sys.modules or os.environ.get("KERAS_BACKEND") else usual


def load_tensorflow() -> Any:
    """Import TensorFlow. Raises MissingExtra where it is not installed."""
    return _imported("tensorflow", None)


def _imported(name: str, backend: str | None) -> Any:
    if module := sys.modules.get(name):
        return module
    try:
        with _settings({"KERAS_BACKEND": backend} if backend else {}), quiet():
            module = importlib.import_module(name)
            if tensorflow := sys.modules.get("tensorflow"):
                tensorflow.config.list_physical_devices()  # it looks for a GPU now, and is loud about it
            return module
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        raise MissingExtra(*_EXTRAS.get(missing, ("Keras", "keras"))) from error


@contextmanager
def _settings(settings: dict[str, str]) -> Iterator[None]:
    """While it lasts, these environment variables are set; frameworks read them as they are imported."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def quiet() -> Iterator[None]:
    """While it lasts, frameworks keep their greetings, logs and warnings to themselves."""
    level = os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3")
    with (
        _settings({"TF_CPP_MIN_LOG_LEVEL": level}),
        _stderr_closed(),
        _loggers_closed(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _stderr_closed() -> Iterator[None]:
    # TensorFlow greets from C++, before its own log level counts.
    try:
        stderr = os.dup(2)
    except OSError:  # there is no stderr to keep clean
        yield
        return
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


@contextmanager
def _loggers_closed() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("tf2onnx", "tensorflow", "absl")]
    before = [(logger.propagate, logger.handlers[:]) for logger in loggers]
    for logger in loggers:
        logger.propagate, logger.handlers[:] = False, [logging.NullHandler()]
    try:
        yield
    finally:
        for logger, (propagate, handlers) in zip(loggers, before, strict=True):
            logger.propagate, logger.handlers[:] = propagate, handlers
