"""The C file of a program, put together from steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..steps import Array, Step, Steps
from .functions import FUNCTIONS, text_of
from .literals import c_array, c_float, c_string
from .memory import Span, place_spans

# Kernels of up to this many numbers stay floats, exact to the last label: as such they take a quarter of a
# megabyte, which fits the flash of common microcontrollers. Larger ones are a quarter of the size as int8.
_MOST_FLOATS = 1 << 16


class Program:
    """The text of a program, put together step by step."""

    def __init__(
        self, name: str, steps: Steps, outputs: Sequence[str], names: Mapping[str, Sequence[str]]
    ) -> None:
        self.name, self.names, self._steps = name, names, steps.steps
        self.arguments = ", ".join(f"float *{output}" for output in outputs)
        self._outputs = {output: steps.values[output] for output in outputs}
        self.kernel_numbers = sum(step.kernel.size for step in self._steps if step.kernel is not None)
        self.int8 = self.kernel_numbers > _MOST_FLOATS
        self._places, self.numbers = _places(self._steps, {value.name for value in self._outputs.values()})
        self._constants: list[str] = []

    def text(self) -> str:
        """The C file."""
        calls = [self._call(place, step) for place, step in enumerate(self._steps)]
        ends = [
            f"    copy({self._at(value.name)}, {output}, {value.size});"
            for output, value in self._outputs.items()
        ]
        used = {step.function for step in self._steps} | {"copy"}
        functions = [text_of(function, int8=self.int8) for function in FUNCTIONS if function in used]
        words = [
            c_array("const char *const", f"{self.name}_{kind}", [c_string(word) for word in row])
            for kind, row in self.names.items()
        ]
        parts = [
            f'#include "{self.name}.h"\n\n#include <math.h>\n',
            *words,
            *self._constants,
            f"static float memory[{self.numbers}];\n",
            *functions,
            f"void {self.name}_ask(const uint8_t *picture, {self.arguments})\n{{",
            *calls,
            *ends,
            "}\n",
        ]
        return "\n".join(parts)

    def _call(self, place: int, step: Step) -> str:
        reads = [self._at(value.name, step.offset) for value in step.reads]
        constants = []
        if step.kernel is not None:
            constants += self._kernel(f"kernel_{place}", step.kernel)
        numbers = [c_float(one) if isinstance(one, float) else str(one) for one in step.numbers]
        rows = [self._row(f"row_{place}_{at}", row) for at, row in enumerate(step.rows)]
        # An affine map takes its rows last: they are not a kernel's.
        behind = [*constants, *rows, *numbers] if step.kernel is not None else [*numbers, *rows]
        return f"    {step.function}({', '.join([*reads, self._at(step.writes.name), *behind])});"

    def _at(self, name: str, offset: int = 0) -> str:
        return "picture" if name == "pictures" else f"memory + {self._places[name] + offset}"

    def _kernel(self, name: str, kernel: Array) -> list[str]:
        """The names of a kernel and of its scales, which is none for floats."""
        if not self.int8:
            return [self._row(name, kernel.reshape(-1))]
        axes = (1, 2, 3) if kernel.ndim == 5 else tuple(range(kernel.ndim - 1))
        largest = np.abs(kernel).max(axis=axes, keepdims=True)
        scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
        steps = np.clip(np.rint(kernel / scale), -127, 127).astype(np.int8).reshape(-1)
        self._constants.append(c_array("static const int8_t", name, [str(one) for one in steps.tolist()]))
        return [name, self._row(f"{name}_scale", scale.reshape(-1))]

    def _row(self, name: str, row: Array) -> str:
        self._constants.append(
            c_array("static const float", name, [c_float(one) for one in row.reshape(-1).tolist()])
        )
        return name


def _places(steps: list[Step], outputs: set[str]) -> tuple[dict[str, int], int]:
    """Where each value lies, and how many numbers there are in all; what may be written in place is."""
    last = {value.name: place for place, step in enumerate(steps) for value in step.reads}
    last |= dict.fromkeys(outputs, len(steps))
    home: dict[str, str] = {}
    spans: dict[str, Span] = {}
    for place, step in enumerate(steps):
        made = step.writes
        free = [
            value.name
            for value in step.reads
            if step.in_place and value.size == made.size and last[value.name] == place
        ]
        until = last.get(made.name, place)
        if free:
            first = spans[home[free[0]]]
            home[made.name] = first.name
            spans[first.name] = Span(first.name, first.size, first.first, until)
        else:
            home[made.name] = made.name
            spans[made.name] = Span(made.name, made.size, place, until)
    placed, total = place_spans(list(spans.values()))
    return {name: placed[owner] for name, owner in home.items()}, total
