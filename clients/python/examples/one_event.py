"""Await an event that another process sets.

    python3 one_event.py wait &
    python3 one_event.py set '{"by": "Ada"}'

AWAITD_URL says where the server is.
"""

import asyncio
import json
import sys

import awaitd


async def wait() -> None:
    async with awaitd.Client() as client:
        awaitable = awaitd.CustomAwaitable(client, "example:approved")
        print("waiting", flush=True)
        event = await awaitable
        print("approved:", event.payload)


async def set_event(payload: str) -> None:
    async with awaitd.Client() as client:
        event = await client.event("example:approved").set(json.loads(payload))
        print("set; waits that it decided:", event.woken)


if __name__ == "__main__":
    if sys.argv[1] == "wait":
        asyncio.run(wait())
    else:
        asyncio.run(set_event(sys.argv[2]))
