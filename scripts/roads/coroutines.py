"""asyncio: coroutines on one thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .common import jobs
from .common.base import Group, Prepared, Road, Work, worker

READ = 4096


async def get(port: int) -> int:
    """One GET that lets the other coroutines run while it waits."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(jobs.REQUEST)
    received = 0
    while part := await reader.read(READ):
        received += len(part)
    writer.close()
    await writer.wait_closed()
    return received


async def blocking_get(port: int) -> int:
    """One GET by a call that blocks: nothing else runs meanwhile."""
    return jobs.get(port)


async def fib(n: int) -> int:
    """A computation in a coroutine: it never awaits, so it is never left."""
    return jobs.fib(n)


async def at_most(workers: int, count: int, call: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Await `count` calls, at most `workers` of them at a time."""
    places = asyncio.Semaphore(workers)

    async def one() -> Any:
        async with places:
            return await call()

    return await asyncio.gather(*(one() for _ in range(count)))


def prepare(variant: str, work: Work) -> Prepared:
    """Make a job ready: each run is one event loop."""
    if work.job == "cpu":
        return Prepared(lambda: max(asyncio.run(at_most(work.workers, work.count, lambda: fib(work.size)))))
    if work.job == "io":
        call = get if variant == "awaits" else blocking_get
        return Prepared(lambda: min(asyncio.run(at_most(work.workers, work.count, lambda: call(work.port)))))
    raise NotImplementedError(f"no job {work.job!r} on this road")


ROADS = (
    Road(
        name="asyncio",
        what="Coroutines that take turns on one thread, at each `await`. It waits for many things at once; it "
        "computes nothing faster.",
        group=Group.HOLDS,
        code="Python",
        jobs=("cpu", "io"),
        overlaps={"requests": True},
        command=lambda _folder: worker("coroutines", "awaits"),
    ),
    Road(
        name="asyncio-blocking",
        what="The same event loop, but the request is made by a call that blocks. One such call stops every other "
        "coroutine.",
        group=Group.HOLDS,
        code="Python",
        jobs=("io",),
        overlaps={"requests": False},
        command=lambda _folder: worker("coroutines", "blocks"),
    ),
)
