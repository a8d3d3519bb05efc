"""A policy of one's own makes an event loop of one's own, and awaits on it what another process completes.

    python3 policy.py
"""

import asyncio
import sys
from typing import Any

import awaitd


class CountingLoop(asyncio.SelectorEventLoop):
    """A loop that counts the tasks it is given."""

    tasks = 0

    def create_task(self, coro: Any, **options: Any) -> Any:
        self.tasks += 1
        return super().create_task(coro, **options)


class CountingPolicy(asyncio.DefaultEventLoopPolicy):
    """A policy whose factory makes that loop."""

    def new_event_loop(self) -> CountingLoop:
        return CountingLoop()


async def main() -> str:
    async with awaitd.Client() as client:
        promise = await client.promise()
        other = await asyncio.create_subprocess_exec(sys.executable, __file__, promise.id)
        value = await promise
        await other.wait()
        return str(value)


async def resolve(id: str) -> None:
    """What the other process does."""
    async with awaitd.Client() as client:
        await client.future(id).resolve("from another process")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(resolve(sys.argv[1]))
    else:
        asyncio.set_event_loop_policy(CountingPolicy())
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        print(loop.run_until_complete(main()))
        print("on a", type(loop).__name__, "with tasks:", isinstance(loop, CountingLoop) and loop.tasks > 0)
        loop.close()
