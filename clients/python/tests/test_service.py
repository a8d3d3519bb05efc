"""Against a real server (AWAITD_URL) and a real target that is slow and flaky (TARGET_URL)."""

from __future__ import annotations

import asyncio
import base64
import datetime
import os
import unittest
import uuid
from collections.abc import Awaitable

import awaitd

TARGET = os.environ.get("TARGET_URL", "http://127.0.0.1:9090")
QUICK = {"min_backoff": "20ms", "max_backoff": "50ms"}


class ServiceTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.client = awaitd.Client()
        self.run_id = uuid.uuid4().hex[:8]

    async def asyncTearDown(self) -> None:
        await self.client.close()

    def name(self, of: str) -> str:
        """A name that no other run has used."""
        return f"py:{self.run_id}:{of}"


class Awaitables(ServiceTest):
    async def test_an_event_set_by_another_client_wakes_the_awaitable(self) -> None:
        awaitable = awaitd.CustomAwaitable(self.client, self.name("a"))
        task = asyncio.ensure_future(awaitable)
        async with awaitd.Client() as other:
            await other.event(self.name("a")).set({"sha": "4f2a"})
        event = await task
        self.assertEqual((event.name, event.set, event.payload), (self.name("a"), True, {"sha": "4f2a"}))
        self.assertEqual((await awaitable).generation, 1)  # what is set stays set

    async def test_several_events_are_awaited_at_once(self) -> None:
        names = [self.name(n) for n in "abc"]
        both = asyncio.ensure_future(awaitd.MultiEventAwaitable(self.client, names))
        two = asyncio.ensure_future(awaitd.MultiEventAwaitable(self.client, names, at_least=2))
        for name in names[2], names[0]:
            await self.client.event(name).set()
        self.assertEqual([event.name for event in await two], [names[0], names[2]])
        self.assertFalse(both.done())
        await self.client.event(names[1]).set("b")
        self.assertEqual([event.payload for event in await both], [None, "b", None])

    async def test_an_api_is_fetched_once_however_often_it_is_awaited(self) -> None:
        api = awaitd.ExternalAPIAwaitable(self.client, f"{TARGET}/item/101")
        first, second = await asyncio.gather(api, api)
        again = await api
        self.assertEqual([first, second, again], [{"item": 101, "tries": 1}] * 3)

    async def test_all_of_them_work_with_asyncio(self) -> None:
        await self.client.event(self.name("set")).set()
        event = awaitd.CustomAwaitable(self.client, self.name("set"))
        promise = await self.client.promise()
        await promise.resolve([1, 2])
        gathered = await asyncio.gather(event, promise, awaitd.ExternalAPIAwaitable(self.client, f"{TARGET}/item/102"))
        self.assertEqual([gathered[0].set, gathered[1], gathered[2]["item"]], [True, [1, 2], 102])
        self.assertEqual([await done for done in asyncio.as_completed([promise])], [[1, 2]])
        never = awaitd.CustomAwaitable(self.client, self.name("never"))
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(never, 0.05)

    async def test_they_come_in_the_order_in_which_they_complete(self) -> None:
        first, second = (awaitd.CustomAwaitable(self.client, self.name(end)) for end in "ab")
        promise = await self.client.promise()
        seen: list[object] = []
        awaitables: list[Awaitable[object]] = [first, promise, second]
        for next_one in asyncio.as_completed(awaitables):
            match len(seen):
                case 0:
                    await second.event.set(2)
                case 1:
                    await promise.resolve(3)
                case 2:
                    await first.event.set(1)
            value = await next_one
            seen.append(value.payload if isinstance(value, awaitd.EventState) else value)
        self.assertEqual(seen, [2, 3, 1])

    async def test_a_failure_is_that_of_asyncio(self) -> None:
        rejected, resolved = await self.client.promise(), await self.client.promise()
        await rejected.reject("no")
        await resolved.resolve(7)
        failure, value = await asyncio.gather(rejected, resolved, return_exceptions=True)
        self.assertIsInstance(failure, awaitd.FailedError)
        self.assertEqual(value, 7)

        async def waits_for(awaitable: Awaitable[object]) -> None:
            await awaitable

        with self.assertRaises(ExceptionGroup) as raised:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(waits_for(rejected))
                tasks.create_task(waits_for(awaitd.CustomAwaitable(self.client, self.name("never"))))
        self.assertIsInstance(raised.exception.exceptions[0], awaitd.FailedError)

    async def test_what_asyncio_cancels_is_held_no_longer(self) -> None:
        never = [awaitd.CustomAwaitable(self.client, self.name(end)) for end in "ab"]
        names = [awaitable.event.name for awaitable in never]

        async def held() -> int:
            waits = (await self.client.loop())["waits"]
            return sum(any(name in str(wait["for"]) for name in names) for wait in waits if "for" in wait)

        gathered = asyncio.gather(*never)
        while await held() < 2:
            pass
        gathered.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await gathered
        while await held() > 0:
            pass

    async def test_they_are_refs(self) -> None:
        await self.client.event(self.name("a")).set()
        some = awaitd.MultiEventAwaitable(self.client, [self.name("a"), self.name("b")], at_least=1)
        one = awaitd.CustomAwaitable(self.client, self.name("a"))
        answer = await self.client.wait(awaitd.all_of(one, some))
        self.assertEqual([leaf.ref for leaf in answer.pending], ["event:" + self.name("b")])


class Futures(ServiceTest):
    async def test_a_fetch_gives_a_response(self) -> None:
        future = await self.client.fetch(
            f"{TARGET}/echo", method="POST", body="hello", headers={"Content-Type": "text/plain"}, labels={"t": self.run_id}
        )
        response = await future
        self.assertEqual((response.status, response.text, response.headers["Content-Type"]), (200, "hello", ["text/plain"]))
        self.assertEqual([found.id async for found in self.client.futures(label=f"t:{self.run_id}")], [future.id])

    async def test_bytes_and_long_bodies_come_whole(self) -> None:
        for body in b"\xff\x00\xfe", b"x" * 300_000:
            encoded = base64.b64encode(body).decode()
            self.assertEqual((await (await self.client.fetch(f"{TARGET}/echo", method="POST", base64=encoded))).body, body)

    async def test_a_fetch_that_fails_raises(self) -> None:
        future = await self.client.fetch(f"{TARGET}/nothing")
        with self.assertRaises(awaitd.FailedError) as raised:
            await future
        self.assertEqual(raised.exception.type, "http_status")
        self.assertIn(future.id, str(raised.exception))

    async def test_a_batch_is_all_or_nothing(self) -> None:
        futures = await self.client.fetch_batch([{"url": f"{TARGET}/item/{n}", "retry": QUICK} for n in (103, 104)])
        self.assertEqual([(await future).json()["item"] for future in futures], [103, 104])
        with self.assertRaises(awaitd.Problem) as refused:
            await self.client.fetch_batch([{"url": f"{TARGET}/item/103"}, {"url": "nonsense"}])
        self.assertEqual((refused.exception.code, refused.exception.errors[0]["pointer"]), ("invalid-request", "/fetches/1/url"))

    async def test_promises_settle_once(self) -> None:
        id = self.name("approval")
        promise = await self.client.promise(id, timeout="1h")
        waiting = asyncio.ensure_future(promise)
        await self.client.future(id).resolve({"by": "Ada"})
        self.assertEqual(await waiting, {"by": "Ada"})
        with self.assertRaises(awaitd.Problem) as refused:
            await promise.resolve(2)
        self.assertEqual(refused.exception.code, "already-settled")
        rejected = await self.client.promise()
        await rejected.reject("too expensive")
        with self.assertRaisesRegex(awaitd.FailedError, "rejected: too expensive"):
            await rejected
        await rejected.delete()
        await rejected.delete()

    async def test_timers_end_and_are_cancelled(self) -> None:
        self.assertIsNone(await (await self.client.timer(0.01)))
        timer = await self.client.timer(3600)
        await timer.cancel()
        await timer.cancel()
        with self.assertRaisesRegex(awaitd.FailedError, "cancelled"):
            await timer

    async def test_a_key_finds_what_was_created(self) -> None:
        first = await self.client.fetch(f"{TARGET}/item/105", key=self.run_id)
        again = await self.client.fetch(f"{TARGET}/item/105", key=self.run_id)
        self.assertEqual(first.id, again.id)
        with self.assertRaises(awaitd.Problem) as refused:
            await self.client.fetch(f"{TARGET}/item/106", key=self.run_id)
        self.assertEqual(refused.exception.code, "idempotency-mismatch")


    async def test_a_durable_wait_goes_on_alone(self) -> None:
        event = self.client.event(self.name("a"))
        wait = await self.client.durable(awaitd.any_of(event, awaitd.sleep(3600)))
        await event.set()
        self.assertEqual((await wait).outcome, "satisfied")
        after = await self.client.fetch(f"{TARGET}/item/107", after=wait)
        self.assertEqual((await after).json()["item"], 107)


class Groups(ServiceTest):
    async def test_a_group_is_awaited_at_the_end_of_its_block(self) -> None:
        async with await self.client.create_group(lease="1m") as group:
            futures = [await group.fetch(f"{TARGET}/item/{n}", retry=QUICK) for n in (108, 109)]
            await group.renew()
        self.assertEqual([(await future.get())["state"] for future in futures], ["succeeded"] * 2)
        self.assertEqual((await group)["members"]["succeeded"], 2)
        self.assertEqual(len([member async for member in self.client.futures(group=group.id)]), 2)
        async with await self.client.create_group():
            pass  # nobody joined

    async def test_an_error_in_the_block_cancels_the_members(self) -> None:
        with self.assertRaises(ZeroDivisionError):
            async with await self.client.create_group() as group:
                promise = await self.client.promise(group=group.id)
                raise ZeroDivisionError
        self.assertEqual((await promise.settled())["state"], "cancelled")
        with self.assertRaises(awaitd.FailedError) as raised:
            await self.client.group(group.id)
        self.assertIn(group.id, str(raised.exception))

    async def test_a_member_that_fails_fails_the_group(self) -> None:
        with self.assertRaises(awaitd.FailedError):
            async with await self.client.create_group(cancel_on_failure=True) as group:
                promise = await self.client.promise(group=group.id)
                await group.fetch(f"{TARGET}/nothing")
        with self.assertRaisesRegex(awaitd.FailedError, "cancelled"):
            await promise


class Events(ServiceTest):
    async def test_payloads_come_back(self) -> None:
        event = self.client.event(self.name("payload/x"))
        for payload in None, "text", b"\xff", {"a": [1]}, 0:
            state = await event.set(payload)
            self.assertEqual((state.payload, (await event.get()).payload), (payload, payload))
        self.assertEqual((await event.pulse()).generation, 6)
        self.assertFalse((await event.clear()).set)
        self.assertFalse(await event.is_set())
        self.assertEqual((await event.wait(after=5)).generation, 6)
        self.assertTrue((await event.set(ttl=60)).set)
        listed = [state.name async for state in self.client.events(self.name("payload"))]
        self.assertEqual(listed, [self.name("payload/x")])
        await event.delete()
        self.assertEqual((await event.get()).generation, 0)

    async def test_who_waits_is_woken(self) -> None:
        event = self.client.event(self.name("a"))
        waiters = [asyncio.ensure_future(event.wait()) for _ in range(20)]
        await event.set()
        self.assertEqual([state.generation for state in await asyncio.gather(*waiters)], [1] * 20)


class Waits(ServiceTest):
    async def test_expressions_nest(self) -> None:
        a, b = self.client.event(self.name("a")), self.client.event(self.name("b"))
        await a.set()
        soon = datetime.datetime.now(datetime.timezone.utc)
        expr = awaitd.all_of(
            awaitd.any_of(a, b), awaitd.at_least(1, a, b), awaitd.settled(a), awaitd.sleep(0.01), awaitd.until(soon)
        )
        answer = await self.client.wait(expr)
        self.assertEqual(answer.outcome, "satisfied")
        self.assertEqual({leaf.ref for leaf in answer.pending}, {"event:" + b.name})
        with self.assertRaises(ValueError):
            awaitd.until(datetime.datetime(2026, 1, 1))

    async def test_a_wait_that_fails_names_what_failed(self) -> None:
        bad = await self.client.promise(self.name("bad"))
        rest = await self.client.promise()
        await bad.reject("no")
        with self.assertRaisesRegex(awaitd.FailedError, "future:" + self.name("bad")):
            await self.client.wait(awaitd.all_of(bad, rest), cancel_rest=True)
        self.assertEqual((await rest.settled())["state"], "cancelled")

    async def test_leaves_come_as_they_complete(self) -> None:
        good, bad = await self.client.promise(), await self.client.promise()
        event = self.client.event(self.name("a"))
        await bad.reject("no")
        seen: list[tuple[str, str]] = []
        async for leaf in self.client.as_completed(good, bad, event):
            seen.append((leaf.ref, leaf.outcome))
            if len(seen) == 1:
                await event.set()
            elif len(seen) == 2:
                await good.resolve(1)
        self.assertEqual(seen, [(bad.id, "failed"), ("event:" + event.name, "satisfied"), (good.id, "satisfied")])

    async def test_the_loop_is_shown(self) -> None:
        self.assertGreater((await self.client.loop())["turns"], 0)
