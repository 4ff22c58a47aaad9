"""Broken pictures of every format, read within limits of time and memory.

    python benchmarks/fuzz.py [--count 20000] [--seed 0] [--keep FOLDER]

Files of every format are drawn, then flipped, cut, spliced with one another and given lengths that lie. A
process apart reads them one after the other; each must become a picture or a PictureError, without a word
on the way, within two seconds. Prints a Markdown table. What does not is kept in a file of its own, and the
exit status is 1.
"""

from __future__ import annotations

import argparse
import base64
import collections
import io
import multiprocessing
import os
import re
import resource
import struct
import sys
import time
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from PIL import Image

from lapel.errors import PictureError
from lapel.picture import PictureSpec, read_picture

SECONDS = 2.0
MEMORY = 2 * 1024**3  # bytes of addresses, beyond what the process has when it starts
SPEC = PictureSpec(preparation="garment")
# 48×64 pixels, written by x265: what reads HEIC here cannot write it.
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX5tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
    "ACJpbG9jAAAAAERAAAEAAQAAAAABogABAAAAAAAAAEkAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRt"
    "AAAAAAABAAAA/mlwcnAAAADeaXBjbwAAAHdodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMA"
    "AAMAHroCQGEAAQArQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5GmubgIaDAgAAAMAyAAAAwAIQGIAAQAGRAHBc8CJAAAAE2NvbHJu"
    "Y2x4AAEADQAGgAAAABRpc3BlAAAAAAAAAEAAAABAAAAAKGNsYXAAAAAwAAAAAQAAAEAAAAAB////8AAAAAIAAAAAAAAAAgAAABBw"
    "aXhpAAAAAAMICAgAAAAYaXBtYQAAAAAAAAABAAEFgQIDBYQAAABRbWRhdAAAAEUoAa8ZgC7v3nyD0squlerxxicC70RKrowDTR7W"
    "gmaBJI/BcX+7cj3VCHPSRRVrdKRtAXpcX1jUJCAL6SWo4KKer6cnUIA="
)


class Outcome(NamedTuple):
    """What became of one input: a picture, the words of an error, or a fault (which is told with "!")."""

    kind: str
    seconds: float
    memory: int  # bytes, the most that the process has held so far


def seeds() -> dict[str, bytes]:
    """Whole files by name: every format, and of each what its readers treat in ways of their own."""
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 256, (24, 20, 3), dtype=np.uint8))
    photo = Image.linear_gradient("L").resize((48, 64)).convert("RGB")
    grey, clear = photo.convert("L"), photo.copy()
    clear.putalpha(grey)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned: dict[str, Any] = {"exif": exif}
    frames: dict[str, Any] = {"save_all": True, "append_images": [noise.resize(photo.size), photo]}
    sixteen = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    files = {
        "jpeg": written(photo, "JPEG", **turned, icc_profile=bytes(200), comment=b"a comment"),
        "jpeg, progressive": written(noise, "JPEG", progressive=True, quality=95),
        "jpeg, cmyk": written(photo.convert("CMYK"), "JPEG"),
        "png": written(photo, "PNG", **turned, icc_profile=bytes(200)),
        "png, palette": written(photo.quantize(16), "PNG", transparency=3),
        "png, alpha": written(clear, "PNG"),
        "png, 16 bits": written(sixteen, "PNG"),
        "png, frames": written(photo, "PNG", **frames),
        "webp": written(photo, "WEBP", **turned),
        "webp, lossless": written(clear, "WEBP", lossless=True),
        "webp, frames": written(photo, "WEBP", **frames),
        "gif": written(noise.quantize(32), "GIF", comment=b"a comment"),
        "gif, frames": written(photo, "GIF", **frames),
        "bmp": written(photo, "BMP"),
        "bmp, palette": written(photo.quantize(16), "BMP"),
        "tiff": written(photo, "TIFF", **turned),
        "tiff, tiles": written(photo, "TIFF", tiffinfo={322: 16, 323: 16}, compression="tiff_deflate"),
        "tiff, big": written(photo, "TIFF", big_tiff=True, compression="tiff_lzw"),
        "tiff, jpeg": written(photo, "TIFF", compression="jpeg"),
        "tiff, one bit": written(photo.convert("1"), "TIFF", compression="group4"),
        "tiff, float": written(grey.convert("F"), "TIFF"),
        "tiff, frames": written(photo, "TIFF", **frames),
        "avif": written(photo, "AVIF", **turned),
        "avif, frames": written(photo, "AVIF", **frames),
    }
    return {**files, "heic": HEIC} if find_spec("pi_heif") else files


def written(image: Image.Image, form: str, **settings: Any) -> bytes:
    """The bytes of an image in a format."""
    buffer = io.BytesIO()
    image.save(buffer, form, **settings)
    return buffer.getvalue()


def mutated(whole: bytes, other: bytes, random: Generator) -> bytes:
    """A file after one to four mutations, most of them near its beginning, where they mean most."""
    data = bytearray(whole)
    for _ in range(int(random.integers(1, 5))):
        reach = min(len(data), 400) if random.random() < 0.8 else len(data)
        place = int(random.integers(reach))
        match int(random.integers(8)):
            case 0:  # bits
                for at in random.integers(reach, size=random.integers(1, 9)):
                    data[at] ^= 1 << int(random.integers(8))
            case 1:  # bytes at the edges of what they can be
                data[place] = int(random.choice([0, 1, 127, 128, 254, 255]))
            case 2:  # lengths and sizes of two, three, four and eight bytes, in either order
                width = int(random.choice([2, 3, 4, 8]))
                value = int(random.choice([0, 1, 255, 65_535, 20_000, 2**31 - 1, 2**31, 2**32 - 1, 2**63]))
                order = "little" if random.random() < 0.5 else "big"
                lie = (value % 256**width).to_bytes(width, order)
                data[place : place + width] = lie
            case 3:  # a piece of another file
                start = int(random.integers(len(other)))
                data[place:place] = other[start : start + int(random.integers(1, 200))]
            case 4:  # a piece taken out
                del data[place : place + int(random.integers(1, 40))]
            case 5:  # a piece said again, up to hundreds of times
                piece = data[place : place + int(random.integers(1, 100))]
                data[place:place] = piece * int(random.choice([1, 2, 10, 300]))
            case 6:  # a chunk, segment or block that nobody asked for
                body = random.bytes(int(random.integers(0, 60)))
                data[place:place] = chunk(random, body)
            case _:  # cut off
                if random.random() < 0.4:
                    del data[max(place, 1) :]
        data = data or bytearray(b"\0")
    return bytes(data)


def chunk(random: Generator, body: bytes) -> bytes:
    """A body as a part of one of the formats."""
    names = [
        b"iCCP",
        b"zTXt",
        b"iTXt",
        b"IDAT",
        b"tRNS",
        b"PLTE",
        b"acTL",
        b"EXIF",
        b"ANMF",
        b"meta",
        b"iloc",
    ]
    name = names[int(random.integers(len(names)))]
    return [
        struct.pack(">I", len(body)) + name + body + random.bytes(4),
        name + struct.pack("<I", len(body)) + body,
        struct.pack(">I", len(body) + 8) + name + body,
        b"\xff" + bytes([int(random.integers(0xC0, 0xFF))]) + struct.pack(">H", len(body) + 2) + body,
        b"\x21\xfe" + bytes([len(body)]) + body + b"\0",
        struct.pack("<HHII", int(random.integers(250, 350)), 4, 2**20, 8),
    ][int(random.integers(6))]


def inputs(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """That many broken files, each with the name of what it was: the same ones for the same seed."""
    random = np.random.default_rng(seed)
    wholes = seeds()
    names = list(wholes)
    for number in range(count):
        name = names[number % len(names)]
        yield name, mutated(wholes[name], wholes[names[int(random.integers(len(names)))]], random)


def read(data: bytes) -> str:
    """Read one input in this process, and say what became of it."""
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            picture = read_picture(data, SPEC)
    except PictureError as error:
        told = error.message.isprintable() and error.message.startswith("bytes: ")
        kind = re.sub(r"\(.*", "", error.message.removeprefix("bytes: ").split(";")[0])
        return re.sub(r"[\d,]+", "N", kind).strip(" .") if told else f"! {error.message!r}"
    except BaseException as error:
        return f"! {type(error).__name__}: {error}"
    if heard:
        return f"! warning: {heard[0].message}"
    return "a picture" if picture.shape == SPEC.shape and picture.dtype == np.uint8 else "! shape"


def serve(connection: Connection) -> None:
    """Read what comes, within the limit of memory, until nothing more comes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff tells of its own what it dislikes
    for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"):
        read(written(Image.linear_gradient("L").convert("RGB"), name))  # what is loaded once is no peak
    with Path("/proc/self/statm").open() as file:
        held = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    connection.send("ready")
    while data := connection.recv_bytes():
        began = time.perf_counter()
        kind = read(data)
        seconds = time.perf_counter() - began
        connection.send(Outcome(kind, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))


class Reader:
    """A process apart; a new one stands up where one falls or hangs."""

    def __init__(self) -> None:
        self._start()

    def read(self, data: bytes) -> Outcome:
        """Have it read one input, and wait for no longer than is allowed."""
        self._connection.send_bytes(data)
        try:
            if self._connection.poll(SECONDS):
                outcome: Outcome = self._connection.recv()
                return outcome
            fault = f"! more than {SECONDS:g} s"
        except EOFError:
            self._process.join()
            fault = f"! crash, exit status {self._process.exitcode}"
        self._process.kill()
        self._process.join()
        self._start()
        return Outcome(fault, SECONDS, 0)

    def close(self) -> None:
        """Let the process end."""
        self._connection.send_bytes(b"")
        self._process.join()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._connection.recv()


def main() -> int:
    """Read the broken files, print what became of them, and keep those that are faults."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-faults"), help="the folder for faults")
    asked = parser.parse_args()
    reader = Reader()
    kinds: collections.Counter[str] = collections.Counter()
    slowest, memory, faults, began = (0.0, ""), 0, 0, time.perf_counter()
    for number, (name, data) in enumerate(inputs(asked.count, asked.seed)):
        outcome = reader.read(data)
        kinds[outcome.kind] += 1
        slowest = max(slowest, (outcome.seconds, name))
        memory = max(memory, outcome.memory)
        if outcome.kind.startswith("!"):
            faults += 1
            asked.keep.mkdir(exist_ok=True)
            kept = asked.keep / f"{asked.seed}-{number}.bin"
            kept.write_bytes(data)
            print(f"{name}: {outcome.kind}; kept as {kept}", file=sys.stderr)
    reader.close()
    print("| what became of it | inputs |\n|---|---:|")
    for kind, count in kinds.most_common():
        print(f"| {kind} | {count:,} |")
    print(
        f"\n{asked.count:,} inputs (seed {asked.seed}) of {len(seeds())} files in "
        f"{time.perf_counter() - began:.0f} s; the slowest took {slowest[0]:.2f} s ({slowest[1]}); "
        f"the process held at most {memory / 2**20:.0f} MiB; {faults} faults."
    )
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
