"""`lapel serve` beside the usual ways of serving a model: the same ONNX file behind all of them, in one run.

    python benchmarks/serving.py [PHOTOS] [--peers FOLDER] [--repeats 3] [--seconds 10] [--json FILE]

PHOTOS is a folder of JPEG files; garments are drawn where none is given. FOLDER holds the peers' virtual
environments (see benchmarks/peers/README.md); those that are not there are left out. wrk does the asking.

Two loads: `uploads` posts photos as a form does, `tensors` posts the pixels of a picture as JSON. In every
repeat each server is started, warmed, asked with every number of connections, and stopped; what counts are
the medians. Only 2xx is an answer. The small model is made anew (see loads.py) unless --model gives one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from loads import NAME, photos_of, small_model, tensors
from machine import machine
from servers import Contender, Request, Server, children_cpu, form, lapel

HERE = Path(__file__).resolve().parent
LOADS = ("uploads", "tensors")
CONNECTIONS = (1, 8, 32, 256)
# Environment, what it is called, what follows MODEL and PORT, and whose versions matter.
PEERS = (
    ("fastapi", "FastAPI", (), ("fastapi", "uvicorn", "python-multipart")),
    ("flask", "Flask on gunicorn", (), ("flask", "gunicorn")),
    ("litserve", "LitServe", (), ("litserve",)),
    ("mlserver", "MLServer, 1 process", ("0",), ("mlserver",)),
    ("mlserver", "MLServer, 2 workers", ("2",), ("mlserver",)),
    ("bentoml", "BentoML", (), ("bentoml",)),
    ("ray", "Ray Serve", (), ("ray",)),
)
# Nobody else refuses anything, so that ours must let all wait here; what refusing is for, overload.py shows.
QUEUE = ("--queue", "1024")


@dataclass(frozen=True)
class Figures:
    """What one run of wrk found."""

    load: str
    server: str
    connections: int
    rate: float  # answers of 2xx a second
    p50: float  # milliseconds, of all answers
    p99: float
    refused: int  # answers of 4xx and 5xx
    broken: int  # connections that failed, and answers that took longer than 30 s
    memory: int  # bytes, of the server and all its processes
    server_cores: float  # how many cores the server kept busy
    wrk_cores: float  # and wrk


@dataclass(frozen=True)
class Bodies:
    """Lists of files for wrk.lua: one for each load, and one for those who speak V2."""

    uploads: Path
    tensors: Path
    v2: Path

    def of(self, load: str, contender: Contender) -> tuple[str, Path, str]:
        """Path of the URL, list and type."""
        if load == "uploads":
            return "/tag", self.uploads, "form"
        if contender.v2:
            return f"/v2/models/{NAME}/infer", self.v2, "application/json"
        return "/infer", self.tensors, "application/json"

    def first(self, load: str, contender: Contender) -> Request:
        """One request, to see whether the server answers."""
        path, listed, kind = self.of(load, contender)
        body = Path(listed.read_text().splitlines()[0]).read_bytes()
        return form(body) if kind == "form" else Request(path, kind, body)


def contenders(peers: Path | None, workers: Iterable[int] = (1, 2)) -> list[Contender]:
    """Ours, and the peers whose environments are there."""
    found = [lapel(count, *QUEUE) for count in workers]
    for name, told, words, _ in PEERS if peers else ():
        python = peers / name / "bin" / "python" if peers else Path()
        if not python.exists():
            print(f"{told}: left out, {python} is not there", file=sys.stderr)
            continue
        # Not resolved: the link is what tells Python that it is in an environment.
        command = [str(python.absolute()), f"with_{name}.py", "{model}", "{port}", *words]
        found.append(Contender(told, command, HERE / "peers", v2=name == "mlserver"))
    return found


def versions(peers: Path | None) -> str:
    """The peers' versions, as their environments have them."""
    code = (
        "import sys; from importlib.metadata import version\n"
        "print(*(f'{name} {version(name)}' for name in sys.argv[1:]), sep=', ')"
    )
    told = []
    for name, packages in {name: packages for name, _, _, packages in PEERS}.items():
        python = peers / name / "bin" / "python" if peers else Path()
        if peers and python.exists():
            result = subprocess.run(
                [python, "-c", code, *packages, "onnxruntime"], capture_output=True, text=True, check=True
            )
            told.append(result.stdout.strip())
    return "; ".join(told)


def wrk(
    url: str, listed: Path, kind: str, connections: int, seconds: float, threads: int
) -> dict[str, float]:
    """Run wrk, and read the line that it ends with."""
    words = [f"-t{min(threads, connections)}", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s"]
    command = ["wrk", *words, "-s", str(HERE / "wrk.lua"), url, "--", str(listed), kind]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(result.stdout.splitlines()[-1]))


def measure(
    server: Server,
    contender: Contender,
    load: str,
    connections: int,
    bodies: Bodies,
    asked: argparse.Namespace,
) -> Figures:
    """Ask one server with so many connections."""
    path, listed, kind = bodies.of(load, contender)
    own, theirs, began = children_cpu(), server.cpu(), time.perf_counter()
    found = wrk(
        f"http://127.0.0.1:{server.port}{path}", listed, kind, connections, asked.seconds, asked.threads
    )
    seconds = time.perf_counter() - began
    return Figures(
        load,
        contender.name,
        connections,
        (found["responses"] - found["refused"]) / found["seconds"],
        found["p50"],
        found["p99"],
        int(found["refused"]),
        int(found["broken"] + found["late"]),
        server.memory(),
        (server.cpu() - theirs) / seconds,
        (children_cpu() - own) / seconds,
    )


def round_of(
    contender: Contender, model: Path, bodies: Bodies, asked: argparse.Namespace
) -> Iterable[Figures]:
    """Start a server, and ask it everything."""
    with contender.started(model) as server:
        for load in asked.loads:
            server.wait(bodies.first(load, contender))
            path, listed, kind = bodies.of(load, contender)
            wrk(f"http://127.0.0.1:{server.port}{path}", listed, kind, 8, asked.warm, 1)
            for connections in asked.connections:
                yield measure(server, contender, load, connections, bodies, asked)


def table(load: str, rows: list[Figures]) -> str:
    """A Markdown table of one load: the medians of all repeats."""
    rows = [row for row in rows if row.load == load]
    counts = sorted({row.connections for row in rows})
    rates: dict[tuple[str, int], float] = {}
    lines = [
        f"| {load}, with so many connections | {' | '.join(map(str, counts))} | not answered | MiB |",
        f"|---|{'---:|' * (len(counts) + 2)}",
    ]
    for server in dict.fromkeys(row.server for row in rows):
        cells = []
        for count in counts:
            runs = [row for row in rows if (row.server, row.connections) == (server, count)]
            rate, p50, p99 = (
                statistics.median(getattr(run, name) for run in runs) for name in ("rate", "p50", "p99")
            )
            rates[server, count] = rate
            cells.append(f"{rate:,.0f} ({p50:.1f}, {p99:.1f})")
        own = [row for row in rows if row.server == server]
        lost = sum(row.refused + row.broken for row in own)
        memory = statistics.median(row.memory for row in own) / 2**20
        lines.append(f"| {server} | {' | '.join(cells)} | {lost:,} | {memory:,.0f} |")
    others = {server for server, _ in rates if not server.startswith("Lapel")}
    if others and len(others) < len({server for server, _ in rates}):
        ratios = [_ratio(rates, count, others) for count in counts]
        lines.append(f"| the better of ours beside the best of the others | {' | '.join(ratios)} | | |")
    return "\n".join(lines)


def _ratio(rates: dict[tuple[str, int], float], count: int, others: set[str]) -> str:
    best = max(rate for (server, each), rate in rates.items() if each == count and server in others)
    ours = max(rate for (server, each), rate in rates.items() if each == count and server not in others)
    return f"{ours / best:.2f}×" if best else ""


def main() -> None:
    """Measure and print Markdown tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("--peers", type=Path, help="the folder of the peers' environments")
    parser.add_argument("--only", nargs="+", help="only servers whose names begin so")
    parser.add_argument("--loads", nargs="+", default=LOADS, choices=LOADS)
    parser.add_argument("--connections", nargs="+", type=int, default=CONNECTIONS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--warm", type=float, default=2, help="seconds of asking before")
    parser.add_argument("--threads", type=int, default=1, choices=(1, 2), help="of wrk")
    parser.add_argument("--model", type=Path, help="another model, of 28×28 grey pictures")
    parser.add_argument("--json", type=Path, help="where to keep every single figure")
    asked = parser.parse_args()
    chosen = [
        one for one in contenders(asked.peers) if not asked.only or one.name.startswith(tuple(asked.only))
    ]
    facts = {"machine": machine(), "versions": versions(asked.peers), "seconds": asked.seconds}
    rows: list[Figures] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = asked.model or small_model(folder)
        photos = photos_of(asked.photos, folder)
        bodies = Bodies(*(folder / f"{kind}.txt" for kind in ("uploads", "tensors", "v2")))
        for listed, paths in (
            (bodies.uploads, photos),
            (bodies.tensors, tensors(folder, v2=False)),
            (bodies.v2, tensors(folder, v2=True)),
        ):
            listed.write_text("\n".join(str(path.resolve()) for path in paths))
        for _ in range(asked.repeats):
            for contender in chosen:
                try:
                    for row in round_of(contender, model, bodies, asked):
                        rows.append(row)
                        print(row, file=sys.stderr)
                except (RuntimeError, subprocess.CalledProcessError) as error:
                    print(f"{contender.name}: {error}", file=sys.stderr)
        size = statistics.median(path.stat().st_size for path in photos)
    if asked.json:
        asked.json.write_text(json.dumps({**facts, "figures": [asdict(row) for row in rows]}, indent=1))
    print(f"{facts['machine']}\n\n{facts['versions']}\n")
    kilobytes, times = round(size / 1000), f"{asked.repeats} times {asked.seconds:g} s each"
    print(f"{len(photos):,} photos of {kilobytes} KB (median); {times}. Answers of 2xx/s (p50, p99 in ms):")
    for load in asked.loads:
        print(f"\n{table(load, rows)}")
    print(f"\nwrk took at most {max((row.wrk_cores for row in rows), default=0):.2f} of a core.")


if __name__ == "__main__":
    main()
