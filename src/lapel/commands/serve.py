"""`lapel serve`: a model on the network."""

from __future__ import annotations

import ipaddress
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from ..errors import MissingExtra
from ..runtime import cores

_MEGA = 1024 * 1024


@click.command(epilog="Example: lapel serve --model photo --port 8000")
@click.option(
    "--model",
    "models",
    metavar="[NAME=]MODEL",
    multiple=True,
    default=("photo", "wardrobe", "fashion-mnist"),
    show_default=True,
    help="A model that comes with Lapel, a model file or a run; several times for several. "
    "The first answers where none is asked for.",
)
@click.option(
    "--index",
    "indexes",
    metavar="[NAME=]INDEX",
    multiple=True,
    help="An index that is searched and matched (see `lapel index`); several times for several. "
    "The first answers where none is asked for.",
)
@click.option(
    "--wardrobe",
    metavar="DIR",
    type=click.Path(),
    help="A folder in which people keep a wardrobe on the page: their photos, an index of them, and outfits. "
    "It is made where it is not there.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port; 0 takes any that is free.",
)
@click.option(
    "--token",
    envvar="LAPEL_TOKEN",
    metavar="TOKEN",
    help="What clients must know; better given as LAPEL_TOKEN than on the command line.",
)
@click.option("--no-auth", is_flag=True, help="Let anyone ask who reaches the address.")
@click.option(
    "--allow-origin",
    "origins",
    metavar="ORIGIN",
    multiple=True,
    help="A site whose pages may ask, such as https://shop.example.",
)
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="How many processes answer."
)
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    help="Threads of each process that read and label photos.  [default: a core each]",
)
@click.option(
    "--queue",
    default=32,
    show_default=True,
    type=click.IntRange(min=1),
    help="While so many photos wait or are worked on, more are refused.",
)
@click.option(
    "--timeout",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0.01, 600),
    help="Seconds for an answer, where the client does not say.",
)
@click.option(
    "--max-body",
    default=32,
    show_default=True,
    type=click.IntRange(1, 1024),
    help="MiB that a request may have.",
)
@click.option(
    "--max-connections",
    default=2048,
    show_default=True,
    type=click.IntRange(min=1),
    help="Clients at one time.",
)
@click.option(
    "--grace",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 300),
    help="Seconds in which requests are still taken after the signal to end.",
)
@click.option(
    "--teach",
    is_flag=True,
    help="Let people teach own classes, on the page or by POST /teach; kept in memory.",
)
@click.option("--log-requests", is_flag=True, help="A line for each request.")
@click.option(
    "--log-format",
    type=click.Choice(["auto", "text", "json"]),
    default="auto",
    show_default=True,
    help="auto: text in a terminal, JSON elsewhere.",
)
def serve(
    models: tuple[str, ...],
    indexes: tuple[str, ...],
    wardrobe: str | None,
    host: str,
    port: int,
    token: str | None,
    no_auth: bool,
    origins: tuple[str, ...],
    workers: int,
    threads: int | None,
    queue: int,
    timeout: float,
    max_body: int,
    max_connections: int,
    grace: float,
    teach: bool,
    log_requests: bool,
    log_format: str,
) -> None:
    """Put models on the network: a page for the browser, POST /tag, and the Open Inference Protocol.

    Only this machine can ask, unless --host says otherwise; then a token is asked for, or --no-auth must be
    said. SIGTERM or Ctrl-C ends it when everything that was taken on is answered, SIGHUP loads the models
    anew.
    """
    if not _is_loopback(host) and not token and not no_auth:
        raise click.UsageError(
            f"--host {host} lets other machines ask: give a token (LAPEL_TOKEN=… or --token), "
            "or say --no-auth if anyone may."
        )
    if token and no_auth:
        raise click.UsageError("Choose one of --token and --no-auth.")
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise click.UsageError("A token has letters, digits and signs of ASCII, and no spaces.")
    if teach and workers > 1:
        raise click.UsageError(
            "--teach keeps what it has learned in one process: serve with --workers 1, and more --threads."
        )
    if teach and find_spec("onnx") is None:
        raise MissingExtra("onnx, which own classes are taught with,", "teach")
    if wardrobe:
        _check_wardrobe(wardrobe)
    try:
        from .. import serve as service
        from ..serve.api.wardrobe import NAME as WARDROBE
        from ..serve.inference.models import read_sources
        from ..serve.telemetry.logs import log_to_stderr
    except ModuleNotFoundError as error:
        raise MissingExtra("What the service needs", "serve") from error
    from .models import model_file

    searched = read_sources(indexes, "index")
    if wardrobe and WARDROBE in searched:
        raise click.UsageError(
            f"With --wardrobe, no other index can be called {WARDROBE}; give it another name."
        )
    sources = {name: str(model_file(source)) for name, source in read_sources(models).items()}
    settings = service.Settings(
        models=sources,
        indexes=searched,
        wardrobe=wardrobe or "",
        host=host,
        port=port,
        workers=workers,
        threads=threads or max(1, cores() // workers),
        queue=queue,
        seconds=timeout,
        grace=grace,
        auth=service.Auth(token or "", _is_loopback(host) and not token and not no_auth, frozenset(origins)),
        bounds=service.Bounds(max_body=max_body * _MEGA, max_connections=max_connections),
        log_requests=log_requests,
        teach=teach,
    )

    log_to_stderr(log_format == "json" or (log_format == "auto" and not sys.stderr.isatty()))

    def announce(address: str) -> None:
        click.echo(f"Lapel answers at {address} ({', '.join(sources)}). Ctrl-C ends it.", err=True)

    service.serve(settings, announce)


def _check_wardrobe(path: str) -> None:
    """Refuse at once what no worker could open."""
    if find_spec("lancedb") is None:
        raise MissingExtra("LanceDB, which wardrobes are kept in,", "search")
    from ..wardrobe.folder import check_wardrobe

    check_wardrobe(Path(path))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
