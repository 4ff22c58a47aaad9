"""The page's view for teaching own classes, in a real browser before the real service."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import CHROMIUM, accessibility_check, listen
from service import Service
from test_serve_page import NOT_A_PHOTO, api, browser, encoded, expect, problems

import lapel
from lapel.data.synthetic.draw import draw

pytest.importorskip("httptools", reason="needs the extra: serve")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

__all__ = ["api", "browser", "problems"]  # fixtures, and what skips without Playwright

TROUSER, BOOT = 1, 9


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    here = Service("--timeout", "60", "--teach", "--model", "fashion-mnist")
    yield here
    here.end()


@pytest.fixture
def view(browser: Any, service: Service, problems: list[str]) -> Iterator[Callable[..., Any]]:
    """Open the view; when the test ends, its console must have had nothing to complain about."""
    contexts = []

    def open_view(**settings: Any) -> Any:
        size = {"width": 1280, "height": 900}
        contexts.append(browser.new_context(**{"viewport": size, "reduced_motion": "reduce", **settings}))
        page = contexts[-1].new_page()
        listen(page, problems)
        page.goto(service.address)
        page.get_by_role("tab", name="Teach").click()
        return page

    yield open_view
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture(scope="module")
def garments() -> dict[int, list[dict[str, Any]]]:
    """Drawn trousers and boots as files, nine of each."""
    pictures, labels = draw(220, size=120, channels=3, style="photo", seed=2)
    return {
        label: [
            {"name": f"{label}-{place}.png", "mimeType": "image/png", "buffer": encoded(one)}
            for place, one in enumerate(pictures[labels == label][:9])
        ]
        for label in (TROUSER, BOOT)
    }


def kind(page: Any, name: str) -> Any:
    """The class of this name."""
    return page.locator(".kind", has=page.get_by_role("button", name=f"Remove {name}", exact=True))


def test_own_classes_are_taught_tried_and_taken_away(
    view: Callable[..., Any], garments: dict[int, list[dict[str, Any]]], tmp_path: Path
) -> None:
    page = view(permissions=["camera"])
    go, missing = page.get_by_role("button", name="Teach", exact=True), page.locator("#teach-missing")
    expect(go).to_be_disabled()
    expect(missing).to_have_text("“Class 1” needs 2 more photos.")
    first, second = page.get_by_label("Name of the class").all()
    first.fill("Long trousers")
    second.fill("long Trousers")
    expect(missing).to_have_text("Two classes are called “long Trousers”.")
    expect(second).to_have_attribute("aria-invalid", "true")
    second.fill("👢, boots")
    kind(page, "Long trousers").locator("input[type=file]").set_input_files(garments[TROUSER][:6])
    expect(kind(page, "Long trousers")).to_contain_text("6 photos")
    kind(page, "👢, boots").locator("input[type=file]").set_input_files([*garments[BOOT][:6], NOT_A_PHOTO])
    expect(kind(page, "👢, boots").locator(".shots img")).to_have_count(6)
    expect(kind(page, "👢, boots").locator(".shots")).to_contain_text("notes.jpg")
    page.get_by_role("button", name="Start the camera").click()
    expect(page.get_by_role("button", name="Hold to film Long trousers")).to_be_visible()

    go.click()
    expect(page.get_by_role("heading", name="It has learned")).to_be_visible()
    expect(page.locator("#teach-result")).to_contain_text("From 12 photos")
    expect(page.locator("#teach-classes li")).to_have_text(
        [re.compile(r"^Long trousers \d of 6$"), re.compile(r"^👢, boots \d of 6$")]
    )
    expect(page.locator("#teach-skipped")).to_contain_text("Left out: notes.jpg: not a picture")
    expect(page.locator("#live")).to_contain_text("It has learned.")
    answer = page.locator("#teach-answer")
    expect(answer.locator(".bars li")).to_have_count(2)
    expect(answer).to_contain_text(re.compile("Long trousers|boots"))
    expect(page.locator("#teach-rate")).to_have_text(re.compile(r"\d+ labels a second"))

    with page.expect_download() as download:
        page.get_by_role("button", name="Download the model").click()
    assert download.value.suggested_filename == "own-classes.onnx"
    download.value.save_as(tmp_path / "own-classes.onnx")
    tagger = lapel.load_tagger(tmp_path / "own-classes.onnx")
    assert tagger.card.class_names == ("Long trousers", "👢, boots")

    page.get_by_role("button", name="Try photos").click()
    expect(page.get_by_role("combobox", name="Model").locator(":checked")).to_have_text("own classes")
    page.set_input_files("#files", [garments[TROUSER][7], garments[BOOT][7]])
    expect(page.locator("[data-state=answered]")).to_have_count(2)
    for label in (TROUSER, BOOT):
        file = garments[label][7]
        card = page.locator(".card", has=page.get_by_text(file["name"], exact=True))
        tag = tagger.tag(file["buffer"])
        expect(card.locator(".bars li").first).to_contain_text(tag.label)
        expect(card.get_by_role("heading")).to_have_text(tag.label if tag.accepted else "I don’t know")


def test_a_class_is_filmed_by_mouse_and_keyboard(view: Callable[..., Any]) -> None:
    page = view(permissions=["camera"])
    page.get_by_role("button", name="Start the camera").click()
    box = page.get_by_role("button", name="Hold to film Class 1").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    shots = kind(page, "Class 1").locator(".shots li")
    expect(shots.nth(2)).to_be_visible()
    page.mouse.up()
    expect(page.locator("#live")).to_have_text(re.compile(r"^\d+ photos filmed for Class 1, \d+ in all\.$"))
    expect(page.locator(".filming")).to_have_count(0)
    count = shots.count()
    assert count >= 3
    expect(kind(page, "Class 1")).to_contain_text(f"{count} photos")

    page.get_by_role("button", name="Hold to film Class 2").focus()
    page.keyboard.down(" ")
    expect(kind(page, "Class 2").locator(".shots li").nth(1)).to_be_visible()
    page.keyboard.up(" ")
    expect(page.locator(".filming")).to_have_count(0)
    expect(page.get_by_role("button", name="Teach", exact=True)).to_be_enabled()

    # Photos go one by one, by keyboard too, and the place of the next one is kept.
    page.get_by_role("button", name="Remove photo 1 of Class 1").focus()
    page.keyboard.press("Enter")
    expect(shots).to_have_count(count - 1)
    expect(page.get_by_role("button", name="Remove photo 1 of Class 1")).to_be_focused()
    page.evaluate("window.track = document.querySelector('#teach-video').srcObject.getTracks()[0]")
    page.get_by_role("tab", name="Photos").click()
    assert page.evaluate("window.track.readyState") == "ended"


def test_classes_are_added_and_removed_and_photos_pasted_go_to_the_one_in_hand(
    view: Callable[..., Any], garments: dict[int, list[dict[str, Any]]]
) -> None:
    page = view()
    page.get_by_role("button", name="Add a class").click()
    names = page.get_by_label("Name of the class")
    expect(names.nth(2)).to_be_focused()
    names.nth(2).fill("Third")
    page.set_input_files("#files", garments[BOOT][:1])  # chosen elsewhere: the first class has it
    expect(kind(page, "Class 1")).to_contain_text("1 photo")
    page.get_by_role("button", name="Remove Class 1").click()
    expect(names).to_have_count(2)
    expect(names.first).to_be_focused()
    page.get_by_role("button", name="Remove Third").click()
    expect(page.locator("#teach-missing")).to_have_text(
        "One more class is needed: what is it to be told from?"
    )
    page.get_by_role("button", name="Remove Class 2").click()
    expect(names).to_have_value("Class 4")


def test_what_the_service_refuses_is_said(
    view: Callable[..., Any], garments: dict[int, list[dict[str, Any]]], problems: list[str]
) -> None:
    page = view()
    for name, files in [("Class 1", garments[BOOT][:2]), ("Class 2", [NOT_A_PHOTO, NOT_A_PHOTO])]:
        kind(page, name).locator("input[type=file]").set_input_files(files)
    page.get_by_role("button", name="Teach", exact=True).click()
    expect(page.locator("#teach-problem")).to_contain_text(
        "“Class 2” has 0 photos, and 2 that cannot be read"
    )
    expect(page.get_by_role("button", name="Teach", exact=True)).to_be_focused()


@pytest.mark.parametrize(
    ("scheme", "width"), [("dark", 360), pytest.param("light", 1280, marks=pytest.mark.long)]
)
def test_everybody_can_teach(
    view: Callable[..., Any], garments: dict[int, list[dict[str, Any]]], scheme: str, width: int
) -> None:
    size = {"width": width, "height": 800}
    page = view(color_scheme=scheme, viewport=size, permissions=["camera"])
    check = accessibility_check(page, width)
    check("with nothing")
    for name, label in [("Class 1", TROUSER), ("Class 2", BOOT)]:
        files = [*garments[label], NOT_A_PHOTO]
        kind(page, name).locator("input[type=file]").set_input_files(files)
        expect(kind(page, name).locator(".shots img")).to_have_count(len(garments[label]))
    page.get_by_role("button", name="Start the camera").click()
    page.get_by_role("button", name="Teach", exact=True).click()
    expect(page.locator("#teach-answer .bars li")).to_have_count(2)
    check("with what it has learned")


def test_the_tab_is_there_only_where_own_classes_can_be_taught(browser: Any) -> None:
    here = Service("--model", "fashion-mnist")
    page = browser.new_page()
    try:
        page.goto(here.address)
        page.wait_for_load_state("networkidle")
        assert np.array_equal(page.get_by_role("tab").all_inner_texts(), ["Photos", "Camera", "Draw"])
    finally:
        page.close()
        here.end()
