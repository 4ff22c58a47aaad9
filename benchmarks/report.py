"""The picture of a report in the README: the top of the page of a run, in Chromium.

lapel train cnn-simple && lapel evaluate cnn-simple-1 --test
python benchmarks/report.py runs/cnn-simple-1/report/index.html docs/images/report.png
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright
from shots import write_shot

WIDTH, HEIGHT = 1280, 1240


def main() -> None:
    """Open the page and take the picture."""
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(Path(sys.argv[1]).resolve().as_uri())
        shot = page.screenshot()
        browser.close()
    write_shot(shot, Path(sys.argv[2]))


if __name__ == "__main__":
    main()
