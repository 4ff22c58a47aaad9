"""HTTP within limits: what is taken on, what is refused, and that every connection finds an end."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

pytest.importorskip("httptools", reason="the extra serve is not installed")

from service import eventually, received

from lapel.serve.http.ledger import Ledger
from lapel.serve.http.messages import Bounds, HttpError, Request, Response, busy
from lapel.serve.http.server import HttpServer


class Echo:
    """Answers with what it was asked; /slow takes its time, /no is not wanted."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.statuses: list[int] = []
        self.cancelled = 0
        self.release = threading.Event()

    def gate(self, request: Request, length: int) -> None:
        if request.path == "/no":
            raise busy("queue_full", "Not now.")

    async def answer(self, request: Request) -> Response:
        if request.path == "/slow":
            try:
                while not self.release.is_set():
                    await asyncio.sleep(0.005)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if request.path == "/large":
            return Response(body=b"x" * 20_000_000)
        if request.path == "/unready":
            return Response(503)
        text = f"{request.method} {request.path} {sorted(request.query.items())} {len(request.body)}"
        return Response(
            body=text.encode(), type="text/plain", headers=(("X-Given", request.headers.get("x-a", "")),)
        )

    def error_response(self, error: HttpError, request: Request) -> Response:
        return Response(error.status, error.message.encode(), headers=tuple(error.headers.items()))

    def record_answer(self, request: Request, status: int) -> None:
        self.statuses.append(status)

    def record_refusal(self, reason: str) -> None:
        self.reasons.append(reason)


class Running:
    def __init__(self, bounds: Bounds) -> None:
        self.service = Echo()
        self.server = HttpServer(self.service, Ledger(bounds))
        self.port = 0
        self.loop: Any = None

    def open(self, seconds: float = 5.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)

    def ask(self, sent: bytes, seconds: float = 5.0) -> bytes:
        with self.open(seconds) as connection:
            connection.sendall(sent)
            return received(connection)


@contextmanager
def serving(**bounds: Any) -> Iterator[Running]:
    uvloop = pytest.importorskip("uvloop")
    here = Running(Bounds(**bounds))
    started, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        here.loop = asyncio.get_running_loop()
        here.server.start()
        listening = await here.loop.create_server(here.server.connection, "127.0.0.1", 0)
        here.port = listening.sockets[0].getsockname()[1]
        started.set()
        await asyncio.to_thread(stop.wait)
        listening.close()
        await here.server.drain(1)

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert started.wait(10)
        yield here
    finally:
        here.service.release.set()
        stop.set()
        thread.join(10)
    assert here.server.ledger.reserved == 0  # nothing that was taken on is still counted
    assert not here.server.ledger.connections


@pytest.fixture(scope="module")
def echo() -> Iterator[Running]:
    with serving() as here:
        yield here


CLOSE = b"Connection: close\r\n"


def test_a_request_is_answered_with_its_name(echo: Running) -> None:
    sent = b"POST /a%20b?x=1&y=%C3%A4 HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-Request-Id: mine\r\n"
    answer = echo.ask(sent + b"Content-Length: 3\r\n" + CLOSE + b"\r\nabc")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == "POST /a b [('x', '1'), ('y', 'ä')] 3".encode()
    lines = head.split(b"\r\n")
    assert {b"X-Request-Id: mine", b"X-Given: 1", b"X-Content-Type-Options: nosniff"} <= set(lines)


@pytest.mark.parametrize("name", [b"", b"x" * 129, b"caf\xe9", b"a\tb"])
def test_a_name_that_could_do_harm_is_replaced(echo: Running, name: bytes) -> None:
    answer = echo.ask(b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: " + name + b"\r\n" + CLOSE + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert not name or b"X-Request-Id: " + name not in answer


def test_a_connection_is_kept_and_requests_are_answered_in_order(echo: Running) -> None:
    requests = [
        b"GET /%d HTTP/1.1\r\nHost: a\r\n%s\r\n" % (number, CLOSE * (number == 3)) for number in (1, 2, 3)
    ]
    answer = echo.ask(b"".join(requests))
    assert answer.count(b"HTTP/1.1 200") == 3
    assert answer.index(b"GET /1 ") < answer.index(b"GET /2 ") < answer.index(b"GET /3 ")


def test_bytes_may_come_one_by_one(echo: Running) -> None:
    with echo.open() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab":
            connection.sendall(bytes([byte]))
        assert received(connection).endswith(b"POST /x [] 2")


def test_a_body_may_come_in_chunks(echo: Running) -> None:
    answer = echo.ask(
        b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" + CLOSE + b"\r\n"
        b"3\r\nabc\r\n2;more=1\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n"
    )
    assert answer.endswith(b"POST /x [] 5")


def test_head_has_no_body(echo: Running) -> None:
    answer = echo.ask(b"HEAD /x HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n")
    assert b"Content-Length: 12\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_client_that_asks_first_is_told_to_go_on_or_not(echo: Running) -> None:
    head = b"POST %s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" + CLOSE + b"\r\n"
    with echo.open() as connection:
        connection.sendall(head % b"/x")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"ab")
        assert received(connection).endswith(b"POST /x [] 2")
    assert echo.ask(head % b"/no").startswith(b"HTTP/1.1 503")


def test_what_is_not_wanted_is_refused_without_its_body_and_the_connection_goes_on(echo: Running) -> None:
    sent = b"POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
    answer = echo.ask(sent + b"GET /1 HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"Retry-After: 1" in answer
    assert answer.endswith(b"GET /1 [] 0")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\r\nNONSENSE\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_ended(echo: Running, sent: bytes) -> None:
    assert echo.ask(sent).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
def test_another_protocol_is_not_spoken_but_the_request_is_answered(echo: Running, upgrade: bytes) -> None:
    answer = echo.ask(
        b"GET /1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: " + upgrade + b"\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"Connection: close" in answer


def test_too_long_or_too_many_headers_are_refused() -> None:
    with serving(max_head=2000, max_headers=10) as here:
        assert here.ask(b"GET / HTTP/1.1\r\nA: " + b"x" * 3000).startswith(b"HTTP/1.1 431")
        assert here.ask(b"GET /" + b"x" * 3000).startswith(b"HTTP/1.1 431")
        many = b"".join(b"H%d: 1\r\n" % number for number in range(20))
        assert here.ask(b"GET / HTTP/1.1\r\n" + many + b"\r\n").startswith(b"HTTP/1.1 431")
        assert here.service.reasons == ["head"] * 3


def test_a_large_body_is_refused_before_it_is_read() -> None:
    with serving(max_body=1000) as here, here.open() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000000\r\n\r\n")
        assert connection.recv(4000).startswith(b"HTTP/1.1 413")
        with suppress(OSError):
            for _ in range(1000):  # whoever goes on sending is not listened to
                connection.sendall(b"x" * 65536)
        assert here.server.ledger.reserved == 0


def test_a_chunked_body_is_counted_as_it_comes() -> None:
    with serving(max_body=1000) as here:
        chunks = b"100\r\n" + b"x" * 256 + b"\r\n"
        answer = here.ask(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks * 4)
        assert answer.startswith(b"HTTP/1.1 413")
        assert here.service.reasons == ["too_large"]


def test_all_bodies_together_have_a_bound() -> None:
    with serving(max_body=1000, max_held=1500) as here, here.open() as first:
        first.sendall(b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        assert eventually(lambda: here.server.ledger.reserved == 1000)
        second = b"POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 600\r\n" + CLOSE + b"\r\n" + b"x" * 600
        assert here.ask(second).startswith(b"HTTP/1.1 503")
        first.sendall(b"x" * 1000)
        assert first.recv(4000).endswith(b"POST /1 [] 1000")
        assert here.ask(second).endswith(b"POST /2 [] 600")
        assert here.service.reasons == ["bytes"]


def test_only_those_who_shall_come_again_wait_for_their_refusal() -> None:
    with serving(pause=0.5) as here:
        ask = b"GET %s HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n"
        took = []
        for path in (b"/no", b"/unready"):
            began = time.monotonic()
            assert here.ask(ask % path).startswith(b"HTTP/1.1 503")
            took.append(time.monotonic() - began)
        assert took[0] >= 0.5
        assert took[1] < 0.5


def test_too_many_connections_are_told_so() -> None:
    with serving(max_connections=2) as here, here.open() as one, here.open() as other:
        assert eventually(lambda: len(here.server.ledger.connections) == 2)
        assert here.ask(b"").startswith(b"HTTP/1.1 503")
        one.close()
        assert eventually(lambda: len(here.server.ledger.connections) == 1)
        assert b"200 OK" in here.ask(b"GET /1 HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n")
        assert other.fileno() >= 0


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),  # who says nothing is told nothing
        (b"GET / HT", b"HTTP/1.1 408"),
        (b"GET / HTTP/1.1\r\nA: b\r\n", b"HTTP/1.1 408"),
        (b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf", b"HTTP/1.1 408"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", b"HTTP/1.1 408"),
        (b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200"),  # and then nothing more
    ],
)
def test_whoever_is_slow_is_let_go(sent: bytes, status: bytes) -> None:
    with serving(head_seconds=0.2, body_seconds=0.2, idle_seconds=0.2) as here:
        assert here.ask(sent).startswith(status)
        assert eventually(lambda: not here.server.ledger.connections)


def test_a_body_that_drips_is_ended_though_something_always_comes() -> None:
    with serving(body_seconds=0.3, least_rate=1000) as here, here.open() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        with suppress(OSError):
            for _ in range(200):
                connection.sendall(b"1\r\nx\r\n")
                if not eventually(lambda: True, 0) or here.service.reasons:
                    break
                threading.Event().wait(0.02)
        assert here.service.reasons == ["slow"]


def test_whoever_does_not_read_the_answer_is_let_go() -> None:
    with serving(write_seconds=0.3) as here, here.open() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        assert eventually(lambda: here.service.statuses)
        assert eventually(lambda: not here.server.ledger.connections)


def test_what_a_client_asked_is_dropped_when_it_leaves() -> None:
    with serving() as here:
        with here.open() as connection:
            connection.sendall(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
            assert eventually(lambda: here.server.ledger.reserved == 3)
        assert eventually(lambda: here.service.cancelled == 1)
        assert eventually(lambda: here.server.ledger.reserved == 0)


def test_too_many_requests_at_once_on_one_connection_end_it() -> None:
    with serving() as here:
        flood = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" * 100
        here.ask(flood)
        assert here.service.reasons == ["pipeline"]


def test_at_the_end_all_that_was_asked_is_answered() -> None:
    with serving() as here, here.open() as asking, here.open() as idle:
        asking.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        assert eventually(lambda: len(here.server.ledger.connections) == 2)
        draining = asyncio.run_coroutine_threadsafe(here.server.drain(5), here.loop)
        assert received(idle) == b""
        here.service.release.set()
        answer = received(asking)
        assert b"Connection: close" in answer
        assert answer.endswith(b"GET /slow [] 0")
        draining.result(5)
