"""Threads work ahead of who asks, and what they give comes in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def ahead(threads: Executor, work: Callable[[S], T], items: Iterable[S], count: int) -> Iterator[T]:
    """What `work` gives for each item, in their order, while threads work on the next `count`.

    Items are taken as they are needed.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as threads:
    ...     list(ahead(threads, abs, [-3, 2, -1], 2))
    [3, 2, 1]
    """
    waiting: deque[Future[T]] = deque()
    for item in items:
        waiting.append(threads.submit(work, item))
        if len(waiting) > count:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
