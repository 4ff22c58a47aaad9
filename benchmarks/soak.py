"""The memory of `lapel serve` over many requests of all kinds, hostile ones among them.

    python benchmarks/soak.py [--count 100000] [--model fashion-mnist] [--workers 1] [--growth 5]

Photos of every format and of up to 12 megapixels, several at once, pictures as JSON, files that are broken,
uploads that end early, clients that send slowly and clients that do not read. After every fiftieth part of
the requests all clients wait, and the memory (RSS) of the server's processes is taken. The first fifth is
for warming up: from the mean of the second to the mean of the last, memory may grow by --growth percent, or
the exit status is 1. (A single look tells little: a photo of twelve megapixels comes and goes.)
"""

from __future__ import annotations

import argparse
import collections
import json
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from fuzz import mutated, seeds
from loads import NAME, drawn_photos, encoded, v2_body
from numpy.random import Generator
from PIL import Image
from servers import form, lapel
from wire import Gone, Hang, Nonsense, Wire, request

from lapel.model_file import model_path

ROUNDS = 50
FIFTH = 10  # rounds
CLIENTS = 16
_PAUSE = 0.3  # seconds between a round and the look at the memory


@dataclass(frozen=True)
class Client:
    """Does one thing of a kind at a time, and says what came of it."""

    port: int
    files: tuple[bytes, ...]  # whole ones
    large: tuple[bytes, ...]  # photos of many pixels

    def act(self, number: int) -> str:
        """Do what has this number: the same for the same number."""
        random = np.random.default_rng(number)
        acts: tuple[tuple[float, Callable[[Generator], str]], ...] = (
            (0.45, self._upload),
            (0.20, self._tensor),
            (0.20, self._broken),
            (0.08, self._aborted),
            (0.04, self._unread),
            (0.02, self._slow),
            (0.01, self._large),
        )
        chosen = random.choice(len(acts), p=[share for share, _ in acts])
        try:
            return acts[int(chosen)][1](random)
        except (OSError, Gone, Hang, Nonsense) as error:
            return f"! {type(error).__name__}: {error}"

    def _file(self, random: Generator) -> bytes:
        return self.files[int(random.integers(len(self.files)))]

    def _posted(self, photo: bytes) -> bytes:
        asked = form(photo)
        return request("POST", asked.path, {"Content-Type": asked.type}, asked.body)

    def _asked(self, data: bytes, kind: str) -> str:
        wire = Wire(self.port)
        try:
            wire.send(data)
            return f"{kind}: {wire.answer().status}"
        finally:
            wire.close()

    def _upload(self, random: Generator) -> str:
        return self._asked(self._posted(self._file(random)), "photo")

    def _large(self, random: Generator) -> str:
        return self._asked(self._posted(self.large[int(random.integers(len(self.large)))]), "large photo")

    def _tensor(self, random: Generator) -> str:
        body = json.dumps(v2_body(random.integers(0, 256, 784).tolist())).encode()
        path = f"/v2/models/{NAME}/infer"
        return self._asked(request("POST", path, {"Content-Type": "application/json"}, body), "picture")

    def _broken(self, random: Generator) -> str:
        return self._asked(
            self._posted(mutated(self._file(random), self._file(random), random)), "broken file"
        )

    def _aborted(self, random: Generator) -> str:
        data = self._posted(self._file(random))
        wire = Wire(self.port)
        wire.send(data[: int(random.integers(1, len(data)))])
        wire.close(reset=bool(random.random() < 0.5))
        return "ended early"

    def _unread(self, random: Generator) -> str:
        wire = Wire(self.port)
        for _ in range(8):
            wire.send(self._posted(self._file(random)))
        wire.close(reset=True)
        return "not read"

    def _slow(self, random: Generator) -> str:
        data = self._posted(self._file(random))
        wire, step = Wire(self.port), max(1, len(data) // 10)
        try:
            for place in range(0, len(data), step):
                wire.send(data[place : place + step])
                time.sleep(0.02)
            return f"slow: {wire.answer().status}"
        finally:
            wire.close()


def large_photos() -> tuple[bytes, ...]:
    """Twelve megapixels, as a phone has them, in two formats."""
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    photo = Image.fromarray(noise).resize((4000, 3000))
    return encoded(photo, "JPEG"), encoded(photo.resize((2000, 1500)), "PNG")


def main() -> int:
    """Ask, and print how much memory the server held."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--model", default="fashion-mnist", help="of 28×28 grey pictures")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--growth", type=float, default=5, help="percent that are allowed")
    asked = parser.parse_args()
    kinds: collections.Counter[str] = collections.Counter()
    held: list[int] = []
    each, began = max(1, asked.count // ROUNDS), time.perf_counter()
    with TemporaryDirectory() as folder:
        drawn = [path.read_bytes() for path in drawn_photos(Path(folder), 20)]
    with lapel(asked.workers).started(model_path(asked.model)) as server, ThreadPoolExecutor(CLIENTS) as pool:
        server.wait(form(drawn[0]))
        client = Client(server.port, (*seeds().values(), *drawn), large_photos())
        for number in range(ROUNDS):
            kinds.update(pool.map(client.act, range(number * each, (number + 1) * each)))
            time.sleep(_PAUSE)
            held.append(server.memory())
            print(f"{(number + 1) * each:,} requests: {held[-1] / 2**20:.1f} MiB", file=sys.stderr)
        alive, said = server.alive(), server.said()
    print("| what it was, and what was answered | times |\n|---|---:|")
    for kind, count in sorted(kinds.items()):
        print(f"| {kind} | {count:,} |")
    warm = held[FIFTH:]
    first, last = statistics.mean(warm[:FIFTH]), statistics.mean(warm[-FIFTH:])
    grown = 100 * (last / first - 1)
    seconds = time.perf_counter() - began
    print(
        f"\n{each * ROUNDS:,} requests in {seconds:.0f} s; {first / 2**20:.1f} MiB in the second fifth of "
        f"them, {last / 2**20:.1f} MiB in the last ({grown:+.1f} %), {max(held) / 2**20:.1f} MiB at most."
    )
    faults = any(kind.startswith("!") or (": 5" in kind and ": 503" not in kind) for kind in kinds)
    if not alive:
        print(said, file=sys.stderr)
    return int(grown > asked.growth or faults or not alive)


if __name__ == "__main__":
    sys.exit(main())
