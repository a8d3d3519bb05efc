"""Against a server that says what the test wants: which calls are repeated, and how waits go on."""

from __future__ import annotations

import asyncio
import unittest
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

import awaitd
from awaitd import _calls

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def says(status: int, body: dict[str, Any], **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return answer


def refuses(status: int, code: str, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        body = {"code": code, "status": status, "detail": "so it is"}
        return web.json_response(body, status=status, headers=headers, content_type="application/problem+json")

    return answer


async def breaks(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def future(state: str) -> dict[str, Any]:
    return {"id": "p", "kind": "promise", "state": state, "result": {"json": 1}, "error": None}


class Scripted(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        host, port = self.runner.addresses[0][:2]
        self.client = awaitd.Client(f"http://{host}:{port}/prefix", api_key="k", hold=7)
        self.addCleanup(setattr, _calls, "PAUSE_MIN", _calls.PAUSE_MIN)
        _calls.PAUSE_MIN = 0.001

    async def asyncTearDown(self) -> None:
        await self.client.close()
        await self.runner.cleanup()
        self.assertEqual(len(self.asked), len(self.answers), "calls")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.body_exists and request.content_type == "application/json" else None
        self.asked.append((request.method, str(request.rel_url), dict(request.headers), body))
        return await self.answers[len(self.asked) - 1](request)

    async def test_what_creates_is_repeated_under_one_key(self) -> None:
        self.answers = [
            refuses(429, "busy"), breaks, refuses(503, "draining"), says(502, {}), says(201, future("pending"))
        ]
        promise = await self.client.promise("p")
        self.assertEqual(promise.id, "p")
        self.assertEqual(len({headers["Idempotency-Key"] for _, _, headers, _ in self.asked}), 1)
        method, path, headers, body = self.asked[0]
        self.assertEqual((method, path, body), ("POST", "/prefix/futures", {"kind": "promise", "id": "p"}))
        self.assertEqual(headers["Authorization"], "Bearer k")

    async def test_a_set_is_not_repeated_when_it_may_have_counted(self) -> None:
        self.answers = [breaks, says(502, {}), refuses(429, "busy"), says(200, {"name": "e", "set": True, "generation": 1})]
        with self.assertRaises(awaitd.UnreachableError):
            await self.client.event("e").set()
        with self.assertRaises(awaitd.Problem) as refused:
            await self.client.event("e").set()
        self.assertEqual((refused.exception.code, refused.exception.status), ("", 502))
        self.assertEqual((await self.client.event("e").set()).generation, 1)

    async def test_a_wait_for_a_future_goes_on(self) -> None:
        self.answers = [says(202, future("pending")), breaks, says(200, future("succeeded"))]
        self.assertEqual(await self.client.future("p"), 1)
        self.assertEqual(self.asked[0][1], "/prefix/futures/p?wait=7")

    async def test_an_event_that_is_cleared_between_two_polls_is_not_missed(self) -> None:
        self.answers = [
            says(202, {"name": "a/b", "set": False, "generation": 4}),
            says(200, {"name": "a/b", "set": False, "generation": 6}),
        ]
        self.assertEqual((await self.client.event("a/b").wait()).generation, 6)
        self.assertEqual(self.asked[1][1], "/prefix/events/a%2Fb?after=4&wait=7")

    async def test_a_wait_goes_on_by_its_cursor(self) -> None:
        a, b = ({"ref": f"event:{n}", "outcome": "satisfied"} for n in "ab")
        missing = {"ref": "event:b", "outcome": "pending"}
        self.answers = [
            says(202, {"outcome": "pending", "done": [a], "pending": [missing], "cursor": "c1"}),
            says(200, {"outcome": "satisfied", "done": [b], "pending": [], "cursor": "c2"}),
        ]
        answer = await self.client.wait(awaitd.all_of(self.client.event("a"), self.client.event("b")))
        self.assertEqual([leaf.ref for leaf in answer.done], ["event:a", "event:b"])
        self.assertEqual([body.get("cursor") for _, _, _, body in self.asked], [None, "c1"])

    async def test_a_server_that_is_none_is_told_apart(self) -> None:
        async def page(_: web.Request) -> web.StreamResponse:
            return web.Response(text="<html>")

        self.answers = [page]
        with self.assertRaisesRegex(awaitd.UnreachableError, "no awaitd server"):
            await self.client.loop()

    async def test_patience_ends(self) -> None:
        async with awaitd.Client("http://127.0.0.1:1", patience=0.05) as client:
            with self.assertRaises(awaitd.UnreachableError):
                await client.loop()
        for url in "127.0.0.1:1", "ftp://a", "http://", "http://a?b":
            with self.assertRaises(ValueError):
                awaitd.Client(url)

    async def test_a_local_cancellation_leaves_the_server_alone(self) -> None:
        reached = asyncio.Event()

        async def hold(_: web.Request) -> web.StreamResponse:
            reached.set()
            await asyncio.sleep(60)
            return web.Response()

        self.answers = [hold]
        task = asyncio.ensure_future(self.client.future("p"))
        await reached.wait()
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
