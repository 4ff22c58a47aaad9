"""A folder of photos learned by Lapel, and by scripts as other tools' documentation writes them, in one run.

    python benchmarks/transfer.py ../shared [--sizes 20 100] [--repeats 3] [--only lapel torch-frozen …]
                                  [--fastai PYTHON]

`../shared` holds wardrobe/labels.csv and the photos that it names, with their photographers: eight kinds of
garment, a quarter of the photographers held out. Every repeat runs each contender once, one after the other.
Seconds are those of all its commands, until the held-out photos are judged; the processor's seconds hardly
change with what else the machine does. fastai goes in an environment of its own, whose Python is given.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from machine import machine

KINDS = ("Dress", "Longsleeve", "Outwear", "Pants", "Shirt", "Shoes", "Shorts", "T-Shirt")
TUTORIALS = Path(__file__).parent / "tutorials"
# torchvision's wheels expect PyTorch for CUDA: beside the CPU's, two operators that nobody uses are declared.
PRELUDE = """
import runpy, sys, torch
from importlib.util import find_spec
from pathlib import Path
try:
    for library in Path(find_spec("torchvision").origin).parent.glob("_C.*"):
        torch.ops.load_library(library)
except OSError:
    declared = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True)
class Contender:
    """How a folder is learned and judged: commands, of which the last prints JSON with an accuracy."""

    commands: tuple[tuple[str, ...], ...]
    lines: int  # of code that somebody must write

    def measure(self, folder: Path) -> Measured:
        """Run all commands, one after the other."""
        began, processor, memory, output = time.perf_counter(), 0.0, 0, ""
        with tempfile.TemporaryDirectory() as place, tempfile.TemporaryFile("w+") as kept:
            for command in self.commands:
                kept.seek(0)
                kept.truncate()
                words = [word.replace("FOLDER", str(folder)) for word in command]
                process = subprocess.Popen(words, cwd=place, stdout=kept)
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                if process.returncode:
                    raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
                processor += used.ru_utime + used.ru_stime
                memory = max(memory, used.ru_maxrss)
            kept.seek(0)
            output = kept.read()
        accuracy = json.loads(output[output.index("{") :])["accuracy"]
        return Measured(accuracy, time.perf_counter() - began, processor, memory / 1024)


class Measured(NamedTuple):
    """Share of the held-out photos labelled right, seconds, the processor's seconds, MiB at most."""

    accuracy: float
    seconds: float
    processor: float
    memory: float


def contenders(seed: int, fastai: str | None) -> dict[str, Contender]:
    """Everyone by name, Lapel first."""
    found = {}
    lapel = (sys.executable, "-m", "lapel")
    for recipe in ("transfer", "fine-tune"):
        train = (*lapel, "train", recipe, "--data", "FOLDER", "--seed", str(seed), "--run", "run")
        judge = (*lapel, "evaluate", "run", "--test", "--json", "--no-report")
        found[f"lapel {recipe}"] = Contender((train, judge), 0)
    for how in ("frozen", "fine-tuned"):
        found[f"torch {how}"] = _tutorial(sys.executable, "torch_transfer.py", how, str(seed))
    if fastai:
        found["fastai fine_tune"] = _tutorial(fastai, "fastai_transfer.py", "5", str(seed))
    return found


def _tutorial(python: str, file: str, *words: str) -> Contender:
    path = TUTORIALS / file
    code = path.read_text().split('"""', 2)[2]
    lines = sum(bool(line.strip()) for line in code.splitlines())
    return Contender(((python, "-c", PRELUDE, str(path), "FOLDER", *words),), lines)


def split_by_photographer(root: Path, count: int, target: Path) -> tuple[int, int]:
    """Lay out train/KIND and test/KIND, at most `count` a kind to learn from; how many of each."""
    rows = [row for row in csv.DictReader((root / "wardrobe" / "labels.csv").open()) if row["fine"] in KINDS]
    taken: dict[tuple[str, str], int] = defaultdict(int)
    for row in sorted(rows, key=lambda row: _hash(row["file"])):
        part = "test" if int(_hash(row["photographer"]), 16) % 4 == 0 else "train"
        if part == "train" and taken[part, row["fine"]] >= count:
            continue
        taken[part, row["fine"]] += 1
        place = target / part / row["fine"]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / row["file"], place)
    parts = {part: sum(n for (of, _), n in taken.items() if of == part) for part in ("train", "test")}
    return parts["train"], parts["test"]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def row_of(name: str, contender: Contender, runs: Sequence[Measured]) -> str:
    """A line of the table: medians, and the least and the most accurate."""
    accuracy, seconds, processor, memory = (statistics.median(column) for column in zip(*runs, strict=True))
    least, most = min(run.accuracy for run in runs), max(run.accuracy for run in runs)
    return (
        f"| {name} | {accuracy:.1%} ({least:.1%} to {most:.1%}) | {seconds:.0f} s | {processor:.0f} s | "
        f"{memory:,.0f} MiB | {contender.lines} | {len(contender.commands)} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--fastai", metavar="PYTHON")
    given = parser.parse_args()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for size in given.sizes:
            photos = Path(folder) / str(size)
            learned, held = split_by_photographer(given.data, size, photos)
            print(f"\n{learned} photos to learn from, at most {size} a kind, {held} held out\n", flush=True)
            runs: dict[str, list[Measured]] = defaultdict(list)
            for seed in range(given.repeats):
                for name, contender in contenders(seed, given.fastai).items():
                    if not given.only or name in given.only:
                        runs[name].append(contender.measure(photos))
                        print(f"{name} {seed}: {runs[name][-1]}", file=sys.stderr, flush=True)
            print("| | held-out photos right | seconds | processor | memory | lines | commands |")
            print("|---|---:|---:|---:|---:|---:|---:|")
            for name, contender in contenders(0, given.fastai).items():
                if name in runs:
                    print(row_of(name, contender, runs[name]), flush=True)


if __name__ == "__main__":
    main()
