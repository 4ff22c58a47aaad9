"""What the route table says of each route."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

Method: TypeAlias = Literal["GET", "POST", "DELETE"]
Group: TypeAlias = Literal[
    "Labels", "Search", "Wardrobe", "Own classes", "Models", "Health", "Inference protocol", "Page"
]

# In examples.
LESSON = "c0ffee5eed0123456789abcdef012345"
GARMENT, SHOES, OUTFIT = "c0ffee5eed012345", "5eedc0ffee012345", "feedc0ffee012345"


@dataclass(frozen=True)
class Route:
    """What is answered at one address.

    `handler` names a method of one of the objects that the app holds ("tagging.tag"); parts of the path in
    braces are handed to it by name. `body` and `shape` are names of types in shapes.py or
    inference_shapes.py; `types` are what is answered where that is no JSON of such a shape.
    """

    method: Method
    path: str
    handler: str
    group: Group = field(kw_only=True)
    operation: str = field(kw_only=True)
    summary: str = field(kw_only=True)
    answer: str = field(kw_only=True)  # what a good answer holds
    description: str = ""
    parameters: tuple[str, ...] = ()  # by the names that openapi/parts.py gives them
    body: str = ""
    shape: str = ""
    types: tuple[str, ...] = ()
    samples: tuple[tuple[str, str], ...] = ()  # lines of a shell, each with a label
    label: str = ""  # in metrics, where it is not the path
    token: bool = True  # whether the token is asked for, where there is one
    queues: bool = False  # its photos wait in the batcher's queue: refused at the head while that is full
    teaches: bool = False  # answered only with --teach
    stores: bool = False  # answered only with --wardrobe
    packs: bool = False  # the answer is packed where the client asks for that

    @property
    def metrics_label(self) -> str:
        """What requests to it are counted by."""
        return self.label or self.path

    @property
    def is_file(self) -> bool:
        """Whether the answer has an ETag."""
        return self.handler.startswith("files.")

    @property
    def shell_samples(self) -> tuple[tuple[str, str], ...]:
        """Its samples; one line of curl where there are none."""
        address = self.path.format(
            model="photo", version="1", file="style.css", lesson=LESSON, garment=GARMENT, outfit=OUTFIT
        )
        verb = f"-X {self.method} " if self.method != "GET" else ""
        return self.samples or (("", f"curl {verb}http://localhost:8000{address}"),)


def with_version(route: Route) -> Iterator[Route]:
    """A route of a model, and the same with the model's version in the address."""
    yield route
    joint = " By" if route.summary.endswith("?") else ", by"
    yield replace(
        route,
        path=route.path.replace("{model}", "{model}/versions/{version}"),
        operation=f"{route.operation}Version",
        summary=f"{route.summary}{joint} its version",
        description="As without a version." if route.description else "",
        samples=tuple(
            (label, line.replace("models/photo", "models/photo/versions/1")) for label, line in route.samples
        ),
    )
