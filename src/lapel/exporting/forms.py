"""The forms that a model can be exported in: a line a form."""

from __future__ import annotations

from functools import partial

from ..errors import ModelError, did_you_mean
from .c.form import open_c, write_c
from .form import Form
from .int8 import write_int8
from .litert import open_litert, write_litert, write_litert_int8
from .onnx_session import open_onnx
from .openvino import open_openvino, write_openvino
from .parity import INT8
from .web import open_web_form, write_web_form

_litert = partial(
    Form, open=open_litert, folder=True, modules=("ai_edge_litert", "tensorflow"), extra="litert"
)
FORMS = (
    Form(
        "onnx-int8",
        "ONNX that computes in 8-bit whole numbers",
        ".int8.onnx",
        write_int8,
        open_onnx,
        modules=("onnx",),
        extra="train",
        bounds=INT8,
        hint="Its layers bear no 8 bits: export it as onnx, or with --compact.",
    ),
    Form(
        "openvino",
        "a folder for OpenVINO",
        "-openvino",
        write_openvino,
        open_openvino,
        folder=True,
        modules=("openvino",),
        extra="openvino",
    ),
    Form(
        "c",
        "a folder with one .h and one .c, plain C99",
        "-c",
        write_c,
        open_c,
        folder=True,
        modules=("onnx",),
        extra="train",
    ),
    _litert("litert", "a folder for LiteRT, in floats", "-litert", write_litert),
    _litert(
        "litert-int8",
        "a folder for LiteRT, in 8-bit whole numbers",
        "-litert-int8",
        write_litert_int8,
        bounds=INT8,
        hint="Its layers bear no 8 bits: export it as litert.",
    ),
    Form(
        "web",
        "a folder with a page and the model in it, for any static host",
        "-web",
        write_web_form,
        open_web_form,
        folder=True,
        here=False,
    ),
)
ONNX = "onnx"  # what every other form is made from
NAMES = (ONNX, *(form.name for form in FORMS))


def form_called(name: str) -> Form:
    """The form of this name. Raises ModelError where there is none."""
    for form in FORMS:
        if form.name == name:
            return form
    raise ModelError(f'There is no form "{name}" to export to.', did_you_mean(name, NAMES))
