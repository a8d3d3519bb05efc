"""Await the JSON of external APIs; the server fetches, retries and remembers.

    TARGET_URL=http://127.0.0.1:9090 python3 external_api.py      # go run ./examples/flaky

The target is slow and fails now and then, which this program does not notice.
"""

import asyncio
import os

import awaitd

TARGET = os.environ.get("TARGET_URL", "http://127.0.0.1:9090")


async def main() -> None:
    async with awaitd.Client() as client:
        retry = {"min_backoff": "50ms"}
        items = [awaitd.ExternalAPIAwaitable(client, f"{TARGET}/item/{n}", retry=retry) for n in (1, 2, 3)]
        print("gathered:", [answer["item"] for answer in await asyncio.gather(*items)])

        for next_answer in asyncio.as_completed([awaitd.ExternalAPIAwaitable(client, f"{TARGET}/item/4")]):
            print("completed:", (await next_answer)["item"])

        missing = awaitd.ExternalAPIAwaitable(client, f"{TARGET}/nothing")
        try:
            await missing
        except awaitd.FailedError as failure:
            print("failed:", failure.type)

        slow = awaitd.ExternalAPIAwaitable(client, f"{TARGET}/item/5", delay="1h", deadline="2h")
        try:
            await asyncio.wait_for(slow, timeout=0.1)
        except asyncio.TimeoutError:
            future = await slow.submit()
            print("not waited for any longer; the server still has it:", (await future.get())["state"])
            await future.cancel()


if __name__ == "__main__":
    asyncio.run(main())
