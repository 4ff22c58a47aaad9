"""The pages of the site, those that come from the code among them, gathered in build/docs before every build.

python docs/generate.py                    gather the pages
python docs/generate.py --contributing     only put the toys of tests/extending into CONTRIBUTING.md
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

import lapel
from lapel.card import Card
from lapel.cli import lapel as command_line
from lapel.layers import registry
from lapel.picture import PictureSpec
from lapel.recipes.schema import Recipe
from lapel.tag import rows

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
TARGET = ROOT / "build" / "docs"
FROM_ROOT = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "BENCHMARKS.md")


def main() -> None:
    """Write the pages."""
    if "--contributing" in sys.argv:
        path = ROOT / "CONTRIBUTING.md"
        path.write_text(with_toys(path.read_text()))
        return
    shutil.rmtree(TARGET, ignore_errors=True)
    shutil.copytree(DOCS / "images", TARGET / "images")
    for name, text in pages().items():
        path = TARGET / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def pages() -> dict[str, str]:
    """The text of every page, by its path in the site."""
    written = {str(path.relative_to(DOCS)): path for path in DOCS.rglob("*.md")}
    written |= {f"project/{name.lower()}": ROOT / name for name in FROM_ROOT}
    places = {path: name for name, path in written.items()}
    return {
        "reference/command-line.md": command_page(),
        "reference/python.md": python_page(),
        "reference/recipe-schema.md": schema_page(Recipe.model_json_schema()),
        "reference/formats.md": formats_page(),
        **{name: with_links(path, name, places) for name, path in written.items()},
    }


def verbs(group: click.Group, before: str) -> Iterator[tuple[str, click.Command]]:
    """Every verb, with those inside a verb after it."""
    context = click.Context(group)
    for word in group.list_commands(context):
        verb = group.get_command(context, word)
        assert verb is not None
        yield f"{before} {word}", verb
        if isinstance(verb, click.Group):
            yield from verbs(verb, f"{before} {word}")


def command_page() -> str:
    """What `--help` says of every verb."""
    parts = ["# The command line\n", "What `--help` says of each verb, written by the program itself.\n"]
    for name, verb in [("lapel", command_line), *verbs(command_line, "lapel")]:
        context = click.Context(verb, info_name=name, max_content_width=100, terminal_width=100)
        parts.append(f"## {name}\n\n```text\n{verb.get_help(context)}\n```\n")
    return "\n".join(parts)


def python_page() -> str:
    """The public names, each with its docstring."""
    names = sorted(lapel.__all__, key=lambda name: (name[0].isupper(), name))
    heads = [
        "# The Python library\n",
        "`import lapel` gives these names and loads next to nothing; each loads what it needs when used.\n",
    ]
    parts = []
    for name in names:
        value = getattr(lapel, name)
        options = "\n    options:\n      members: true" if inspect.isclass(value) else ""
        parts.append(f"::: {value.__module__}.{value.__qualname__}{options}\n")
    return "\n".join([*heads, *parts])


def schema_page(schema: dict[str, Any]) -> str:
    """Every part of a recipe, from its schema."""
    parts = [
        "# What a recipe may say\n",
        "A recipe is a page of TOML. An unknown key is refused with the nearest known one.\n",
        "## Recipe\n",
        *part_lines(schema),
    ]
    for name, part in sorted(schema.get("$defs", {}).items()):
        if "properties" not in part:  # what a layer is, its kind says
            continue
        parts += [f"## {name}\n", *part_lines(part)]
    for kind in registry.kinds():
        layer = registry.find_layer(kind)
        assert layer is not None
        parts += [f"## A layer: {kind}\n", *part_lines(layer.model_json_schema())]
    return "\n".join(parts)


def part_lines(part: dict[str, Any]) -> list[str]:
    """The description of a part, and a row for each of its keys."""
    lines = [f"{part.get('description', '')}\n"]
    if "properties" not in part:
        return lines
    required = part.get("required", [])
    lines += ["| key | is | default |", "|---|---|---|"]
    for key, field in part["properties"].items():
        default = "must be said" if key in required else code(field.get("default"))
        lines.append(f"| `{key}` | {kind_of(field)} | {default} |")
    return [*lines, ""]


def code(value: Any) -> str:
    """A default as TOML users read it; what is long is not shown."""
    text = "" if value is None else json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if 0 < len(text) <= 40 else ""


def kind_of(field: dict[str, Any]) -> str:
    """What a key may hold, in words."""
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[-1]
        return "a layer of any kind below" if name == "Layer" else f"a table: {name}"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if options := field.get("anyOf"):
        return " or ".join(
            dict.fromkeys(kind_of(option) for option in options if option.get("type") != "null")
        )
    if field.get("type") == "array":
        items = field.get("items")
        return f"a list: {kind_of(items)}" if items else "a list"
    words = {"integer": "a whole number", "number": "a number", "string": "text", "boolean": "true or false"}
    bounds = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    limits = [f"{word} {field[key]}" for key, word in bounds.items() if key in field]
    return ", ".join([words.get(field.get("type", ""), "a table"), *limits])


def formats_page() -> str:
    """Cards and rows."""
    return "\n".join(
        [
            "# Cards and rows\n",
            "Formats that were ever written stay readable.\n",
            "## The card of a model\n",
            "A model is one `.onnx` file. Its card is JSON, `lapel.card` in the file's metadata.\n",
            *dataclass_lines(Card),
            "## How a photo becomes a picture\n",
            *dataclass_lines(PictureSpec),
            "## Rows of tags\n",
            "`lapel tag` writes a row for each photo, in the order of the photos.\n",
            f"- **JSON lines** (`--json`, `.jsonl`). {inspect.getdoc(rows.jsonl)}",
            f"- **CSV** (`--csv`, `.csv`). {inspect.getdoc(rows.csv_lines)}",
            "- **Parquet** (`--parquet`, `.parquet`). The columns of JSON lines.",
            "",
            "A photo that cannot be read gives a row that holds its source, the model and an `error`.",
            "",
        ]
    )


def dataclass_lines(kind: type) -> list[str]:
    """A docstring, and a row for each field."""
    lines = [f"{inspect.getdoc(kind)}\n", "| entry | is |", "|---|---|"]
    lines += [f"| `{field.name}` | `{field.type}` |" for field in dataclasses.fields(kind)]
    return [*(line.replace("||", "|") for line in lines), ""]


def with_links(path: Path, name: str, places: dict[Path, str]) -> str:
    """A page for the site, where links to files that are no pages of it become plain words."""

    def link(match: re.Match[str]) -> str:
        words, target = match.groups()
        file, _, anchor = target.partition("#")
        if not file or ":" in file:
            return match[0]
        whole = (path.parent / file).resolve()
        if whole in places:
            to = os.path.relpath(places[whole], Path(name).parent)
            return f"[{words}]({to}{'#' + anchor if anchor else ''})"
        # What is neither there nor made stays as it is, and the build refuses it.
        return words if whole.exists() and not whole.is_relative_to(DOCS) else match[0]

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", link, path.read_text())


def with_toys(text: str) -> str:
    """CONTRIBUTING.md with the text of each toy between its marks."""

    def block(match: re.Match[str]) -> str:
        path = ROOT / "tests" / "extending" / match[1]
        body = f"```python\n{path.read_text()}```\n" if path.exists() else ""
        return f"<!-- {match[1]} -->\n{body}<!-- /{match[1]} -->"

    return re.sub(r"<!-- (toy_\w+\.py) -->\n.*?<!-- /\1 -->", block, text, flags=re.DOTALL)


if __name__ == "__main__":
    main()
