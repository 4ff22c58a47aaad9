"""From settings to a service that lives until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..decode import Limits
from ..errors import LapelError
from .api.app import ROUTES
from .api.auth import Access
from .http.messages import Bounds
from .processes.channel import Channel
from .processes.supervisor import Supervisor
from .processes.worker import BACKLOG, Worker
from .telemetry.logs import Log
from .telemetry.registry import Telemetry


@dataclass(frozen=True)
class Settings:
    """How to serve. While `queue` photos wait in all workers, no more are taken."""

    models: Mapping[str, str]
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    threads: int = 2
    queue: int = 32
    seconds: float = 10.0  # for an answer
    grace: float = 1.0  # seconds in which requests are still taken after the service was told to end
    access: Access = field(default_factory=Access)
    bounds: Bounds = field(default_factory=Bounds)
    limits: Limits = field(default_factory=Limits)
    log: Log = field(default_factory=Log)


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until a signal ends it; `ready` is told the address once all models answer.

    Raises LapelError where the address cannot be had or a model cannot be loaded.
    """
    listening = _listen(settings.host, settings.port)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{listening.getsockname()[1]}"
    say_ready = partial(ready, address)
    telemetry = Telemetry(ROUTES, list(settings.models), settings.workers)

    def start(number: int, channel: Channel, lost: Callable[[], None]) -> None:
        tell = partial(channel.say, {"say": "ready"})
        _run(Worker(settings, telemetry, number=number, ready=tell, channel=channel, lost=lost).live())

    if settings.workers == 1:
        _run(Worker(settings, telemetry, ready=say_ready, listening=listening).live())
    elif hasattr(os, "fork"):
        Supervisor(settings.workers, listening, start, say_ready, settings.log, settings.grace).live()
    else:
        raise LapelError("Several workers need a system that can fork.", "Serve with --workers 1.")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LapelError(
            f"Cannot listen on {host}, port {port} ({reason}).", "--port 0 takes any port that is free."
        ) from error


def _run(main: Coroutine[Any, Any, None]) -> None:
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):  # there is none for Windows
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)
