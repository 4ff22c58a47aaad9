"""Labelling a folder of photos: `lapel tag` beside the usual ways, on the same files, in one run.

    python benchmarks/tagging.py PHOTOS [--model photo] [--repeats 3] [--copies 3]

Every repeat runs each contender once, one after the other, on all cores; what counts is the ratio of the
medians. "Read and decode" is what nobody can be faster than with this decoder: as many processes as cores
read the files and decode them at the scale that the model's pictures need, and do nothing else.
"""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from machine import CORES
from PIL import Image

from lapel.tagger import load_tagger

BATCH = 64
_DECODE = """
import sys
from pathlib import Path
import io
from PIL import Image
side, mode, part, parts = int(sys.argv[1]), sys.argv[2], int(sys.argv[4]), int(sys.argv[5])
for path in Path(sys.argv[3]).read_text().splitlines()[part::parts]:
    image = Image.open(io.BytesIO(Path(path).read_bytes()))
    image.draft(mode, (side, 1) if image.width > image.height else (1, side))
    image.load()
"""


def decode_alone(photos: list[str], model: str, folder: Path) -> None:
    """A process a core, each with its share of the files."""
    picture = load_tagger(model).card.picture
    listed = folder / "list.txt"
    listed.write_text("\n".join(photos))
    words = [str(picture.size), "L" if picture.channels == 1 else "RGB", str(listed)]
    command = [sys.executable, "-c", _DECODE, *words]
    processes = [subprocess.Popen([*command, str(part), str(CORES)]) for part in range(CORES)]
    assert all(process.wait() == 0 for process in processes)


def usual_loop(photos: list[str], model: str, folder: Path) -> None:  # noqa: ARG001
    """As tutorials do it: open, convert, resize, ask the model, one photo at a time."""
    session, size, channels = _session(model)
    for path in photos:
        image = Image.open(path).convert("RGB" if channels == 3 else "L").resize((size, size))
        session.run(None, {"pictures": np.asarray(image, dtype=np.uint8).reshape(1, size, size, channels)})


def data_loader(photos: list[str], model: str, folder: Path) -> None:  # noqa: ARG001
    """PyTorch's DataLoader with a worker a core, and the model asked about batches."""
    from torch.utils.data import DataLoader

    session, size, channels = _session(model)
    loader = DataLoader(Photos(photos, size, channels), batch_size=BATCH, num_workers=CORES)  # type: ignore[arg-type, var-annotated]
    for batch in loader:
        session.run(None, {"pictures": batch.numpy()})


def lapel_tag(photos: list[str], model: str, folder: Path) -> None:
    """The command, from its start to its end, with a row for every photo in a CSV file."""
    command = [sys.executable, "-m", "lapel", "tag", "-", "--model", model, "--out", str(folder / "rows.csv")]
    given = "\n".join(photos).encode()
    subprocess.run([*command, "--overwrite"], input=given, check=True, capture_output=True)


CONTENDERS: dict[str, Callable[[list[str], str, Path], None]] = {
    "read and decode": decode_alone,
    "usual loop": usual_loop,
    "DataLoader": data_loader,
    "lapel tag": lapel_tag,
}


class Photos:
    """A dataset for DataLoader."""

    def __init__(self, photos: list[str], size: int, channels: int) -> None:
        self.photos, self.size, self.mode = photos, size, "RGB" if channels == 3 else "L"

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, place: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        image = Image.open(self.photos[place]).convert(self.mode).resize((self.size, self.size))
        return np.array(image, dtype=np.uint8).reshape(self.size, self.size, -1)


def memory(model: str, counts: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """The most memory in MiB, of the command and its processes each, for so many photos of 400×533."""
    noise = np.random.default_rng(0).integers(0, 256, (52, 40, 3), dtype=np.uint8)
    photo = io.BytesIO()
    Image.fromarray(noise).resize((400, 533)).save(photo, "JPEG", quality=80)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "photo.jpg")
        path.write_bytes(photo.getvalue())
        for count in counts:
            code = (
                "import resource, sys; from lapel.cli import main; sys.argv[1:] = sys.argv[1:]\n"
                "try:\n    main()\nfinally:\n"
                "    own, others = (resource.getrusage(who).ru_maxrss for who in (0, -1))\n"
                "    print(max(own, others), file=sys.stderr)"
            )
            words = ["tag", "-", "--model", model, "--out", str(Path(folder, f"{count}.csv"))]
            given = f"{path}\n".encode() * count
            result = subprocess.run([sys.executable, "-c", code, *words], input=given, capture_output=True)
            yield count, int(result.stderr.split()[-1]) // 1024


def fresh_process(photo: str, model: str, repeats: int) -> float:
    """Median seconds of `lapel tag photo.jpg`, from nothing to its answer."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "lapel", "tag", photo, "--model", model], check=True, capture_output=True
        )
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _session(model: str) -> tuple[Any, int, int]:
    """The model as the usual loop has it: ONNX Runtime with its own settings."""
    import onnxruntime

    from lapel.model_file import model_path

    spec = load_tagger(model).card.picture
    session = onnxruntime.InferenceSession(model_path(model), providers=["CPUExecutionProvider"])
    return session, spec.size, spec.channels


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", default="photo")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--copies", type=int, default=3, help="how often each photo is given")
    parser.add_argument("--memory", type=int, nargs="*", default=[], help="also measure memory for so many")
    arguments = parser.parse_args()
    photos = [str(path) for path in sorted(arguments.photos.rglob("*.jpg"))] * arguments.copies
    times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.repeats):
            for name, run in CONTENDERS.items():
                began = time.perf_counter()
                run(photos, arguments.model, Path(folder))
                times[name].append(time.perf_counter() - began)
    rates = {name: len(photos) / statistics.median(took) for name, took in times.items()}
    print(f"{len(photos):,} photos, {CORES} cores, median of {arguments.repeats}\n")
    print("| way | photos/s | of reading and decoding | of the usual loop |\n|---|---:|---:|---:|")
    for name, rate in rates.items():
        print(
            f"| {name} | {rate:,.0f} | {rate / rates['read and decode']:.2f} "
            f"| {rate / rates['usual loop']:.2f} |"
        )
    seconds = fresh_process(photos[0], arguments.model, 4 * arguments.repeats + 1)
    print(f"\n`lapel tag photo.jpg` in a fresh process: {seconds:.3f} s")
    for count, most in memory(arguments.model, tuple(arguments.memory)):
        print(f"{count:,} photos: {most} MiB at most")


if __name__ == "__main__":
    main()
