"""Build sdist and wheel into dist/, and try the wheel in a fresh environment.

    python benchmarks/release.py

The newest heading of the changelog must be that of the version, or `Unreleased` above it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import lapel

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"


def check_changelog(text: str, version: str) -> None:
    """Leave with a sentence where the changelog does not speak of this version."""
    headings = [
        heading for heading in re.findall(r"^## (.+)$", text, re.MULTILINE) if heading != "Unreleased"
    ]
    if not headings or headings[0] != version:
        sys.exit(
            f"CHANGELOG.md speaks of {headings[:1]} and the code of {version}; give them the same number."
        )


def run(*words: str | Path) -> str:
    """What a program printed; where it fails, so do we."""
    return subprocess.run([*map(str, words)], check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Build, install, and label the example photos."""
    check_changelog((ROOT / "CHANGELOG.md").read_text(), lapel.__version__)
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST, ROOT)
    (wheel,) = DIST.glob("*.whl")
    with tempfile.TemporaryDirectory() as folder:
        run(sys.executable, "-m", "venv", folder)
        python = Path(folder) / "bin" / "python"
        pip = (python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install")
        run(*pip, "--constraint", ROOT / "constraints.txt", wheel)
        program = Path(folder) / "bin" / "lapel"
        version = run(program, "--version").split()[-1]
        if version != lapel.__version__:
            sys.exit(f"The wheel says that it is {version}; the code is {lapel.__version__}.")
        rows = run(program, "tag", ROOT / "examples" / "photos", "--csv").splitlines()
    print(f"{wheel.name}: installed by itself, it labels {len(rows) - 1} photos.")


if __name__ == "__main__":
    main()
