"""The page of `lapel serve`, in a real browser before the real service."""

from __future__ import annotations

import base64
import csv
import io
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import CHROMIUM, FLAGS, accessibility_check, listen
from PIL import Image
from service import Service

import lapel
from lapel.data.synthetic.draw import draw
from lapel.tagger import Tagger
from lapel.wording import percent

api = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
pytest.importorskip("httptools", reason="needs the extra: serve")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

NOT_A_PHOTO = {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"this is no photo"}
UNKNOWN = "I don’t know"

expect = api.expect
expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., Service]]:
    """Start a service with these options."""
    services: list[Service] = []

    def run(*options: str) -> Service:
        # Chromium takes its share of the machine: what is late is not refused here.
        services.append(Service("--timeout", "60", *options))
        return services[-1]

    yield run
    for service in services:
        service.end()


@pytest.fixture(scope="module")
def service(start: Callable[..., Service]) -> Service:
    return start()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium; its camera shows drawn garments, each for a second."""
    clip = tmp_path_factory.mktemp("clip") / "clip.mjpeg"
    garments = draw(5, size=480, channels=3, style="photo", seed=5)[0]
    frames = [encoded(np.pad(one, ((0, 0), (80, 80), (0, 0)), "edge"), "JPEG") for one in garments]
    clip.write_bytes(b"".join(frame * 30 for frame in frames))
    with api.sync_playwright() as playwright:
        flags = [*FLAGS, f"--use-file-for-fake-video-capture={clip}"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def problems() -> list[str]:
    """What the console of the page complains about: defects, and what the content policy forbids."""
    return []


@pytest.fixture
def visit(browser: Any, service: Service, problems: list[str]) -> Iterator[Callable[..., Any]]:
    """Open the page; when the test ends, its console must have had nothing to complain about."""
    contexts = []

    def open_page(url: str = service.address, script: str = "", **settings: Any) -> Any:
        contexts.append(
            browser.new_context(
                **{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **settings}
            )
        )
        page = contexts[-1].new_page()
        listen(page, problems)
        if script:
            page.add_init_script(script)
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def forget_refusals(problems: list[str]) -> None:
    """A browser logs every answer that is no 200, and every server that is gone; here that was meant."""
    problems[:] = [text for text in problems if not text.startswith("Failed to load resource")]


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, quality=90)
    return file.getvalue()


@cache
def garments() -> tuple[bytes, ...]:
    return tuple(map(encoded, draw(30, size=200, channels=3, style="photo", seed=1)[0]))


def photos(count: int) -> list[dict[str, Any]]:
    """Drawn garments as files."""
    return [
        {"name": f"photo {place}.png", "mimeType": "image/png", "buffer": data}
        for place, data in enumerate(garments()[:count])
    ]


@cache
def tagger(model: str = "photo") -> Tagger:
    return lapel.load_tagger(model)


def told(files: list[dict[str, Any]], model: str = "photo") -> list[str]:
    """What the cards of these files must say, by the library itself."""
    tags = [tagger(model).tag(file["buffer"]) for file in files]
    return [tag.label if tag.accepted else UNKNOWN for tag in tags]


def by_name(page: Any, files: list[dict[str, Any]]) -> list[Any]:
    """The cards of these files, once they have their answers."""
    expect(page.locator(".card")).to_have_count(len(files))
    expect(page.locator("[data-state=waiting], [data-state=asked]")).to_have_count(0)
    return [page.locator(".card", has=page.get_by_text(file["name"], exact=True)) for file in files]


# Keeps what the page asks: the address and the files of each request, and how many were under way at most.
SPY = """
  window.asked = [];
  window.underWay = window.mostUnderWay = 0;
  const send = window.fetch;
  window.fetch = async (url, settings = {}) => {
    if (!settings.body) return send(url, settings);
    asked.push({ url, files: settings.body.getAll("photo") });
    mostUnderWay = Math.max(mostUnderWay, ++underWay);
    return send(url, settings).finally(() => underWay--);
  };
"""


def last_picture(page: Any) -> bytes:
    """The file that the page has sent last."""
    data = page.evaluate(
        """() => new Promise((resolve) => {
          const reader = new FileReader();
          reader.onload = () => resolve(reader.result);
          reader.readAsDataURL(asked.at(-1).files.at(-1));
        })"""
    )
    return from_url(data)


def sent(page: Any, shows: Callable[[np.ndarray], bool]) -> bytes:
    """The last drawing that the page has sent, once it shows what was drawn.

    Strokes come in slowly on a busy machine, so that half of a drawing may be sent before the whole.
    """
    for _ in range(300):
        if shows(grey(png := last_picture(page))):
            return png
        page.wait_for_timeout(100)
    raise AssertionError("the page never sent what was drawn")


def from_url(url: str) -> bytes:
    """What a data URL holds."""
    return base64.b64decode(url.partition(",")[2])


def grey(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"))


def test_a_photo_gets_its_label(visit: Callable[..., Any]) -> None:
    page, [file] = visit(), photos(1)
    page.set_input_files("#files", [file])
    tag = tagger().tag(file["buffer"])
    assert tag.accepted
    [card] = by_name(page, [file])
    expect(card.get_by_role("heading")).to_have_text(tag.label)
    rows = card.locator(".bars li").all_inner_texts()
    assert [row.split("\n")[0] for row in rows] == [label for label, _ in tag.ranking[:3]]
    scores = [percent(score) for _, score in tag.label_scores[:3]]
    assert [row.split()[-1] for row in rows] == scores
    seen = card.get_by_alt_text("The picture as the model saw it")
    png = from_url(seen.get_attribute("src"))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), tagger().picture(file["buffer"]))
    expect(card.locator(".photo")).to_be_visible()
    expect(page.locator("#live")).to_contain_text(f"{file['name']}: {tag.label}")


def test_many_photos_go_a_few_at_a_time_and_a_bad_one_says_what_is_wrong(visit: Callable[..., Any]) -> None:
    page, files = visit(script=SPY), photos(30)
    files[3] = {**files[3], "name": "=1+1.png"}
    page.set_input_files("#files", [*files[:10], NOT_A_PHOTO, *files[10:]])
    cards = by_name(page, [*files, NOT_A_PHOTO])
    bad = cards.pop()
    labels = [card.get_by_role("heading").inner_text() for card in cards]
    assert labels == told(files)
    assert UNKNOWN in labels
    expect(bad).to_contain_text("Not a picture of a known format; it looks like text.")
    expect(bad).to_contain_text("Known formats: JPEG")
    doubted = cards[labels.index(UNKNOWN)]
    # The page says what the command line says, and the number below agrees with it.
    tag = tagger().tag(files[labels.index(UNKNOWN)]["buffer"])
    said = f"{UNKNOWN}: {doubted.locator('.verdict').inner_text()}"
    assert said.replace("’", "'") == str(tag)
    expect(doubted.locator(".bars li").first).to_contain_text(percent(tag.score))
    sizes = page.evaluate("asked.map(({ files }) => files.length)")
    assert (sum(sizes), max(sizes), page.evaluate("mostUnderWay")) == (31, 6, 2)

    known = len(labels) - labels.count(UNKNOWN)
    total = f"31 photos: {known} labelled, {labels.count(UNKNOWN)} not known, 1 without an answer"
    expect(page.locator("#tally")).to_have_text(total)
    expect(page.locator("#live")).to_have_text(total)
    chip = page.locator("#summary").get_by_role("button", name=f"{UNKNOWN} {labels.count(UNKNOWN)}")
    chip.click()
    expect(page.locator(".card:visible")).to_have_count(labels.count(UNKNOWN))
    chip.click()
    tags = [tagger().tag(file["buffer"]) for file in files]
    colours = Counter(tag.colours[0].name for tag in tags if tag.colours)
    name, count = colours.most_common(1)[0]
    page.locator("#colours").get_by_role("button", name=f"{name} {count}", exact=True).click()
    expect(page.locator(".card:visible")).to_have_count(count)
    expect(page.locator(".card:visible .dyes").first).to_contain_text(name)

    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_bytes().decode())))
    assert list(rows[0]) == [
        *("source", "label", "confidence", "score", "accepted", "reason", "error", "colours")
    ]
    assert [row["source"] for row in rows[:4]] == ["photo 0.png", "photo 1.png", "photo 2.png", "'=1+1.png"]
    tag = tags[0]
    dyes = "; ".join(f"{one.name} {one.share:.3f} {one.hex}" for one in tag.colours)
    shares = [f"{share:.4f}" for share in (tag.confidence, tag.score)]
    assert list(rows[0].values())[1:] == [tag.label, *shares, "true", "", "", dyes]
    assert "not a picture" in rows[10]["error"]
    assert {row["reason"] for row in rows if row["accepted"] == "false"} <= {
        "unsure",
        *tagger().card.rejects,
    }


def test_a_picture_is_pasted(visit: Callable[..., Any]) -> None:
    page, [file] = visit(), photos(1)
    page.evaluate(
        """(data) => {
          const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], "image.png", { type: "image/png" }));
          const event = new ClipboardEvent("paste", { bubbles: true, clipboardData: transfer });
          document.body.dispatchEvent(event);
        }""",
        base64.b64encode(file["buffer"]).decode(),
    )
    [card] = by_name(page, [{"name": "pasted 1.png"}])
    expect(card.get_by_role("heading")).to_have_text(told([file])[0])


def test_a_folder_is_dropped(visit: Callable[..., Any], tmp_path: Path) -> None:
    page, [one, other] = visit(), photos(2)
    (tmp_path / "wardrobe" / "summer").mkdir(parents=True)
    (tmp_path / "wardrobe" / ".hidden").write_text("no photo")
    for file, name in [(one, "wardrobe/one.png"), (other, "wardrobe/summer/other.png")]:
        (tmp_path / name).write_bytes(file["buffer"])
        file["name"] = name
    devtools = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(tmp_path / "wardrobe")], "dragOperationsMask": 1}

    def drag(event: str) -> None:
        devtools.send("Input.dispatchDragEvent", {"type": event, "x": 600, "y": 800, "data": data})

    drag("dragEnter")
    drag("dragOver")
    expect(page.get_by_text("Just let go")).to_be_visible()
    drag("drop")
    cards = by_name(page, [one, other])
    assert [card.get_by_role("heading").inner_text() for card in cards] == told([one, other])
    expect(page.get_by_text("Just let go")).to_be_hidden()


def test_why_lays_a_heat_map_over_the_picture(visit: Callable[..., Any]) -> None:
    page, [file] = visit(), photos(1)
    page.set_input_files("#files", [file])
    [card] = by_name(page, [file])
    why = card.get_by_role("button", name="Why?")
    why.click()
    heat = card.locator(".heat")
    expect(heat).to_be_visible()
    image = Image.open(io.BytesIO(from_url(heat.get_attribute("src"))))
    assert (image.size, image.mode) == ((224, 224), "RGBA")
    expect(card).to_contain_text(f"speak most for “{told([file])[0]}”")
    expect(why).to_have_attribute("aria-pressed", "true")
    assert heat.bounding_box() == card.locator(".seen").bounding_box()
    why.click()
    expect(heat).to_be_hidden()


def test_the_camera_is_labelled_live_and_let_go(visit: Callable[..., Any]) -> None:
    page = visit(permissions=["camera"])
    page.get_by_role("tab", name="Camera").click()
    page.get_by_role("button", name="Start the camera").click()
    answer = page.locator("#camera-answer")
    expect(answer.locator(".woven")).to_have_text(re.compile("|".join([*tagger().card.class_names, UNKNOWN])))
    expect(answer.locator(".bars li")).to_have_count(3)
    expect(page.locator("#rate")).to_have_text(re.compile(r"\d+ labels a second"))
    expect(page.locator("#live")).to_be_empty()
    page.get_by_role("button", name="Keep this photo").click()
    card = page.locator(".card")
    expect(card).to_contain_text(re.compile(r"camera \d\d-\d\d-\d\d.jpg"))
    expect(card.locator(".bars li")).to_have_count(3)
    page.evaluate("window.track = document.querySelector('video').srcObject.getTracks()[0]")
    page.get_by_role("button", name="Stop the camera").click()
    assert page.evaluate("window.track.readyState") == "ended"
    expect(page.get_by_role("button", name="Start the camera")).to_be_focused()
    page.get_by_role("button", name="Start the camera").click()
    expect(answer.locator(".woven")).to_be_visible()
    page.evaluate("window.track = document.querySelector('video').srcObject.getTracks()[0]")
    page.get_by_role("tab", name="Draw").click()
    assert page.evaluate("window.track.readyState") == "ended"


@pytest.mark.parametrize(
    ("devices", "says"),
    [
        ("{ getUserMedia: () => Promise.reject(new DOMException('', 'NotAllowedError')) }", "Allow it"),
        ("{ getUserMedia: () => Promise.reject(new DOMException('', 'NotFoundError')) }", "no camera here"),
        ("undefined", "https:// or on localhost"),
    ],
)
def test_a_camera_that_is_not_to_be_had_says_what_to_do(
    visit: Callable[..., Any], devices: str, says: str
) -> None:
    page = visit(script=f"Object.defineProperty(navigator, 'mediaDevices', {{ value: {devices} }})")
    page.get_by_role("tab", name="Camera").click()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.get_by_role("alert")).to_contain_text(says)
    expect(page.get_by_role("button", name="Start the camera")).to_be_visible()


def test_a_drawing_is_labelled_while_it_is_drawn(visit: Callable[..., Any]) -> None:
    page = visit(script=SPY)
    page.get_by_role("tab", name="Draw").click()
    box = page.locator("#pad").bounding_box()

    def at(x: float, y: float) -> tuple[float, float]:
        return box["x"] + x / 28 * box["width"], box["y"] + y / 28 * box["height"]

    page.mouse.move(*at(9, 3))  # a pair of trousers, by its outline
    page.mouse.down()
    for x, y in [(19, 3), (21, 25), (17, 25), (14, 10), (11, 25), (7, 25), (9, 3)]:
        page.mouse.move(*at(x, y), steps=3)
    page.mouse.up()
    answer = page.locator("#pad-answer")
    expect(answer.locator(".woven")).to_be_visible()
    page.get_by_text("Fill").click()
    page.mouse.click(*at(14, 6))
    png = sent(page, lambda picture: picture[6, 14] == 255)
    assert "model=fashion-mnist" in page.evaluate("asked.at(-1).url")
    filled = grey(png)
    assert (filled.shape, filled[24, 14], filled[0, 0]) == ((28, 28), 0, 0)
    tag = tagger("fashion-mnist").tag(png)
    assert tag.label == "Trouser"
    expect(answer.locator(".bars li").first).to_contain_text("Trouser")

    page.get_by_role("button", name="Keep").click()
    [card] = by_name(page, [{"name": "drawing.png"}])
    expect(card.locator(".bars li").first).to_contain_text("Trouser")
    page.get_by_role("button", name="Undo").click()
    sent(page, lambda picture: picture[6, 14] == 0)
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(answer).to_be_empty()


def test_the_pad_is_drawn_on_by_keyboard(visit: Callable[..., Any]) -> None:
    page = visit(script=SPY)
    page.get_by_role("tab", name="Photos").focus()
    page.keyboard.press("ArrowLeft")  # around to the last
    expect(page.get_by_role("tab", name="Draw")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#pad")).to_be_focused()
    expect(page.locator("#pad-cursor")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    page.keyboard.down(" ")
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    page.keyboard.up(" ")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    said = page.locator("#pad-answer .woven")
    expect(said).to_be_visible()
    png = sent(page, lambda picture: bool((picture[14:19, 13] == 255).all()))
    drawn = grey(png)
    assert drawn[21:].max() == 0
    tag = tagger("fashion-mnist").tag(png)
    for place in (said, page.locator("#live")):
        expect(place).to_have_text(tag.label if tag.accepted else UNKNOWN)
    page.keyboard.press("Control+z")
    expect(page.locator("#pad-answer")).to_be_empty()


def test_another_model_is_asked_about_all_photos_and_tells_of_itself(visit: Callable[..., Any]) -> None:
    page, files = visit(), photos(8)
    page.set_input_files("#files", files)
    by_name(page, files)
    page.get_by_role("combobox", name="Model").select_option("fashion-mnist")
    seen = page.locator(".seen").first
    expect(seen).to_have_js_property("naturalWidth", 28)
    labels = [card.get_by_role("heading").inner_text() for card in by_name(page, files)]
    assert labels == told(files, "fashion-mnist")
    assert labels != told(files)
    page.get_by_role("combobox", name="Model").select_option("photo")
    page.get_by_role("button", name="About the model").click()
    about, card = page.get_by_role("dialog"), lapel.load_tagger().card
    facts = ["Ankle boot", "phone photos", f"below {percent(card.accept)}"]
    for measured in card.measured:
        right = f"{measured['accuracy']:.1%} of {measured['pictures']:,} pictures"
        bounds = " to ".join(f"{100 * bound:.1f}" for bound in measured["interval"])
        facts += [right.replace("%", "\u00a0%"), bounds]
    for fact in facts:
        expect(about).to_contain_text(fact)
    page.keyboard.press("Escape")
    expect(about).to_be_hidden()


def test_photos_are_removed_one_by_one_and_all_at_once(visit: Callable[..., Any]) -> None:
    page, files = visit(), photos(4)
    page.set_input_files("#files", files)
    by_name(page, files)
    page.get_by_role("button", name="Remove photo 1.png").click()
    expect(page.get_by_role("button", name="Remove photo 2.png")).to_be_focused()
    expect(page.locator("#tally")).to_contain_text("3 photos")
    page.get_by_role("button", name="Clear all").click()
    expect(page.locator("#results")).to_be_hidden()
    expect(page.get_by_role("button", name="Choose photos")).to_be_focused()


def test_what_is_stopped_goes_on(visit: Callable[..., Any], problems: list[str]) -> None:
    page, files = visit(), photos(8)
    page.route(re.compile("/tag"), lambda _: None)  # no answer ever
    page.set_input_files("#files", files)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("heading", name="Stopped")).to_have_count(8)
    page.unroute_all(behavior="ignoreErrors")
    page.get_by_role("button", name="Go on").click()
    assert [card.get_by_role("heading").inner_text() for card in by_name(page, files)] == told(files)
    forget_refusals(problems)


def test_a_busy_server_is_asked_again_and_too_large_a_request_is_split(
    visit: Callable[..., Any], problems: list[str]
) -> None:
    page, files = visit(script=SPY), photos(3)
    answers = [(503, {"Retry-After": "1"}), (413, {})]
    times = []

    def handle(route: Any) -> None:
        times.append(time.monotonic())
        if answers:
            status, headers = answers.pop(0)
            route.fulfill(status=status, headers=headers, json={"error": "No.", "hint": ""})
        else:
            route.continue_()

    page.route(re.compile("/tag"), handle)
    page.set_input_files("#files", files)
    assert [card.get_by_role("heading").inner_text() for card in by_name(page, files)] == told(files)
    assert times[1] - times[0] >= 1
    assert page.evaluate("asked.map(({ files }) => files.length)") == [3, 3, 1, 1, 1]
    forget_refusals(problems)


def test_an_answer_of_any_other_kind_is_told_and_can_be_asked_for_again(
    visit: Callable[..., Any], problems: list[str]
) -> None:
    page, files = visit(), photos(1)
    page.route(
        re.compile("/tag"),
        lambda route: route.fulfill(status=504, json={"error": "Too late.", "hint": "Try later."}),
    )
    page.set_input_files("#files", files)
    [card] = by_name(page, files)
    expect(card).to_contain_text("Too late. Try later.")
    page.unroute_all()
    card.get_by_role("button", name="Try again").click()
    expect(card.get_by_role("heading")).to_have_text(told(files)[0])
    forget_refusals(problems)


def test_a_server_that_is_gone_is_waited_for(
    visit: Callable[..., Any], start: Callable[..., Service], problems: list[str]
) -> None:
    service, files = start("--model", "fashion-mnist"), photos(14)
    page = visit(service.address)
    expect(page.get_by_role("combobox", name="Model")).to_be_hidden()
    service.end()
    page.set_input_files("#files", files)
    expect(page.get_by_text("The server does not answer; trying again…")).to_be_visible()
    service.start()
    cards = by_name(page, files)
    assert [card.get_by_role("heading").inner_text() for card in cards] == told(files, "fashion-mnist")
    expect(page.locator("#banner")).to_be_empty()
    forget_refusals(problems)


def test_a_token_is_asked_for_and_kept(
    visit: Callable[..., Any], start: Callable[..., Service], problems: list[str]
) -> None:
    page, files = visit(start("--token", "thimble", "--model", "fashion-mnist").address), photos(2)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("This server asks for a token")
    dialog.get_by_label("Token").fill("needle")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("heading")).to_have_text("That token is not the right one")
    dialog.get_by_role("button", name="Not now").click()
    page.set_input_files("#files", files)
    expect(dialog).to_be_visible()
    dialog.get_by_label("Token").fill("thimble")
    dialog.get_by_role("button", name="Go on").click()
    expect(dialog).to_be_hidden()
    assert [card.get_by_role("heading").inner_text() for card in by_name(page, files)] == told(
        files, "fashion-mnist"
    )
    page.reload()
    page.get_by_role("button", name="About the model").click()
    expect(page.get_by_role("dialog")).to_contain_text("Ankle boot")
    forget_refusals(problems)


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("light", 360),
        *(pytest.param(scheme, 1280, marks=pytest.mark.long) for scheme in ("light", "dark")),
    ],
)
def test_everybody_can_use_it(visit: Callable[..., Any], scheme: str, width: int) -> None:
    page = visit(
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
        permissions=["camera"],
    )
    check = accessibility_check(page, width)
    files = [*photos(9), NOT_A_PHOTO]
    page.set_input_files("#files", files)
    cards = by_name(page, files)
    expect(page.get_by_role("heading", name="Labels")).to_be_in_viewport()
    cards[0].get_by_role("button", name="Why?").click()
    check("with labels")
    page.get_by_role("tab", name="Camera").click()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#camera-answer .woven")).to_be_visible()
    check("with the camera")
    page.get_by_role("tab", name="Draw").click()
    page.locator("#pad").click()
    expect(page.locator("#pad-answer .woven")).to_be_visible()
    check("with the pad")
    page.get_by_role("button", name="About the model").click()
    expect(page.get_by_role("dialog")).to_contain_text("Ankle boot")
    check("with the drawer")


BACKEND = """
  const tag = (model) => ({
    label: `by ${model}`, confidence: 1, accepted: true, reason: null, alternatives: [], picture: HEAT,
  });
  const HEAT = "data:image/png;base64,%s";
  export const server = {
    models: async () => ({
      models: [{ name: "own", ready: true }, { name: "other", ready: true }], default: "own",
    }),
    card: async (model) => ({ name: `Card of ${model}`, class_names: ["a"], picture: { size: 8, channels: 1 },
      made: {}, measured: [], rejects: [], accept: 0 }),
    tag: async (files, { model }) => files.map((file) =>
      file.name === "bad.png" ? { error: "Not here.", hint: "Try another." } : tag(model)),
    explain: async () => ({ heat: HEAT }),
  };
"""


def test_another_backend_takes_the_place_of_the_service(browser: Any, service: Service) -> None:
    """What backend.js asks for is all that the page needs: it asks the service for its own files only."""
    [good], context = photos(1), browser.new_context()
    page, asked = context.new_page(), []
    script = BACKEND % base64.b64encode(encoded(np.zeros((8, 8, 3), np.uint8))).decode()
    page.route(
        re.compile("backend-server"),
        lambda route: route.fulfill(content_type="text/javascript", body=script),
    )
    page.on("request", lambda request: asked.append(request.url.removeprefix(service.address)))
    page.goto(service.address)
    page.get_by_role("combobox", name="Model").select_option("other")
    page.set_input_files("#files", [good, {**good, "name": "bad.png"}])
    card, bad = by_name(page, [good, {**good, "name": "bad.png"}])
    expect(card.get_by_role("heading")).to_have_text("by other")
    expect(bad).to_contain_text("Not here. Try another.")
    card.get_by_role("button", name="Why?").click()
    expect(card.locator(".heat")).to_be_visible()
    page.get_by_role("button", name="About the model").click()
    expect(page.get_by_role("dialog")).to_contain_text("Card of other")
    assert [url for url in asked if url != "/" and not url.startswith(("/page/", "data:", "blob:"))] == []
    context.close()


def test_without_javascript_it_says_what_works(visit: Callable[..., Any]) -> None:
    page = visit(java_script_enabled=False)
    assert "curl works without" in page.inner_text("main")
    expect(page.get_by_role("button").locator("visible=true")).to_have_count(0)


def test_it_is_light_and_needs_nobody_else(visit: Callable[..., Any], service: Service) -> None:
    page, loaded = visit("about:blank"), []
    page.on("response", lambda response: loaded.append(response))
    page.goto(service.address)
    expect(page.get_by_role("combobox", name="Model")).to_be_visible()
    assert all(response.url.startswith(service.address) for response in loaded)
    page_itself = [response for response in loaded if not response.url.endswith("/models")]
    assert sum(len(response.body()) for response in page_itself) <= 72 * 1024
