"""The OpenAPI document as a page for people, without scripts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any, TypeAlias

_Node: TypeAlias = Mapping[str, Any]

_VERBS = ("get", "post", "delete")
_WORDS = {"string": "text", "boolean": "true or false", "null": "null", "object": "object", "array": "list"}
_PLACES = {"query": "query", "header": "header", "path": "address"}


def docs_page(document: Mapping[str, Any]) -> bytes:
    """A page of the document, without scripts: each route, what it takes, what it answers, and examples."""
    return "\n".join(_Page(document).lines()).encode()


class _Page:
    """Writes the page. Whatever comes from the document is escaped by `_text`, `_prose` or `_code`."""

    def __init__(self, document: _Node) -> None:
        self._document = document
        self._info: _Node = document["info"]
        shared = [self._everywhere(status) for status in ("400", "408", "413", "431", "500", "503")]
        self._shared = {place for place in shared if place}

    def lines(self) -> Iterator[str]:
        """The page, piece by piece."""
        title = f"What {self._info['title']} answers"
        yield _HEAD.format(title=_text(title), version=_text(self._info["version"]))
        yield f'<div class="opening width"><h1>{_text(title)}</h1>'
        yield f"{_prose(self._info['description'])}</div></header>"
        yield '<main class="width paper">'
        yield from self._contents()
        yield '<div class="routes" id="routes">'
        for group in self._document["tags"]:
            mark = f"group-{_mark(group['name'])}"
            yield f'<section aria-labelledby="{mark}"><h2 id="{mark}">{_text(group["name"])}</h2>'
            yield _prose(group["description"])
            for verb, path, operation in self._operations(group["name"]):
                yield from self._route(verb, path, operation)
            yield "</section>"
        yield from self._anywhere()
        yield from self._schemas()
        yield "</div></main></body></html>"

    def _contents(self) -> Iterator[str]:
        yield '<nav class="contents" aria-label="Routes">'
        for group in self._document["tags"]:
            yield f'<p><a href="#group-{_mark(group["name"])}">{_text(group["name"])}</a></p><ul>'
            for verb, path, operation in self._operations(group["name"]):
                yield f'<li><a href="#{_mark(operation["operationId"])}">{_verb(verb)} {_path(path)}</a></li>'
            yield "</ul>"
        yield '<p><a href="#anywhere">At every route</a></p><p><a href="#schemas">Schemas</a></p></nav>'

    def _operations(self, group: str) -> Iterator[tuple[str, str, _Node]]:
        for path, item in self._document["paths"].items():
            for verb in _VERBS:
                if verb in item and group in item[verb]["tags"]:
                    yield verb, path, item[verb]

    def _route(self, verb: str, path: str, operation: _Node) -> Iterator[str]:
        mark = _mark(operation["operationId"])
        yield f'<article id="{mark}" aria-labelledby="{mark}-title">'
        yield f'<h3 id="{mark}-title">{_verb(verb)} {_path(path)}</h3>'
        yield f'<p class="summary">{_text(operation["summary"])}</p>'
        yield _prose(operation.get("description", ""))
        if operation.get("security") == []:
            yield '<p class="note">Needs no token.</p>'
        for sample in operation["x-codeSamples"]:
            yield from _sample(sample.get("label", ""), sample["source"])
        yield from self._parameters(operation["parameters"])
        if "requestBody" in operation:
            yield from self._body(self._resolve(operation["requestBody"]))
        yield from self._answers(operation["responses"])
        yield "</article>"

    def _parameters(self, parameters: Iterable[_Node]) -> Iterator[str]:
        rows = []
        for parameter in map(self._resolve, parameters):
            schema = parameter["schema"]
            usual = f"; otherwise {_code(schema['default'])}" if "default" in schema else ""
            needed = ", needed" if parameter.get("required") else ""
            rows.append(
                (
                    _code(parameter["name"]),
                    f"{_PLACES[parameter['in']]}{needed}",
                    f"{self._kind(schema)}{usual}",
                    _inline(parameter.get("description", "")),
                )
            )
        yield from _table("What can be said", ("name", "where", "kind", "meaning"), rows)

    def _body(self, body: _Node) -> Iterator[str]:
        rows = [
            (_code(kind), self._kind(content["schema"]), _inline(content["schema"].get("description", "")))
            for kind, content in body["content"].items()
        ]
        yield from _table("Body", ("type", "kind", "meaning"), rows, _inline(body.get("description", "")))
        yield from self._examples(body["content"])

    def _answers(self, answers: _Node) -> Iterator[str]:
        own = {status: answer for status, answer in answers.items() if answer.get("$ref") not in self._shared}
        rows = [self._answer(status, self._resolve(answer)) for status, answer in own.items()]
        yield from _table("Answers", ("status", "kind", "meaning"), rows)
        for status, answer in own.items():
            yield from self._examples(self._resolve(answer).get("content", {}), f"{status}: ")
        others = ", ".join(_code(status) for status in answers if status not in own)
        yield f'<p class="note">Besides, <a href="#anywhere">as at every route</a>: {others}.</p>'

    def _answer(self, status: str, answer: _Node) -> tuple[str, str, str]:
        kinds = [
            f"{self._kind(content['schema'])} <small>{_text(kind)}</small>"
            for kind, content in answer.get("content", {}).items()
        ]
        return _code(status), "<br>".join(kinds) or "no body", _inline(answer["description"])

    def _examples(self, contents: _Node, before: str = "") -> Iterator[str]:
        """Those that can be read; bytes are not shown."""
        for kind, content in contents.items():
            examples = dict(content.get("examples", {}))
            if "example" in content:
                examples["for example"] = {"value": content["example"]}
            for name, example in examples.items():
                if "value" in example:
                    value = example["value"]
                    text = (
                        value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
                    )
                    summary = f"{before}{name.replace('-', ' ')}, {kind}"
                    yield f"<details><summary>{_text(summary)}</summary>{_block(text)}</details>"

    def _anywhere(self) -> Iterator[str]:
        yield '<section aria-labelledby="anywhere"><h2 id="anywhere">At every route</h2>'
        places = [place.rpartition("/")[2] for place in sorted(self._shared)]
        components = self._document["components"]["responses"]
        statuses = {
            name: status
            for item in self._document["paths"].values()
            for verb in _VERBS
            for status, answer in item.get(verb, {}).get("responses", {}).items()
            if (name := answer.get("$ref", "").rpartition("/")[2]) in places
        }
        ordered = sorted(places, key=lambda name: statuses[name])
        rows = [self._answer(statuses[name], components[name]) for name in ordered]
        yield from _table("", ("status", "kind", "meaning"), rows)
        for name in ordered:
            yield from self._examples(components[name]["content"], f"{statuses[name]}: ")
        yield "</section>"

    def _schemas(self) -> Iterator[str]:
        yield '<section aria-labelledby="schemas"><h2 id="schemas">Schemas</h2>'
        for name, schema in self._document["components"]["schemas"].items():
            yield f'<article id="schema-{_mark(name)}" class="schema"><h3>{_text(name)}</h3>'
            yield _prose(schema.get("description", ""))
            needed = schema.get("required", ())
            rows = [
                (
                    _code(key),
                    f"{self._kind(value)}{'' if key in needed else ', if there'}",
                    _inline(value.get("description", "")),
                )
                for key, value in schema.get("properties", {}).items()
            ]
            if rows:
                yield from _table("", ("entry", "kind", "meaning"), rows)
            else:
                yield f"<p>{self._kind(schema)}</p>"
            yield "</article>"
        yield "</section>"

    def _kind(self, schema: _Node) -> str:
        """What a schema allows, in a few words."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return f'<a href="#schema-{_mark(name)}">{_text(name)}</a>'
        if "const" in schema:
            return f"always {_code(json.dumps(schema['const']))}"
        if "enum" in schema:
            return " or ".join(map(_code, schema["enum"]))
        for several in ("oneOf", "anyOf"):
            if several in schema:
                return " or ".join(map(self._kind, schema[several]))
        kinds = schema.get("type", [])
        text = [self._plain(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
        return " or ".join(text) or "anything"

    def _plain(self, kind: str, schema: _Node) -> str:
        if kind in ("integer", "number"):
            return f"{'whole number' if kind == 'integer' else 'number'}{_range(schema)}"
        if kind == "array":
            return f"list of {self._kind(schema.get('items', {}))}"
        if kind == "object" and schema.get("properties"):
            inside = [f"{_code(key)}: {self._kind(value)}" for key, value in schema["properties"].items()]
            return f"object ({', '.join(inside)})"
        if kind == "string" and "contentEncoding" in schema:
            return f"text in {_text(schema['contentEncoding'])}"
        return "bytes" if schema.get("format") == "binary" else _WORDS[kind]

    def _resolve(self, node: _Node) -> _Node:
        """What a node refers to, or the node itself."""
        if "$ref" not in node:
            return node
        found: Any = self._document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return self._resolve(found)

    def _everywhere(self, status: str) -> str:
        """What most routes refer to for a status."""
        places: list[str] = [
            item[verb]["responses"].get(status, {}).get("$ref", "")
            for item in self._document["paths"].values()
            for verb in _VERBS
            if verb in item
        ]
        return Counter(places).most_common(1)[0][0]


def _text(value: object) -> str:
    return escape(str(value))


def _code(value: object) -> str:
    return f"<code>{_text(value)}</code>"


def _inline(text: str) -> str:
    """A line of prose; what stands between backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(text))


def _prose(text: str) -> str:
    return "".join(f"<p>{_inline(part)}</p>" for part in text.split("\n\n") if part)


def _block(text: str) -> str:
    return f'<pre tabindex="0"><code>{_text(text)}</code></pre>'


def _sample(label: str, source: str) -> Iterator[str]:
    if label:
        yield f'<p class="label">{_text(label)}</p>'
    yield _block(source)


def _verb(verb: str) -> str:
    return f'<span class="verb {_mark(verb)}">{_text(verb.upper())}</span>'


def _path(path: str) -> str:
    """An address, which may break after its slashes."""
    return f"<code>{_text(path).replace('/', '/<wbr>')}</code>"


def _mark(name: str) -> str:
    """A name as the id of an element."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def _range(schema: _Node) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        return f" above {schema['exclusiveMinimum']}" + (f", up to {most}" if most is not None else "")
    if least is not None and most is not None:
        return f", {least} to {most}"
    return f" from {least}" if least is not None else ""


def _table(
    title: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]], before: str = ""
) -> Iterator[str]:
    if title:
        yield f"<h4>{_text(title)}</h4>"
    if before:
        yield f"<p>{before}</p>"
    yield '<div class="scroll" tabindex="0"><table><thead><tr>'
    yield "".join(f'<th scope="col">{_text(head)}</th>' for head in heads)
    yield "</tr></thead><tbody>"
    for first, *others in rows:
        yield f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>'
    yield "</tbody></table></div>"


_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="page/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="page/style.css">
<link rel="stylesheet" href="page/docs.css">
</head>
<body>
<a class="skip" href="#routes">Skip to the routes</a>
<header class="cloth"><div class="top width">
<p class="woven brand">Lapel</p>
<nav class="row" aria-label="Lapel">
<a href="./">The page</a> <a href="openapi.json">OpenAPI 3.1</a> <span>{version}</span>
</nav>
</div>"""
