"""From settings to a service that lives until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from ..errors import LapelError
from .api.routes import LABELS
from .processes.channel import Channel
from .processes.supervisor import Supervisor
from .processes.worker import BACKLOG, Worker
from .settings import Settings
from .telemetry.registry import Telemetry


def serve(settings: Settings, on_ready: Callable[[str], None]) -> None:
    """Serve until a signal ends it; `on_ready` is called with the address once all models answer.

    Raises LapelError where the address cannot be had or a model cannot be loaded.
    """
    listening = _listen(settings.host, settings.port)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{listening.getsockname()[1]}"
    announce = partial(on_ready, address)
    telemetry = Telemetry(LABELS, list(settings.models), settings.workers)

    def start(number: int, channel: Channel, on_close: Callable[[], None]) -> None:
        ready = partial(channel.send, {"type": "ready"})
        _run(
            Worker(
                settings, telemetry, number=number, on_ready=ready, channel=channel, on_close=on_close
            ).run()
        )

    if settings.workers == 1:
        _run(Worker(settings, telemetry, on_ready=announce, listening=listening).run())
    elif hasattr(os, "fork"):
        Supervisor(settings.workers, listening, start, announce, settings.grace).run()
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
