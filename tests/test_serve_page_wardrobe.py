"""The page's wardrobe, in a real browser before the real service."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import CHROMIUM, accessibility_check, listen
from service import Service
from test_serve_page import NOT_A_PHOTO, api, browser, expect, forget_refusals, problems

pytest.importorskip("httptools", reason="needs the extra: serve")
pytest.importorskip("lancedb", reason="needs the extra: search")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

__all__ = ["api", "browser", "problems"]  # fixtures, and what skips without Playwright

PHOTOS = sorted((Path(__file__).resolve().parents[1] / "examples" / "photos").glob("*.jpg"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    here = Service("--model", "fashion-mnist", "--wardrobe", tmp_path_factory.mktemp("home") / "mine")
    yield here
    here.end()


@pytest.fixture
def view(browser: Any, service: Service, problems: list[str]) -> Iterator[Callable[..., Any]]:
    """Open an empty wardrobe; when the test ends, its console must have had nothing to complain about."""
    contexts = []
    assert service.ask("DELETE", "/wardrobe").status == 200

    def open_view(**settings: Any) -> Any:
        size = {"width": 1280, "height": 900}
        contexts.append(browser.new_context(**{"viewport": size, "reduced_motion": "reduce", **settings}))
        page = contexts[-1].new_page()
        listen(page, problems)
        page.goto(service.address)
        page.get_by_role("tab", name="Wardrobe").click()
        expect(page.get_by_role("heading", name="Your wardrobe")).to_be_visible()
        return page

    yield open_view
    for context in contexts:
        context.close()
    assert problems == []


def add(page: Any, *names: str) -> None:
    page.set_input_files("#wardrobe-files", [path for path in PHOTOS if path.stem in names])
    expect(page.locator("#wardrobe-count")).to_have_text(re.compile(f"^{len(names)} photos? added"))


def rail(page: Any, kind: str) -> Any:
    return page.locator(".kind-rail", has=page.get_by_role("heading", name=re.compile(f"^{kind} ")))


def test_photos_are_added_found_again_and_refused(view: Callable[..., Any]) -> None:
    page = view()
    expect(page.locator("#closet-rails")).to_contain_text("Nothing hangs here yet.")
    page.set_input_files("#wardrobe-files", PHOTOS)
    expect(page.locator("#wardrobe-count")).to_have_text(f"{len(PHOTOS)} photos added.")
    expect(page.locator(".hanger")).to_have_count(len(PHOTOS))
    expect(page.locator("#closet-tally")).to_contain_text(f"{len(PHOTOS)} garments")
    expect(rail(page, "Trousers").locator(".hanger")).to_have_text(re.compile("blue"))
    page.set_input_files("#files", [PHOTOS[0]])  # as what is dropped on the page
    expect(page.locator("#wardrobe-count")).to_have_text("0 photos added, 1 there already.")
    page.set_input_files("#wardrobe-files", [NOT_A_PHOTO])
    expect(page.locator("#wardrobe-refused li")).to_have_text(re.compile("^notes.jpg: not a picture"))
    expect(page.locator("#live")).to_have_text("0 photos added, 1 not added.")

    page.get_by_role("group", name="Show only the colour").get_by_role("button", name="blue").click()
    expect(page.locator(".hanger")).to_have_count(1)
    page.reload()
    page.get_by_role("tab", name="Wardrobe").click()
    expect(page.locator(".hanger")).to_have_count(len(PHOTOS))
    page.get_by_role("tab", name="Photos").click()
    expect(page.get_by_role("heading", name="Your wardrobe")).to_be_hidden()


def test_a_garment_is_corrected_by_keyboard_and_exported(view: Callable[..., Any]) -> None:
    page = view()
    add(page, "jeans", "cap")
    rail(page, "Trousers").locator(".hanger").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Trousers")
    expect(dialog).to_be_visible()
    page.get_by_text("Not right? Correct it").focus()
    page.keyboard.press("Enter")
    dialog.get_by_label("Kind").select_option("Skirt")
    dialog.get_by_label("blue", exact=True).focus()
    page.keyboard.press("Space")
    dialog.get_by_label("navy").focus()
    page.keyboard.press("Space")
    dialog.get_by_label("white").check()
    dialog.get_by_label("red", exact=True).check()
    expect(dialog.get_by_label("green", exact=True)).to_be_disabled()
    dialog.get_by_role("button", name="Save").click()
    dialog = page.get_by_role("dialog", name="Skirt")
    expect(dialog).to_contain_text("You said that it is: Skirt.")
    expect(dialog.get_by_role("list", name="Colours")).to_contain_text("navy")
    page.keyboard.press("Escape")
    expect(rail(page, "Skirt").locator(".hanger")).to_be_focused()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export what you corrected").click()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        assert archive.read("kinds.csv").decode().endswith(",Skirt\n")


def test_what_goes_with_it_is_kept_as_an_outfit(view: Callable[..., Any]) -> None:
    page = view()
    add(page, "jeans", "cable-pullover", "black-boots", "red-dress")
    rail(page, "Trousers").locator(".hanger").click()
    dialog = page.get_by_role("dialog", name="Trousers")
    dialog.get_by_role("button", name="Find similar").click()
    expect(dialog.get_by_role("heading", name="The most alike")).to_be_focused()
    expect(dialog.locator(".piece")).to_have_count(3)
    dialog.get_by_role("button", name="What goes with it?").click()
    expect(dialog.get_by_role("heading", name="Outfits with it")).to_be_focused()
    expect(dialog.locator(".reasons").first).to_contain_text("a neutral with a colour")
    expect(dialog).to_contain_text("There is no bag in this wardrobe.")
    dialog.get_by_role("button", name="Keep this outfit").first.click()
    expect(dialog.get_by_role("button", name="Kept", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Outfits").click()
    expect(page.locator("#closet-outfits .piece")).to_have_count(3)
    page.locator("#closet-outfits .piece", has_text="Trousers").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    page.get_by_role("dialog", name="Remove this trousers?").get_by_role("button", name="Remove").click()
    expect(page.locator("#closet-outfits")).to_contain_text("No outfit is kept yet.")
    expect(page.locator("#closet-tally")).to_contain_text("3 garments")


def test_all_is_removed_only_when_it_is_meant(view: Callable[..., Any], service: Service) -> None:
    page = view()
    add(page, "jeans", "cap")
    page.get_by_role("button", name="Twice?").click()
    expect(page.locator("#closet-twice")).to_contain_text("Nothing seems to be here twice.")
    page.get_by_role("button", name="Remove all").click()
    ask = page.get_by_role("dialog", name="Remove all of it?")
    expect(ask).to_contain_text("2 garments, their photos and your outfits")
    expect(ask.get_by_role("button", name="Keep")).to_be_focused()
    page.keyboard.press("Enter")
    expect(ask).to_be_hidden()
    assert service.ask("GET", "/wardrobe").json["photos"] == 2
    page.get_by_role("button", name="Remove all").click()
    ask.get_by_role("button", name="Remove all").click()
    expect(page.locator("#closet-rails")).to_contain_text("Nothing hangs here yet.")
    expect(page.get_by_role("button", name="Add photos")).to_be_focused()
    assert service.ask("GET", "/wardrobe").json["photos"] == 0


def test_what_the_service_refuses_is_said_in_place(view: Callable[..., Any], problems: list[str]) -> None:
    page = view()
    add(page, "jeans")
    page.get_by_role("button", name="Export what you corrected").click()
    expect(page.locator("#closet-problem")).to_contain_text("No label and no kind has been corrected yet.")
    page.route("**/match*", lambda route: route.fulfill(status=400, json={"error": "No.", "hint": "Really."}))
    page.route("**/wardrobe", lambda route: route.fulfill(status=409, json={"error": "Full.", "hint": "So."}))
    rail(page, "Trousers").locator(".hanger").click()
    page.get_by_role("button", name="What goes with it?").click()
    expect(page.locator("#garment-problem")).to_have_text("No. Really.")
    page.keyboard.press("Escape")
    page.set_input_files("#wardrobe-files", PHOTOS[:6])
    expect(page.locator("#wardrobe-problem")).to_have_text("Full. So. 6 photos not added.")
    forget_refusals(problems)


def test_what_the_camera_keeps_goes_into_the_wardrobe_where_that_is_wanted(view: Callable[..., Any]) -> None:
    page = view(permissions=["camera"])
    page.get_by_role("tab", name="Camera").click()
    page.get_by_role("button", name="Start the camera").click()
    page.get_by_role("button", name="Keep this photo").click()
    page.get_by_label("Photos that I keep go into the wardrobe, too").check()
    page.get_by_role("button", name="Keep this photo").click()
    expect(page.locator("#wardrobe-count")).to_have_text("1 photo added.")
    page.get_by_role("tab", name="Wardrobe").click()
    expect(page.locator(".hanger")).to_have_count(1)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_everybody_can_keep_a_wardrobe(view: Callable[..., Any], scheme: str, width: int) -> None:
    page = view(color_scheme=scheme, viewport={"width": width, "height": 800})
    check = accessibility_check(page, width)
    check("with nothing")
    page.set_input_files("#wardrobe-files", PHOTOS)
    expect(page.locator("#wardrobe-count")).to_have_text(f"{len(PHOTOS)} photos added.")
    page.set_input_files("#wardrobe-files", [NOT_A_PHOTO])
    expect(page.locator("#wardrobe-refused li")).to_have_count(1)
    check("with garments")
    rail(page, "Trousers").locator(".hanger").click()
    page.get_by_role("button", name="What goes with it?").click()
    expect(page.locator("#garment-found .outfit").first).to_be_visible()
    page.get_by_role("button", name="Keep this outfit").first.click()
    page.get_by_text("Not right? Correct it").click()
    check("with one of them")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Outfits").click()
    expect(page.locator("#closet-outfits .outfit")).to_be_visible()
    check("with outfits")


def test_the_tab_is_there_only_where_a_wardrobe_is_kept(browser: Any) -> None:
    here = Service("--model", "fashion-mnist")
    page = browser.new_page()
    try:
        page.goto(here.address)
        page.wait_for_load_state("networkidle")
        assert page.get_by_role("tab").all_inner_texts() == ["Photos", "Camera", "Draw"]
    finally:
        page.close()
        here.end()
