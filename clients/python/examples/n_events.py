"""Await N events at once; each is set by a process of its own, in any order.

    python3 n_events.py
"""

import asyncio
import sys

import awaitd

REGIONS = ["eu", "us", "ap"]


async def worker(region: str) -> None:
    """What each of the other processes does."""
    async with awaitd.Client() as client:
        await client.event(f"example:deployed:{region}").set({"region": region})


async def main() -> None:
    async with awaitd.Client() as client:
        all_regions = awaitd.MultiEventAwaitable(client, [f"example:deployed:{region}" for region in REGIONS])
        two_regions = awaitd.MultiEventAwaitable(client, [event.name for event in all_regions.events], at_least=2)
        workers = [
            await asyncio.create_subprocess_exec(sys.executable, __file__, region) for region in reversed(REGIONS)
        ]
        print("regions, as soon as two are there:", len(await two_regions) >= 2)
        events = await all_regions
        print("all of them:", [event.payload["region"] for event in events])
        for process in workers:
            await process.wait()


if __name__ == "__main__":
    asyncio.run(worker(sys.argv[1]) if len(sys.argv) > 1 else main())
