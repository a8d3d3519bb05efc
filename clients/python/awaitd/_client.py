"""The client, and handles on what the server keeps."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

from ._calls import Answer, Call, Transport
from ._errors import Problem, future_failed, group_failed, wait_failed
from ._refs import Ref, Wire

FutureState = dict[str, Any]
"""A future as the wire shows it; see the API's reference."""

GroupState = dict[str, Any]
"""A group as the wire shows it."""

SETTLED = frozenset(["succeeded", "failed", "cancelled"])
# The shortest time from one poll to the next, whatever the server makes of the wish to be held, in seconds.
POLL_PAUSE_MIN = 1.0

T = TypeVar("T")


@dataclass(frozen=True)
class EventState:
    """An event as it was when the server answered."""

    name: str
    set: bool
    generation: int
    payload: Any
    """JSON as Python values, text as str, everything else as bytes; None for none."""
    woken: int
    """After a set or pulse: waits that it decided."""


@dataclass(frozen=True)
class Response:
    """What a fetch brought home."""

    status: int
    headers: Mapping[str, list[str]]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text in UTF-8."""
        return self.body.decode()


@dataclass(frozen=True)
class Leaf:
    """One thing that was waited for."""

    ref: str
    outcome: str
    """satisfied, failed or pending"""
    future: FutureState | None
    event: EventState | None


@dataclass(frozen=True)
class WaitAnswer:
    """The answer to a wait: what is done, in the order in which it was decided, and what is pending."""

    outcome: str
    done: list[Leaf]
    pending: list[Leaf]


class Client:
    """A client of one server, for one event loop.

    url and api_key are AWAITD_URL and AWAITD_API_KEY unless given. patience is for how many seconds one call goes on
    trying while the server cannot be reached or is busy; each poll of a wait is a call of its own, so that a wait lasts
    however long it must. hold is for how many seconds the server is asked to hold each answer.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        patience: float = 30.0,
        hold: float = 25.0,
    ) -> None:
        url = url or os.environ.get("AWAITD_URL") or "http://127.0.0.1:8080"
        api_key = api_key or os.environ.get("AWAITD_API_KEY")
        self._hold = hold
        self._transport = Transport(url, api_key, patience, hold)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    # --- what creates -------------------------------------------------------------------------------------------

    async def fetch(self, url: str, *, key: str | None = None, **request: Any) -> Future:
        """Hand an HTTP request to the server. request is the other fields of the API: method, headers, json, body,
        timeout, deadline, delay, retry, labels, after (a Ref) and so on. key is an idempotency key of your own."""
        return await self._create("/fetch", {"url": url, **_plain(request)}, key)

    async def fetch_batch(self, requests: Iterable[Mapping[str, Any]], *, key: str | None = None) -> list[Future]:
        """Hand many requests to the server, all or none; each is {"url": …} and the fields of fetch."""
        body = {"fetches": [_plain(request) for request in requests]}
        answer = (await self.post("/fetch/batch", body, creates=True, key=key)).json()
        return [Future(self, state["id"], state) for state in answer["futures"]]

    async def promise(self, id: str | None = None, *, key: str | None = None, **request: Any) -> Future:
        """Make a future that somebody settles by resolve or reject. request: timeout, labels, ttl."""
        if id is not None:
            request["id"] = id
        return await self._create("/futures", {"kind": "promise", **request}, key)

    async def timer(self, seconds: float, *, key: str | None = None, **request: Any) -> Future:
        """Make a future that succeeds after so many seconds, whoever lives then. request: labels, ttl."""
        return await self._create("/futures", {"kind": "timer", "after": seconds, **request}, key)

    async def durable(self, ref: Ref, *, key: str | None = None, **request: Any) -> Future:
        """Make a future that settles when ref is decided: a wait that goes on with nobody connected."""
        return await self._create("/futures", {"kind": "wait", "for": ref.expr(), **request}, key)

    async def create_group(self, *, key: str | None = None, **request: Any) -> Group:
        """Make a group. request: labels, deadline, lease, cancel_on_failure, ttl."""
        state = (await self.post("/groups", request, creates=True, key=key)).json()
        return Group(self, state["id"], state)

    # --- handles ------------------------------------------------------------------------------------------------

    def future(self, id: str) -> Future:
        """A handle on a future that somebody else has made. Nothing is sent yet."""
        return Future(self, id)

    def event(self, name: str) -> Event:
        """A handle on an event. Events need no creation; nothing is sent yet."""
        return Event(self, name)

    def group(self, id: str) -> Group:
        """A handle on a group that somebody else has made. Nothing is sent yet."""
        return Group(self, id)

    # --- waits --------------------------------------------------------------------------------------------------

    async def wait(self, ref: Ref, *, cancel_rest: bool = False, results: str = "full") -> WaitAnswer:
        """Wait until ref is decided; FailedError if it failed. Use asyncio.timeout or wait_for for a limit."""
        answer = await _Waiting(self, results, cancel_rest).decide(ref.expr())
        if answer["outcome"] == "failed":
            raise wait_failed(answer)
        return _wait_answer(answer)

    async def as_completed(self, *refs: Ref) -> AsyncIterator[Leaf]:
        """Yield futures and events as they are decided, satisfied or failed, until all are. Unlike
        asyncio.as_completed it is one wait on the server, however many there are."""
        waiting = _Waiting(self)
        told = 0
        while told < len(refs):
            each = [{"settled": ref.expr()} for ref in refs]
            await waiting.decide({"at_least": told + 1, "of": each})
            for leaf in _leaves(waiting.untold()):
                told += 1
                yield leaf

    async def loop(self) -> dict[str, Any]:
        """What the server's event loop does right now."""
        state: dict[str, Any] = (await self.call(Call("GET", "/loop", repeatable=True))).json()
        return state

    # --- lists --------------------------------------------------------------------------------------------------

    async def futures(
        self,
        *,
        state: str | None = None,
        kind: str | None = None,
        label: str | None = None,
        group: str | None = None,
    ) -> AsyncIterator[Future]:
        """List futures, newest first. label is KEY:VALUE, group an id."""
        wanted = {"state": state, "kind": kind, "label": label, "group": group}
        async for page in self._pages("/futures", {k: v for k, v in wanted.items() if v is not None}):
            for item in page["futures"]:
                yield Future(self, item["id"], item)

    async def events(self, prefix: str = "") -> AsyncIterator[EventState]:
        """List events by name."""
        async for page in self._pages("/events", {"prefix": prefix} if prefix else {}):
            for item in page["events"]:
                yield event_state(item)

    async def _pages(self, path: str, query: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
        while True:
            page = (await self.call(Call("GET", path, query, repeatable=True))).json()
            yield page
            if not page["next_cursor"]:
                return
            query = {**query, "cursor": page["next_cursor"]}

    # --- calls --------------------------------------------------------------------------------------------------

    async def call(self, what: Call) -> Answer:
        """Make a call of the API."""
        return await self._transport.call(what)

    async def poll(self, once: Callable[[float], Awaitable[T | None]]) -> T:
        """Repeat a call that is held until it has a value."""
        clock = asyncio.get_running_loop().time
        while True:
            asked = clock()
            value = await once(self._hold)
            if value is not None:
                return value
            await asyncio.sleep(POLL_PAUSE_MIN - (clock() - asked))

    async def _create(self, path: str, body: Mapping[str, Any], key: str | None) -> Future:
        state = (await self.post(path, body, creates=True, key=key)).json()
        return Future(self, state["id"], state)

    async def post(
        self,
        path: str,
        body: Mapping[str, Any] | None,
        *,
        creates: bool = False,
        repeatable: bool = False,
        key: str | None = None,
    ) -> Answer:
        """Make a call with a JSON body. What creates has a key, so that it may be repeated."""
        headers = {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if creates:
            headers["Idempotency-Key"] = key or str(uuid.uuid4())
        encoded = None if body is None else json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        return await self.call(Call("POST", path, {}, headers, encoded, repeatable or creates))


class _Waiting:
    """One wait, however many calls it takes. Its cursor makes each call a continuation of the one before."""

    def __init__(self, client: Client, results: str = "full", cancel_rest: bool = False) -> None:
        self._client = client
        self._request: dict[str, Any] = {"results": results, "cancel_rest": cancel_rest}
        self._done: list[dict[str, Any]] = []
        self._told: Counter[str] = Counter()

    async def decide(self, expr: Wire) -> dict[str, Any]:
        """Wait until expr is decided. The next may be another over the same things."""

        async def once(hold: float) -> dict[str, Any] | None:
            body = {**self._request, "for": expr, "timeout": hold}
            answer: dict[str, Any] = (await self._client.post("/wait", body, repeatable=True)).json()
            if "cursor" in self._request:  # it tells only what is new
                answer["done"] = self._done + answer["done"]
            self._done = answer["done"]
            if answer.get("cursor"):
                self._request["cursor"] = answer["cursor"]
            return answer if answer["outcome"] != "pending" else None

        return await self._client.poll(once)

    def untold(self) -> list[dict[str, Any]]:
        """What is done and was not told of before, in the order in which it was decided."""
        seen: Counter[str] = Counter()
        fresh = []
        for leaf in self._done:
            seen[leaf["ref"]] += 1
            if seen[leaf["ref"]] > self._told[leaf["ref"]]:
                self._told[leaf["ref"]] += 1
                fresh.append(leaf)
        return fresh


class Future:
    """A handle on one future of the server. Awaiting it gives its value, or raises FailedError.

    The value of a fetch is a Response, that of a promise what it was resolved with, that of a timer None, and that of a
    durable wait a WaitAnswer.
    """

    def __init__(self, client: Client, id: str, state: FutureState | None = None) -> None:
        self._client = client
        self.id = id
        self.state = state
        """The future as far as this handle has heard of it; None when it has not."""

    def __repr__(self) -> str:
        return f"<awaitd.Future {self.id} {self.state['state'] if self.state else 'unknown'}>"

    def expr(self) -> Wire:
        """Makes it a Ref."""
        return {"future": self.id}

    def __await__(self) -> Generator[Any, None, Any]:
        return self.result().__await__()

    async def settled(self) -> FutureState:
        """Wait until it is settled, whatever its outcome."""
        if self.state is not None and self.state["state"] in SETTLED:
            return self.state

        async def once(hold: float) -> FutureState | None:
            state = await self._take(Call("GET", self._path, {"wait": str(hold)}, repeatable=True))
            return state if state["state"] in SETTLED else None

        return await self._client.poll(once)

    async def result(self) -> Any:
        """Wait for its value; what await does."""
        state = await self.settled()
        if state["state"] != "succeeded":
            raise future_failed(state)
        kind, result = state["kind"], state["result"] or {}
        if kind == "fetch":
            body = await self._body() if result.get("truncated") else _shown(result)
            return Response(result["status"], result["headers"], body)
        if kind == "wait":
            return _wait_answer(result)
        if result.get("truncated"):
            return json.loads(await self._body())
        return result.get("json")

    async def _body(self) -> bytes:
        return (await self._client.call(Call("GET", self._path + "/result", repeatable=True))).body

    async def get(self) -> FutureState:
        """The future as it is now."""
        return await self._take(Call("GET", self._path, repeatable=True))

    async def cancel(self) -> FutureState:
        """Cancel it for everybody. Cancelling what is cancelled is no error."""
        return await self._settle("/cancel", None)

    async def resolve(self, value: Any) -> FutureState:
        """Settle a promise with a value. The same value again is no error."""
        return await self._settle("/resolve", {"value": value})

    async def reject(self, message: str, type: str = "rejected") -> FutureState:
        """Settle a promise with a failure. The same failure again is no error."""
        return await self._settle("/reject", {"message": message, "type": type})

    async def delete(self) -> None:
        """Make the server forget it, once it is settled."""
        try:
            await self._client.call(Call("DELETE", self._path, repeatable=True))
        except Problem as problem:
            if problem.code != "unknown-future":
                raise

    @property
    def _path(self) -> str:
        return "/futures/" + quote(self.id, safe="")

    async def _settle(self, verb: str, body: Mapping[str, Any] | None) -> FutureState:
        state: FutureState = (await self._client.post(self._path + verb, body, repeatable=True)).json()
        self.state = state
        return state

    async def _take(self, what: Call) -> FutureState:
        state: FutureState = (await self._client.call(what)).json()
        self.state = state
        return state


class Event:
    """A handle on one event of the server, with the methods of asyncio.Event, which here are coroutines."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self.name = name

    def __repr__(self) -> str:
        return f"<awaitd.Event {self.name}>"

    def expr(self) -> Wire:
        """Makes it a Ref."""
        return {"event": self.name}

    async def set(self, payload: Any = None, *, ttl: float | None = None) -> EventState:
        """Raise the flag. payload is bytes, str, or what JSON can hold; None for none. ttl clears it after seconds."""
        return await self._raise("/set", payload, {} if ttl is None else {"ttl": str(ttl)})

    async def pulse(self, payload: Any = None) -> EventState:
        """Wake who waits now, and leave the flag as it was."""
        return await self._raise("/pulse", payload, {})

    async def clear(self) -> EventState:
        """Lower the flag. Who was woken stays woken."""
        return await self._take(Call("POST", self._path + "/clear", repeatable=True))

    async def get(self) -> EventState:
        """The event as it is now."""
        return await self._take(Call("GET", self._path, repeatable=True))

    async def is_set(self) -> bool:
        """Whether it is set now."""
        return (await self.get()).set

    async def wait(self, *, after: int | None = None) -> EventState:
        """Wait until it is set; with after, until it was set after that generation, even if it was cleared again."""
        query = {} if after is None else {"after": str(after)}

        async def once(hold: float) -> EventState | None:
            what = Call("GET", self._path, {**query, "wait": str(hold)}, repeatable=True)
            answer = await self._client.call(what)
            state = event_state(answer.json())
            query.setdefault("after", str(state.generation))  # from here on, each set counts
            return state if answer.status == 200 else None

        return await self._client.poll(once)

    async def delete(self) -> None:
        """Make the server forget flag, payload and generation."""
        await self._client.call(Call("DELETE", self._path, repeatable=True))

    @property
    def _path(self) -> str:
        return "/events/" + quote(self.name, safe="")

    async def _raise(self, verb: str, payload: Any, query: Mapping[str, str]) -> EventState:
        headers, body = {}, None
        if isinstance(payload, bytes):
            headers, body = {"Content-Type": "application/octet-stream"}, payload
        elif isinstance(payload, str):
            headers, body = {"Content-Type": "text/plain; charset=utf-8"}, payload.encode()
        elif payload is not None:
            headers, body = {"Content-Type": "application/json"}, json.dumps(payload, allow_nan=False).encode()
        return await self._take(Call("POST", self._path + verb, query, headers, body))

    async def _take(self, what: Call) -> EventState:
        return event_state((await self._client.call(what)).json())


class Group:
    """A handle on one group of the server, as asyncio.TaskGroup: at the end of async with its members are awaited, and
    an error inside cancels them. Others may join it, too."""

    def __init__(self, client: Client, id: str, state: GroupState | None = None) -> None:
        self._client = client
        self.id = id
        self.state = state
        """The group as far as this handle has heard of it; None when it has not."""

    def __repr__(self) -> str:
        return f"<awaitd.Group {self.id} {self.state['outcome'] if self.state else 'unknown'}>"

    def expr(self) -> Wire:
        """Makes it a Ref."""
        return {"group": self.id}

    async def __aenter__(self) -> Group:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            await self.cancel()
        elif sum((await self.get())["members"].values()) > 0:  # nobody who joined need not be waited for
            await self

    def __await__(self) -> Generator[Any, None, GroupState]:
        return self.result().__await__()

    async def result(self) -> GroupState:
        """Wait until it has members and none of them is pending; FailedError if not all succeeded."""

        async def once(hold: float) -> GroupState | None:
            state = await self._take(Call("GET", self._path, {"wait": str(hold)}, repeatable=True))
            return state if state["outcome"] != "pending" else None

        state = await self._client.poll(once)
        if state["outcome"] == "failed":
            raise group_failed(state)
        return state

    async def fetch(self, url: str, *, key: str | None = None, **request: Any) -> Future:
        """Client.fetch, whose future becomes a member."""
        return await self._client.fetch(url, key=key, group=self.id, **request)

    async def get(self) -> GroupState:
        """The group as it is now."""
        return await self._take(Call("GET", self._path, repeatable=True))

    async def cancel(self) -> GroupState:
        """Close it and cancel its members that are pending. To cancel a closed one is no error."""
        return await self._take(Call("POST", self._path + "/cancel", repeatable=True))

    async def renew(self) -> GroupState:
        """Begin its lease anew."""
        return await self._take(Call("POST", self._path + "/renew", repeatable=True))

    @property
    def _path(self) -> str:
        return "/groups/" + quote(self.id, safe="")

    async def _take(self, what: Call) -> GroupState:
        state: GroupState = (await self._client.call(what)).json()
        self.state = state
        return state


def event_state(wire: Mapping[str, Any]) -> EventState:
    """An event as the wire shows it, with its payload as Python values."""
    payload = wire.get("payload")
    value = None
    if payload:
        value = payload["json"] if "json" in payload else payload.get("text")
        if "base64" in payload:
            value = base64.b64decode(payload["base64"])
    return EventState(wire["name"], wire["set"], wire["generation"], value, wire.get("woken", 0))


def _shown(result: Mapping[str, Any]) -> bytes:
    if "json" in result:
        return json.dumps(result["json"]).encode()
    if "base64" in result:
        return base64.b64decode(result["base64"])
    return str(result["text"]).encode()


def _wait_answer(wire: Mapping[str, Any]) -> WaitAnswer:
    return WaitAnswer(wire["outcome"], _leaves(wire["done"]), _leaves(wire["pending"]))


def _leaves(wire: Iterable[Mapping[str, Any]]) -> list[Leaf]:
    return [
        Leaf(leaf["ref"], leaf["outcome"], leaf.get("future"), event_state(leaf["event"]) if "event" in leaf else None)
        for leaf in wire
    ]


def _plain(request: Mapping[str, Any]) -> dict[str, Any]:
    """A request with the Refs in it as the API takes them."""
    return {name: value.expr() if hasattr(value, "expr") else value for name, value in request.items()}
