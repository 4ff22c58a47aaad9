"""The picture of the service's page in the README: the page itself, in Chromium, with example photos.

    python benchmarks/page.py docs/images/page.png

The photos are some of examples/photos; the last file is none.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import FilePayload, sync_playwright
from shots import write_shot

PHOTOS = Path(__file__).parents[1] / "examples" / "photos"
NAMES = ("red-dress", "jeans", "winter-coat", "brown-sandals", "checked-shirt", "cable-pullover", "cap")
WIDTH, HEIGHT, COUNT = 1280, 900, len(NAMES)


def main() -> None:
    """Start the service, show it photos, ask why, and take the picture."""
    files: list[FilePayload] = [
        {"name": f"{name}.jpg", "mimeType": "image/jpeg", "buffer": (PHOTOS / f"{name}.jpg").read_bytes()}
        for name in NAMES
    ]
    files.append({"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"this is no photo"})
    command = [sys.executable, "-m", "lapel", "serve", "--port", "0"]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service,
        sync_playwright() as browsers,
    ):
        assert service.stderr
        found = re.search(r"http://\S+", service.stderr.readline())
        assert found
        browser = browsers.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(found[0])
        page.set_input_files("#files", files)
        page.wait_for_selector(f".card:nth-child({COUNT + 1}) .name")
        page.wait_for_load_state("networkidle")
        page.locator(".card:nth-child(1) .why").click()
        page.wait_for_selector(".card:nth-child(1) .heat:visible")
        page.mouse.move(5, 5)
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        shot = page.screenshot(full_page=True)
        browser.close()
        service.terminate()
    write_shot(shot, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
