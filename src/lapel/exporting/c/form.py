"""A model as one header and one C file: C99, the standard library alone, static memory."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from ...data.dataset import Pictures
from ...errors import ModelError
from ...metrics import Probabilities
from ..form import Ask, Source
from ..graph import fold_batch_norm, load_graph, without_kept_int8
from ..parity import COMPACT, EXACT, Bounds
from ..steps import steps_of
from .header import header_of
from .literals import c_name
from .program import Program

_COMPILERS = ("cc", "gcc", "clang")


def write_c(source: Source, target: Path) -> Bounds:
    """Write the two files; gives how exact they are.

    Raises ModelError where there is no C compiler, or the network has an operation that C lacks.
    """
    card = source.card
    compiler()
    model = fold_batch_norm(without_kept_int8(load_graph(source.data)))
    outputs = ["probabilities", *["rejected"] * bool(card.rejects)]
    steps = steps_of(model, outputs, card.picture.shape)
    names = {"class_names": card.class_names, "reject_names": card.rejects}
    name = c_name(card.name)
    program = Program(name, steps, outputs, {words: row for words, row in names.items() if row})
    target.mkdir()
    (target / f"{name}.h").write_text(header_of(card, program), encoding="utf-8")
    (target / f"{name}.c").write_text(program.text(), encoding="utf-8")
    return COMPACT if program.int8 else EXACT


def open_c(path: Path) -> Ask:
    """Compile the program, and ask it picture by picture. Raises ModelError where there is no C compiler."""
    (file,) = path.glob("*.c")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / f"{file.stem}.so"
        flags = ["-std=c99", "-O3", "-Wall", "-Werror", "-shared", "-fPIC"]
        result = subprocess.run(
            [compiler(), *flags, "-o", str(library), str(file), "-lm"],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise ModelError(f"{file}: does not compile ({result.stderr.strip()[:300]}).")
        program = ctypes.CDLL(str(library))
    header = file.with_suffix(".h").read_text(encoding="utf-8")
    function = program[f"{file.stem}_ask"]
    rows = [np.zeros(_defined(header, word), np.float32) for word in ("CLASSES", "REJECTS")]
    function.restype = None
    places = [row.ctypes.data_as(ctypes.c_void_p) for row in rows if row.size]

    def ask(pictures: Pictures) -> Probabilities:
        answers = np.empty((len(pictures), rows[0].size), np.float32)
        for place, picture in enumerate(np.ascontiguousarray(pictures)):
            function(picture.ctypes.data_as(ctypes.c_void_p), *places)
            answers[place] = rows[0]
        return answers

    return ask


def compiler() -> str:
    """The C compiler of this machine. Raises ModelError where there is none."""
    for name in _COMPILERS:
        if found := shutil.which(name):
            return found
    raise ModelError(
        "The form c needs a C compiler, so that the program can be held against the model; none was found.",
        f"Install one of {', '.join(_COMPILERS)}, and run the same command again.",
    )


def _defined(header: str, word: str) -> int:
    found = re.search(rf"^#define \w+_{word} (\d+)$", header, re.MULTILINE)
    return int(found[1]) if found else 0
