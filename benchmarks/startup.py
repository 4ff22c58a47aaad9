"""How long the first word takes: seconds until a fresh process is done, and how many modules it imports.

    python benchmarks/startup.py [--times 15]

Each command runs once to warm the disk's cache, then by turns with the others; the median counts. The first
is Python alone, which every other one holds, too.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

_LAPEL = "import sys; sys.argv = {}; from lapel.cli import main; main()"
COMMANDS = {
    "python -c pass": "pass",
    "import lapel": "import lapel",
    "lapel --help": _LAPEL.format(["lapel", "--help"]),
    "import lapel.tagger": "import lapel.tagger",
    "lapel tag --help": _LAPEL.format(["lapel", "tag", "--help"]),
}
_COUNT = "import atexit, sys; atexit.register(lambda: print(len(sys.modules), file=sys.stderr)); "


def run(code: str) -> tuple[float, int]:
    """Seconds of a fresh process, and the modules that it had at its end."""
    began = time.perf_counter()
    result = subprocess.run([sys.executable, "-c", _COUNT + code], capture_output=True, text=True, check=True)
    return time.perf_counter() - began, int(result.stderr.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=15)
    times = parser.parse_args().times
    modules = {name: run(code)[1] for name, code in COMMANDS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(times):
        for name, code in COMMANDS.items():
            seconds[name].append(run(code)[0])
    print(f"| command | modules | seconds, median of {times} | least |\n|---|---:|---:|---:|")
    for name, taken in seconds.items():
        print(f"| `{name}` | {modules[name]} | {statistics.median(taken):.3f} | {min(taken):.3f} |")


if __name__ == "__main__":
    main()
