"""The batcher: photos are labelled as they come, the line is bounded, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("httptools", reason="the extra serve is not installed")

from halves import bright, write_model

from lapel.errors import ModelError, PictureError
from lapel.serve.http.messages import HttpError
from lapel.serve.inference.batcher import Batcher, Prediction
from lapel.tagger import Tagger, load_tagger


@pytest.fixture
def tagger(tmp_path: Path) -> Tagger:
    return load_tagger(write_model(tmp_path / "halves.onnx"))


def picture(side: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return bright(side)[:, :, None]


def with_batcher(work: Callable[[Batcher], Awaitable[None]], **settings: Any) -> Batcher:
    """Do something while a batcher is open; nothing is left on it afterwards."""
    batcher = Batcher(**settings)

    async def main() -> None:
        batcher.start()
        try:
            await work(batcher)
            async with asyncio.timeout(5):
                while batcher.pending:
                    await asyncio.sleep(0.005)
        finally:
            await asyncio.to_thread(batcher.stop)

    asyncio.run(main())
    return batcher


def test_photos_are_answered_in_their_order_and_bad_ones_fail_alone(tagger: Tagger) -> None:
    async def work(batcher: Batcher) -> None:
        found = await batcher.predict(tagger, [picture("left"), b"no photo", picture("right"), b""], 5)
        kinds = [type(one) for one in found]
        assert kinds == [Prediction, PictureError, Prediction, PictureError]
        assert [int(one.probabilities.argmax()) for one in found if isinstance(one, Prediction)] == [0, 1]
        assert (found[0].picture == picture("left")).all()
        assert await batcher.predict(tagger, [], 5) == []

    with_batcher(work)


def test_what_comes_while_the_threads_are_busy_is_taken_together(tagger: Tagger) -> None:
    sizes: list[int] = []
    go = threading.Event()

    async def work(batcher: Batcher) -> None:
        busy = asyncio.create_task(batcher.run(lambda: go.wait(5), 5))
        await asyncio.sleep(0.05)
        asked = [asyncio.create_task(batcher.predict(tagger, [picture("left")], 5)) for _ in range(20)]
        await asyncio.sleep(0.05)
        go.set()
        await asyncio.gather(busy, *asked)

    with_batcher(work, threads=1, on_batch=lambda size, _waited, _ran: sizes.append(size))
    assert sizes == [1, 20]


def test_two_models_in_one_batch_answer_each_for_its_own(tagger: Tagger, tmp_path: Path) -> None:
    other = load_tagger(write_model(tmp_path / "other.onnx"))
    asked: list[int] = []
    answers = other.answers
    other.answers = lambda pictures: asked.append(len(pictures)) or answers(pictures)
    go = threading.Event()

    async def work(batcher: Batcher) -> None:
        busy = asyncio.create_task(batcher.run(lambda: go.wait(5), 5))
        await asyncio.sleep(0.05)
        tasks = [
            asyncio.create_task(batcher.predict(one, [picture("right")], 5))
            for one in (tagger, other, tagger, other)
        ]
        await asyncio.sleep(0.05)
        go.set()
        for [seen] in await asyncio.gather(*tasks):
            assert isinstance(seen, Prediction)
            assert seen.probabilities.argmax() == 1
        await busy

    with_batcher(work, threads=1)
    assert asked == [2]


def test_the_line_has_an_end(tagger: Tagger) -> None:
    reasons: list[str] = []
    go = threading.Event()

    async def work(batcher: Batcher) -> None:
        asked = [asyncio.create_task(batcher.run(lambda: go.wait(5), 5)) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(HttpError, match="more to do") as caught:
            await batcher.predict(tagger, [picture("left")], 5)
        assert caught.value.status == 503
        assert caught.value.headers == {"Retry-After": "1"}
        with pytest.raises(HttpError, match="257 photos in one request; at most 256") as caught:
            await batcher.predict(tagger, [picture("left")] * 257, 5)
        assert caught.value.status == 413
        go.set()
        await asyncio.gather(*asked)
        await batcher.predict(tagger, [picture("left")] * 200, 5)

    with_batcher(work, threads=1, capacity=3, on_refusal=reasons.append)
    assert reasons == ["photos"]


def test_a_deadline_ends_the_wait_and_frees_the_place(tagger: Tagger) -> None:
    reasons: list[str] = []
    go = threading.Event()

    async def work(batcher: Batcher) -> None:
        busy = asyncio.create_task(batcher.run(lambda: go.wait(5), 5))
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        with pytest.raises(HttpError, match=r"within 0\.05 seconds") as caught:
            await batcher.predict(tagger, [picture("left")] * 3, 0.05)
        assert caught.value.status == 504
        assert time.perf_counter() - began < 1
        assert batcher.pending == 1  # only what a thread is at
        go.set()
        await busy

    with_batcher(work, threads=1, on_refusal=reasons.append)
    assert reasons == ["deadline"]


def test_what_nobody_waits_for_is_not_done(tagger: Tagger) -> None:
    done: list[int] = []
    go = threading.Event()

    async def work(batcher: Batcher) -> None:
        busy = asyncio.create_task(batcher.run(lambda: go.wait(5), 5))
        await asyncio.sleep(0.05)
        left = asyncio.create_task(batcher.run(lambda: done.append(1), 5))
        await asyncio.sleep(0.05)
        left.cancel()
        await asyncio.sleep(0)
        go.set()
        await busy
        await batcher.run(lambda: done.append(2), 5)

    with_batcher(work, threads=1)
    assert done == [2]


def test_a_model_that_fails_is_told_to_all_who_asked_and_the_threads_live_on(tagger: Tagger) -> None:
    answers = tagger.answers

    async def work(batcher: Batcher) -> None:
        def fail(_pictures: object) -> Any:
            raise ModelError("The model fails on a picture.")

        tagger.answers = fail
        with pytest.raises(ModelError, match="fails on a picture"):
            await batcher.predict(tagger, [picture("left"), b"no photo"], 5)
        tagger.answers = answers
        three = [asyncio.create_task(batcher.run(lambda n=n: 1 // n, 5)) for n in (1, 0, 1)]
        results = await asyncio.gather(*three, return_exceptions=True)
        assert [type(result) for result in results] == [int, ZeroDivisionError, int]
        assert isinstance((await batcher.predict(tagger, [picture("left")], 5))[0], Prediction)

    with_batcher(work, threads=1)


def test_large_photos_do_not_come_together(tagger: Tagger) -> None:
    sizes: list[int] = []
    go = threading.Event()

    async def work(batcher: Batcher) -> None:
        busy = asyncio.create_task(batcher.run(lambda: go.wait(5), 5))
        await asyncio.sleep(0.05)
        asked = asyncio.create_task(batcher.predict(tagger, [b"x" * 300_000] * 4, 5))
        await asyncio.sleep(0.05)
        go.set()
        await asyncio.gather(busy, asked)

    with_batcher(work, threads=1, on_batch=lambda size, _waited, _ran: sizes.append(size))
    assert sizes == [1, 2, 2]


def test_a_new_model_is_not_taken_for_one_that_is_gone() -> None:
    """What is not known to be quick goes to a thread, even where a quick one lay at the same address."""
    threads: list[str] = []

    class Quick:
        def answers(self, pictures: np.ndarray[Any, Any]) -> Any:
            threads.append(threading.current_thread().name)
            return np.ones((len(pictures), 2), np.float32), np.zeros((len(pictures), 0), np.float32)

    async def work(batcher: Batcher) -> None:
        gone: set[int] = set()
        for count in range(1, 201):
            tagger: Any = Quick()
            for _ in range(2):
                await batcher.predict(tagger, [picture("left")], 5)
            gone.add(id(tagger))
            del tagger
            gc.collect(0)  # the youngest alone: all that other tests have left would take seconds
            if len(gone) < count:
                return
        pytest.fail("no address was used again: this shows nothing")

    with_batcher(work, threads=1)
    assert threads == ["batcher-0", "MainThread"] * (len(threads) // 2)
