"""The picture of the service's page in the README: the page itself, in Chromium, with drawn garments.

    python benchmarks/page.py docs/images/page.png

The garments are those of showcase.py; the last photo is none.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import FilePayload, sync_playwright

from lapel.data.registry import FASHION_CLASSES
from lapel.data.synthetic.draw import draw
from lapel.files import write_atomic

SEED, SIDE = 1, 400
WIDTH, HEIGHT, COUNT = 1280, 900, 7


def main() -> None:
    """Start the service, show it photos, ask why, and take the picture."""
    images, labels = draw(COUNT, size=SIDE, channels=3, style="photo", seed=SEED)
    files: list[FilePayload] = []
    for image, label in zip(images, labels, strict=True):
        photo = io.BytesIO()
        Image.fromarray(image).save(photo, "JPEG", quality=90)
        name = FASHION_CLASSES[label].lower().replace("/", "-").replace(" ", "-")
        files.append({"name": f"{name}.jpg", "mimeType": "image/jpeg", "buffer": photo.getvalue()})
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
        page.wait_for_load_state("networkidle")
        page.mouse.move(5, 5)
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        shot = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
        browser.close()
        service.terminate()
    small = io.BytesIO()
    shot.quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    write_atomic(Path(sys.argv[1]), small.getvalue())


if __name__ == "__main__":
    main()
