"""The picture of a report in the README: the top of the page of a run, in Chromium.

lapel train cnn-simple && lapel evaluate cnn-simple-1 --test
python benchmarks/report.py runs/cnn-simple-1/report/index.html docs/images/report.png
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from lapel.files import write_atomic

WIDTH, HEIGHT = 1280, 1240


def main() -> None:
    """Open the page and take the picture."""
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(Path(sys.argv[1]).resolve().as_uri())
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        browser.close()
    small = io.BytesIO()
    shot.quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    write_atomic(Path(sys.argv[2]), small.getvalue())


if __name__ == "__main__":
    main()
