"""Eight times as many photos as can be labelled: what is still labelled, and how long it takes to be refused.

    python benchmarks/overload.py [PHOTO] [--peers FOLDER] [--repeats 3] [--seconds 10] [--json FILE]

h2load (of nghttp2) asks, one photo in every request. First 32 clients ask one request after the other: what
a server then answers is its capacity. Then --clients ask at a constant rate that comes to --times as much,
whether they are answered or refused; a client that still waits for its answer cannot ask, so that servers
which refuse nothing are asked less often than that. FOLDER is that of serving.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from loads import drawn_photos, small_model
from machine import machine
from servers import Contender, Request, Server, children_cpu, form, lapel
from serving import contenders

_BEST = 32  # clients that find the capacity


@dataclass(frozen=True)
class Figures:
    """What one overload came to; times are in milliseconds, rates are those of a second."""

    server: str
    capacity: float
    offered: float  # what the clients would ask if they never waited
    asked: float
    answered: float  # with 2xx
    share: float  # of the capacity
    p50: float  # of what was answered
    p99: float
    refused: float
    refused_p99: float  # 0 where none was
    broken: float  # no answer, or one that is neither 2xx nor 429 nor 503
    p99_calm: float  # of what was answered when the capacity was found
    memory: int
    server_cores: float
    h2load_cores: float


@dataclass(frozen=True)
class Answers:
    """The milliseconds of all answers of one run of h2load, by what they were."""

    good: list[float]
    refused: list[float]
    broken: int


def h2load(port: int, body: Path, kind: str, clients: int, seconds: float, rate: float = 0) -> Answers:
    """Ask for so long; `rate` is that of all clients together, or 0 for as fast as each is answered."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        words = ["--h1", "-t1", f"-c{clients}", f"-D{seconds:g}", f"-d{body}", f"--log-file={log}"]
        words += [f"--rps={rate / clients:.6f}"] if rate else []
        url = f"http://127.0.0.1:{port}/tag"
        command = ["h2load", *words, "-H", f"Content-Type: {kind}", url]
        subprocess.run(command, capture_output=True, check=True, timeout=seconds + 60)
        rows = [line.split() for line in log.read_text().splitlines()]
    good = [int(time) / 1000 for _, status, time in rows if status.startswith("2")]
    refused = [int(time) / 1000 for _, status, time in rows if status in ("429", "503")]
    return Answers(good, refused, len(rows) - len(good) - len(refused))


def percentile(values: list[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def overload(server: Server, name: str, body: Path, kind: str, asked: argparse.Namespace) -> Figures:
    """Find what a server can do, and ask it for more."""
    h2load(server.port, body, kind, _BEST, asked.warm)
    calm = h2load(server.port, body, kind, _BEST, asked.seconds)
    capacity = len(calm.good) / asked.seconds
    own, theirs, began = children_cpu(), server.cpu(), time.perf_counter()
    found = h2load(server.port, body, kind, asked.clients, asked.seconds, asked.times * capacity)
    seconds = time.perf_counter() - began
    total = len(found.good) + len(found.refused) + found.broken
    return Figures(
        server=name,
        capacity=capacity,
        offered=asked.times * capacity,
        asked=total / asked.seconds,
        answered=len(found.good) / asked.seconds,
        share=len(found.good) / max(1, len(calm.good)),
        p50=percentile(found.good, 0.5),
        p99=percentile(found.good, 0.99),
        refused=len(found.refused) / asked.seconds,
        refused_p99=percentile(found.refused, 0.99),
        broken=found.broken / asked.seconds,
        p99_calm=percentile(calm.good, 0.99),
        memory=server.memory(),
        server_cores=(server.cpu() - theirs) / seconds,
        h2load_cores=(children_cpu() - own) / seconds,
    )


def table(rows: list[Figures]) -> str:
    """A Markdown table: the medians of all repeats."""
    lines = [
        "| server | at its best /s (p99 in ms) | asked /s | answered /s | of its best | p50, p99 in ms "
        "| refused /s | p99 in ms | no answer /s | MiB | cores: server, h2load |",
        f"|---|{'---:|' * 10}",
    ]
    for name in dict.fromkeys(row.server for row in rows):
        runs = [row for row in rows if row.server == name]
        keys = [key for key in Figures.__dataclass_fields__ if key != "server"]
        one = {key: statistics.median(getattr(run, key) for run in runs) for key in keys}
        lines.append(
            f"| {name} | {one['capacity']:,.0f} ({one['p99_calm']:.1f}) | {one['asked']:,.0f} "
            f"| {one['answered']:,.0f} | {one['share']:.0%} | {one['p50']:.1f}, {one['p99']:.1f} "
            f"| {one['refused']:,.0f} | {one['refused_p99']:.1f} | {one['broken']:,.1f} "
            f"| {one['memory'] / 2**20:,.0f} | {one['server_cores']:.2f}, {one['h2load_cores']:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photo", type=Path, nargs="?")
    parser.add_argument("--peers", type=Path, help="the folder of the peers' environments")
    parser.add_argument("--only", nargs="+", default=["Lapel", "FastAPI"], help="those whose names begin so")
    parser.add_argument("--times", type=float, default=8, help="how often the capacity is asked for")
    parser.add_argument("--clients", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--warm", type=float, default=2, help="seconds of asking before")
    parser.add_argument("--model", type=Path, help="another model; a heavier one is easier to overload")
    parser.add_argument("--json", type=Path, help="where to keep every single figure")
    asked = parser.parse_args()
    # Ours with the line that it has by itself.
    chosen = [lapel(1), lapel(2), *contenders(asked.peers, workers=())]
    chosen = [one for one in chosen if one.name.startswith(tuple(asked.only))]
    told, rows = machine(), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = asked.model or small_model(folder)
        photo = asked.photo or drawn_photos(folder, 1)[0]
        request, body = form(photo.read_bytes()), folder / "body"
        body.write_bytes(request.body)
        for _ in range(asked.repeats):
            for contender in chosen:
                rows.append(_one(contender, model, request.type, body, asked))
                print(rows[-1], file=sys.stderr)
    if asked.json:
        asked.json.write_text(
            json.dumps({"machine": told, "figures": [asdict(row) for row in rows]}, indent=1)
        )
    print(f"{told}\n\n{asked.times:g} times the capacity, {asked.clients} clients, {asked.repeats} times:\n")
    print(table(rows))


def _one(contender: Contender, model: Path, kind: str, body: Path, asked: argparse.Namespace) -> Figures:
    with contender.started(model) as server:
        server.wait(Request("/tag", kind, body.read_bytes()))
        return overload(server, contender.name, body, kind, asked)


if __name__ == "__main__":
    main()
