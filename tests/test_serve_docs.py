"""What is said of the service holds: its OpenAPI document and the page of it, the guide, what to deploy."""

from __future__ import annotations

import base64
import configparser
import copy
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click
import pytest

pytest.importorskip("httptools", reason="the extra serve is not installed")
pytest.importorskip("jsonschema", reason="the extra test is not installed")

import jsonschema
from PIL import Image
from service import Service, eventually, running

from lapel import __version__, build_index
from lapel.commands.serve import serve
from lapel.data.synthetic.draw import draw
from lapel.serve.api.openapi.build import build, to_json
from lapel.serve.api.openapi.docs_page import docs_page
from lapel.serve.api.openapi.document import FILE, load_document
from lapel.serve.api.route import GARMENT, LESSON, OUTFIT, SHOES
from lapel.serve.api.routes import ROUTES
from lapel.serve.http.codes import CODES

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
DEPLOY = ROOT / "deploy"
HERE = "localhost:8000"  # what the guide and the document call the service
DOCUMENT = load_document()
VERBS = ("get", "post", "delete")
OPERATIONS = [
    (verb.upper(), path, item[verb])
    for path, item in DOCUMENT["paths"].items()
    for verb in VERBS
    if verb in item
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    pytest.importorskip("lancedb", reason="the extra search is not installed")
    index = tmp_path_factory.mktemp("index") / "wardrobe.lapel"
    build_index(sorted((ROOT / "examples" / "photos").glob("*.jpg")), index)
    mine = tmp_path_factory.mktemp("home") / "mine"
    with running("--teach", "--index", f"own={index}", "--wardrobe", mine) as here:
        yield here


@pytest.fixture
def lesson(service: Service) -> str:
    """A lesson that is done, in the place of the one in the examples."""
    [asked] = [one for one in EXAMPLES if (one.path, one.name) == ("/teach", "two-classes")]
    name: str = service.ask("POST", "/teach", asked.body, asked.headers).json["lesson"]
    assert eventually(lambda: service.ask("GET", f"/teach/{name}").json["state"] == "done", 20)
    return name


@pytest.fixture
def names(service: Service) -> dict[str, str]:
    """What there is in the place of what the examples name."""
    found = {}
    for name, photo in ((GARMENT, "striped-t-shirt"), (SHOES, "white-sneakers")):
        data = (ROOT / "examples" / "photos" / f"{photo}.jpg").read_bytes()
        answer = service.ask("POST", "/wardrobe", data, {"Content-Type": "image/jpeg"}).json
        found[name] = answer["photos"][0]["garment"]["id"]
    service.ask("POST", f"/wardrobe/garments/{found[GARMENT]}", b'{"kind": "Polo"}')
    outfit = {"garments": {"top": found[GARMENT], "shoes": found[SHOES]}}
    found[OUTFIT] = service.ask("POST", "/wardrobe/outfits", json.dumps(outfit)).json["outfit"]
    return found


def with_names(text: str, names: dict[str, str]) -> str:
    for name, here in names.items():
        text = text.replace(name, here)
    return text


@pytest.fixture(scope="module")
def wardrobe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with drawn garments, and a curl that fails where the service refuses."""
    folder = tmp_path_factory.mktemp("wardrobe")
    drawn, _ = draw(4, size=160, channels=3, style="photo", seed=1)
    for name, photo in zip(("shirt", "tee", "boot", "sandal"), drawn, strict=True):
        Image.fromarray(photo).save(folder / f"{name}.jpg")
    (folder / ".curlrc").write_text("fail\nsilent\nshow-error\n")
    return folder


def found(node: dict[str, Any]) -> dict[str, Any]:
    """What a node of the document refers to, or the node itself."""
    if "$ref" not in node:
        return node
    place: Any = DOCUMENT
    for part in node["$ref"].removeprefix("#/").split("/"):
        place = place[part]
    return found(place)


def check(value: Any, schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(value)


# The document


def test_the_document_is_valid_openapi_and_of_this_version() -> None:
    validator = pytest.importorskip(
        "openapi_spec_validator", reason="openapi-spec-validator is not installed (pip install 'lapel[test]')"
    )
    validator.validate(copy.deepcopy(DOCUMENT))
    assert DOCUMENT["info"]["version"] == __version__
    assert load_document() is DOCUMENT


def test_everything_in_the_document_is_used() -> None:
    text = json.dumps(DOCUMENT)
    for kind, parts in DOCUMENT["components"].items():
        for name in parts:
            if kind != "securitySchemes":
                assert f'"#/components/{kind}/{name}"' in text, f"{kind}/{name}"


def test_the_document_is_built_from_the_routes_and_shapes() -> None:
    assert FILE.read_bytes() == to_json(build()), "Write it anew: make openapi"


def test_every_code_is_in_the_document_and_in_the_guide() -> None:
    assert DOCUMENT["components"]["schemas"]["ErrorCode"]["enum"] == list(CODES)
    failures = DOCUMENT["components"]["responses"].values()
    shown = set(re.findall(r"`(\w+)`", " ".join(answer["description"] for answer in failures)))
    shown |= {
        code
        for _, _, operation in OPERATIONS
        for answer in operation["responses"].values()
        for code in re.findall(r"`(\w+)`", answer.get("description", ""))
    }
    assert set(CODES) - shown == {"method_not_allowed"}  # of the introduction: no route promises it
    rows = re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \| (.+?) \|$", GUIDE, re.MULTILINE)
    assert rows == [(code, str(status), text) for code, (status, text) in CODES.items()]


def test_every_route_is_in_the_document_once() -> None:
    listed = [(route.method, route.path) for route in ROUTES]
    assert listed == [(method, path) for method, path, _ in OPERATIONS]
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_another_method_is_refused_with_the_ones_of_the_document(service: Service, path: str) -> None:
    address = re.sub(
        r"{(\w+)}", lambda name: {"file": "style.css", "version": "1"}.get(name[1], "photo"), path
    )
    answer = service.ask("PUT", address)
    assert answer.status == 405
    allowed = {method.strip() for method in answer.headers["allow"].split(",")} - {"HEAD"}
    assert allowed == {method for method, where, _ in OPERATIONS if where == path}
    check(answer.json, {"$ref": "#/components/schemas/Error"})


# Its examples


@dataclass
class Asked:
    """A request that the document gives as an example, and the status that it promises."""

    name: str
    method: str
    path: str
    operation: dict[str, Any]
    status: str
    query: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


def examples() -> Iterator[Asked]:
    """Every example request. Examples of the same name in request and answer belong together."""
    for method, path, operation in OPERATIONS:
        parameters = [found(parameter) for parameter in operation.get("parameters", ())]
        bodies = {
            name: (kind, example)
            for kind, content in found(operation.get("requestBody", {})).get("content", {}).items()
            for name, example in content.get("examples", {}).items()
        }
        promised = {
            name: status
            for status, answer in operation["responses"].items()
            for content in found(answer).get("content", {}).values()
            for name in content.get("examples", {})
        }
        usual = min(operation["responses"])
        said = {name for parameter in parameters for name in parameter.get("examples", ()) if not bodies}
        for name in sorted(bodies or said | {""}):
            asked = Asked(name or "as it is", method, path, operation, promised.get(name, usual))
            for parameter in parameters:
                given = parameter.get("examples", {}).get(name)
                value = given["value"] if given else parameter.get("example")
                if value is None:
                    continue
                if parameter["in"] == "path":
                    asked.path = asked.path.replace(f"{{{parameter['name']}}}", quote(value))
                elif parameter["in"] == "query":
                    asked.query[parameter["name"]] = value
                else:
                    asked.headers[parameter["name"]] = str(value)
            if bodies:
                asked.headers["Content-Type"], asked.body = sent(*bodies[name])
            yield asked


def sent(kind: str, example: dict[str, Any]) -> tuple[str, bytes]:
    """The type and the bytes of an example of a body."""
    if "value" in example:
        return kind, json.dumps(example["value"]).encode()
    head, _, data = example["externalValue"].removeprefix("data:").partition(";base64,")
    return head, base64.b64decode(data)


EXAMPLES = list(examples())


def test_there_are_examples_of_every_kind_of_body_and_every_promise() -> None:
    [tag] = [operation for _, path, operation in OPERATIONS if path == "/tag"]
    named = {one.name for one in EXAMPLES if one.path == "/tag"}
    kinds = {one.headers["Content-Type"].partition(";")[0] for one in EXAMPLES if one.path == "/tag"}
    assert kinds == {"multipart/form-data", "image/png", "application/octet-stream", "application/json"}
    promised = [
        tag["responses"][status]["content"]["application/json"]["examples"] for status in ("200", "400")
    ]
    assert set(itertools.chain(*promised)) <= named


@pytest.mark.parametrize("asked", EXAMPLES, ids=lambda one: f"{one.method} {one.path} {one.name}")
def test_an_example_gets_what_is_promised(
    service: Service, asked: Asked, request: pytest.FixtureRequest
) -> None:
    if LESSON in asked.path:
        asked = replace(asked, path=asked.path.replace(LESSON, request.getfixturevalue("lesson")))
    if asked.path.startswith("/wardrobe"):
        asked = replace(asked, path=with_names(asked.path, request.getfixturevalue("names")))
    query = f"?{urlencode(asked.query)}" if asked.query else ""
    answer = service.ask(asked.method, asked.path + query, asked.body, asked.headers)
    if asked.path.endswith("/unload"):
        assert service.ask("POST", asked.path.replace("/unload", "/load")).status == 200
    assert str(answer.status) == asked.status, answer.body
    promised = found(asked.operation["responses"][asked.status])
    for name, header in promised.get("headers", {}).items():
        if found(header).get("required"):
            check(answer.headers[name.lower()], found(header)["schema"])
    assert answer.headers["x-request-id"] == asked.headers.get("X-Request-Id", answer.headers["x-request-id"])
    if "content" not in promised:
        assert answer.body == b""
        return
    kind = answer.headers["content-type"].partition(";")[0]
    schema = promised["content"][kind]["schema"]
    if kind == "application/json":
        check(answer.json, schema)
    elif schema.get("format") != "binary":
        assert answer.body.decode()


def with_examples(node: Any) -> Iterator[dict[str, Any]]:
    """Every part of the document that has a schema."""
    if isinstance(node, dict):
        if "schema" in node:
            yield node
        for one in node.values():
            yield from with_examples(one)
    elif isinstance(node, list):
        for one in node:
            yield from with_examples(one)


def test_every_example_that_is_shown_fits_its_schema() -> None:
    wrong = {"top": "all", "no-photo": {"photos": []}, "wrong-input": None}  # shown to be refused
    count = 0
    for node in with_examples([DOCUMENT["paths"], DOCUMENT["components"]]):
        shown = {
            **node.get("examples", {}),
            **({"": {"value": node["example"]}} if "example" in node else {}),
        }
        for name, example in shown.items():
            if "value" in example and example["value"] != "all" and name not in wrong:
                check(example["value"], node["schema"])
                count += 1
    assert count > 40


# The page of it


class Reader(HTMLParser):
    """Reads a page, and complains of what a browser would have to guess."""

    EMPTY = frozenset({"meta", "link", "br", "wbr", "img", "input", "hr"})

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_every_route_and_needs_no_script(service: Service) -> None:
    answer = service.ask("GET", "/docs")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "'unsafe" not in answer.headers["content-security-policy"]
    assert answer.body == docs_page(DOCUMENT)
    page = Reader(answer.body.decode())
    tags, attributes = {tag for tag, _ in page.tags}, {name for _, held in page.tags for name in held}
    assert not tags & {"script", "style", "iframe", "object", "embed"}
    assert not [name for name in attributes if name == "style" or name.startswith("on")]
    marks = [held["id"] for _, held in page.tags if "id" in held]
    assert len(marks) == len(set(marks))
    links = [held["href"] or "" for _, held in page.tags if "href" in held]
    assert {link[1:] for link in links if link.startswith("#")} <= set(marks)
    for link in {link for link in links if not link.startswith("#")}:
        assert service.ask("GET", f"/{link.removeprefix('./')}").status == 200
    for method, path, operation in OPERATIONS:
        assert f"{method} {path}" in page.text
        assert operation["summary"] in page.text
        for sample in operation["x-codeSamples"]:
            assert sample["source"] in page.text
    for name in DOCUMENT["components"]["schemas"]:
        assert f"schema-{name.lower()}" in marks


def test_the_page_escapes_what_it_shows() -> None:
    told = [
        "description",
        "summary",
        "title",
        "version",
        "source",
        "label",
        "value",
        "example",
        "enum",
        "name",
        "default",
    ]

    def hostile(node: Any, key: str = "") -> Any:
        if isinstance(node, dict):
            grouping = node in DOCUMENT["tags"]  # their names are looked up
            return {name: hostile(one, "" if grouping else name) for name, one in node.items()}
        if isinstance(node, list):
            return [hostile(one, key) for one in node]
        return f"</code><script>{node}\"'" if key in told and isinstance(node, str) else node

    changed: Any = hostile(DOCUMENT)
    changed["paths"] = {path.replace("/tag", "/<b>"): item for path, item in changed["paths"].items()}
    page = Reader(docs_page(changed).decode())
    assert not {"script", "b"} & {tag for tag, _ in page.tags}
    assert "</code><script>Label photos\"'" in page.text
    assert "POST /<b>" in page.text


def test_the_document_is_answered_as_it_is_and_once_only(service: Service) -> None:
    answer = service.ask("GET", "/openapi.json")
    assert answer.json == DOCUMENT
    assert (
        service.ask("GET", "/openapi.json", headers={"If-None-Match": answer.headers["etag"]}).status == 304
    )


def test_strangers_may_read_the_document() -> None:
    with running("--model", "fashion-mnist", LAPEL_TOKEN="secret") as here:
        assert [here.ask("GET", path).status for path in ("/docs", "/openapi.json", "/page/docs.css")] == [
            200
        ] * 3
        refused = here.ask("GET", "/models")
        assert refused.status == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        check(refused.json, {"$ref": "#/components/schemas/Error"})
        assert here.ask("GET", "/models", headers={"Authorization": "Bearer secret"}).status == 200


# The lines of the guide, and of the document


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


LINES = [
    *(pytest.param("bash", block, id=block.strip().splitlines()[-1][-60:]) for block in blocks("bash")),
    *(pytest.param("python", block, id=block.strip().splitlines()[0]) for block in blocks("python")),
    *(
        pytest.param("bash", sample["source"], id=f"{path} {place}")
        for _, path, operation in OPERATIONS
        for place, sample in enumerate(operation["x-codeSamples"])
        if not path.endswith("load")  # would put away what other lines ask
        and "-X DELETE" not in sample["source"]  # which says nothing
    ),
]


def test_the_guide_has_lines_to_run() -> None:
    assert len(blocks("bash")) >= 5
    assert len(blocks("python")) >= 2


@pytest.mark.parametrize(("language", "block"), LINES)
def test_a_line_does_what_it_says(
    service: Service, wardrobe: Path, language: str, block: str, request: pytest.FixtureRequest
) -> None:
    if LESSON in block:
        block = block.replace(LESSON, request.getfixturevalue("lesson"))
    if "/wardrobe" in block:
        block = with_names(block, request.getfixturevalue("names"))
    if language == "bash":
        if not (shutil.which("curl") and shutil.which("bash")):
            pytest.skip("curl or bash is not installed")
        command = ["bash", "-euo", "pipefail", "-c"]
    else:
        for package in re.findall(r"^(?:import|from) (\w+)", block, re.MULTILINE):
            pytest.importorskip(package, reason=f"{package} is not installed")
        command = [sys.executable, "-c"]
    done = subprocess.run(
        [*command, block.replace(HERE, service.address.removeprefix("http://"))],
        cwd=wardrobe,
        env={**os.environ, "CURL_HOME": str(wardrobe), "LAPEL_TOKEN": "any", "no_proxy": "*"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_guide_names_every_flag_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(--[a-z-]+)[^`]*` \| ([^|]+?) \|", GUIDE, re.MULTILINE))
    options = {option.opts[0]: option for option in serve.params if isinstance(option, click.Option)}
    assert set(rows) == set(options)
    for name, told in rows.items():
        usual = options[name].default
        if isinstance(usual, (int, float)) and not isinstance(usual, bool):
            assert told.split()[0] == f"{usual:g}", name


# What it is deployed with


def flags(text: str) -> set[str]:
    """The flags that a text gives to `lapel serve`."""
    lines = re.findall(r"^.*(?:lapel serve|ExecStart|ENTRYPOINT|args:).*$", text, re.MULTILINE)
    return {flag for line in lines for flag in re.findall(r"--[a-z-]+", line)}


@pytest.mark.parametrize("name", ["lapel.service", "Dockerfile", "kubernetes.yaml"])
def test_a_file_to_deploy_with_uses_flags_that_there_are(name: str) -> None:
    text = (DEPLOY / name).read_text(encoding="utf-8")
    assert flags(text) | flags(GUIDE) <= {name for option in serve.params for name in option.opts}
    assert flags(text)
    assert f"deploy/{name}" in GUIDE


def test_the_unit_for_systemd() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(DEPLOY / "lapel.service", encoding="utf-8")
    assert set(unit.sections()) == {"Unit", "Service", "Install"}
    assert unit["Service"]["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert int(unit["Service"]["TimeoutStopSec"]) > 30  # what the service takes at most
    assert unit["Service"]["DynamicUser"] == "yes"


def test_the_alerts_watch_metrics_that_there_are(service: Service) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    service.ask("POST", "/tag?model=fashion-mnist", (DEPLOY.parent / "docs/images/photos.png").read_bytes())
    told = set(re.findall(r"^# TYPE (lapel_\w+)", service.ask("GET", "/metrics").body.decode(), re.MULTILINE))
    [group] = yaml.safe_load((DEPLOY / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    watched = {name for rule in group["rules"] for name in re.findall(r"lapel_\w+", rule["expr"])}
    shown = set(re.findall(r"lapel_\w+", GUIDE))
    assert watched
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in watched | shown} <= told
    for rule in group["rules"]:
        assert rule["annotations"]["summary"]


def test_what_kubernetes_asks_is_answered() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    parts = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
    assert [part["kind"] for part in parts] == ["Deployment", "Service"]
    [pod] = [part["spec"]["template"]["spec"] for part in parts if part["kind"] == "Deployment"]
    [container] = pod["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["path"] in DOCUMENT["paths"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert pod["terminationGracePeriodSeconds"] > 30
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert security["runAsNonRoot"]
    [port] = container["ports"]
    assert parts[1]["spec"]["ports"][0]["targetPort"] in (port["name"], port["containerPort"])


def test_the_dockerfile_runs_as_nobody_special() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    steps = re.findall(r"^([A-Z]+) (.*)$", text.replace("\\\n", ""), re.MULTILINE)
    assert [step for step, _ in steps if step == "FROM"]
    [user] = [told for step, told in steps if step == "USER"]
    assert user.partition(":")[0] not in ("root", "0")
    [check_up] = [told for step, told in steps if step == "HEALTHCHECK"]
    assert "/health/live" in check_up
    [entry] = [told for step, told in steps if step == "ENTRYPOINT"]
    assert json.loads(entry)[:2] == ["lapel", "serve"]
