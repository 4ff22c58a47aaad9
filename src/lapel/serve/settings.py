"""How to serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..decode import Limits
from .http.auth import Auth
from .http.messages import Bounds


@dataclass(frozen=True)
class Settings:
    """How to serve. While `queue` photos wait in all workers, no more are taken."""

    models: Mapping[str, str]
    indexes: Mapping[str, str] = field(default_factory=dict)  # that are searched and matched, by name
    wardrobe: str = ""  # the folder of a wardrobe; none where it is empty
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    threads: int = 2
    queue: int = 32
    seconds: float = 10.0  # for an answer
    grace: float = 1.0  # seconds in which requests are still taken after the service was told to end
    log_requests: bool = False  # a line for each
    teach: bool = False  # whether own classes can be taught; what is taught lives in one worker
    auth: Auth = field(default_factory=Auth)
    bounds: Bounds = field(default_factory=Bounds)
    limits: Limits = field(default_factory=Limits)
