"""What was found -> the text of a page, by Jinja2's templates beside this file."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtra
from ..wording import percent
from .style import plain

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def environment() -> Environment:
    """The templates. Raises MissingExtra where Jinja2 is not installed."""
    try:
        from jinja2 import Environment, FunctionLoader, StrictUndefined
    except ModuleNotFoundError as error:
        raise MissingExtra("Jinja2", "train") from error
    made = Environment(
        loader=FunctionLoader(_source),
        autoescape=lambda name: name is None or not name.endswith(".md.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "plain": _markdown,
        "percent": percent,
        "share": _share,
        "hundred": _hundred,
        "coded": _coded,
    }
    script = _source("page.js")
    made.globals |= {
        "style": _source("page.css"),
        "script": script,
        # The page runs this script and no other, whatever a name may hold.
        "script_hash": f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'",
    }
    return made


def render(made: Environment, name: str, content: dict[str, Any]) -> bytes:
    """The bytes of a page."""
    # A folder's name may hold bytes that are no text; the page shows a question mark there.
    return made.get_template(f"{name}.j2").render(content).encode("utf-8", "replace")


def _source(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text("utf-8")


def _markdown(text: object, longest: int = 200) -> str:
    """Any text as plain words inside a Markdown table: no markup, no HTML, one line."""
    return re.sub(r"([\\`*_\[\]<>|~&])", r"\\\1", plain(str(text), longest))


def _share(value: float | None) -> str:
    """A share in a table whose head says that it is in per cent."""
    return "–" if value is None else f"{100 * value:.1f}"


def _hundred(value: float | None) -> str:
    """A share in a sentence."""
    return "–" if value is None else f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def _coded(text: str) -> Markup:
    """A sentence for a page, where `what is typed` looks so, and no number loses its per cent."""
    from markupsafe import Markup, escape

    safe = str(escape(text)).replace(" %", "\N{NO-BREAK SPACE}%")
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", safe))
