"""One call of the API, as often as it must be sent."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from ._errors import Problem, UnreachableError

# How long a server may think beyond what it was asked to hold an answer, in seconds.
ANSWER_PATIENCE = 30.0
PAUSE_MIN, PAUSE_MAX = 0.1, 5.0

# Problems that pass by themselves, and that promise that the call had no effect.
NOTHING_DONE = frozenset(
    ["busy", "too-many-futures", "too-many-waiters", "too-many-events", "too-many-groups", "draining", "not-ready"]
)
# Statuses of something between client and server, which cannot reach it now.
HALFWAY = frozenset([429, 502, 503, 504])


@dataclass
class Call:
    """A request. repeatable: to do it twice is to do it once."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    repeatable: bool = False


@dataclass
class Answer:
    """An answer with a status below 300."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        try:
            return json.loads(self.body)
        except ValueError as fault:
            raise UnreachableError(f"the answer is no JSON: this is no awaitd server ({fault})") from fault


class Transport:
    """Connections to one server."""

    def __init__(self, url: str, api_key: str | None, patience: float, hold: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
            raise ValueError(f"{url!r} is no URL of a server: write http://HOST:PORT or https://HOST")
        self._base = url.rstrip("/")
        self._patience = patience
        self._timeout = aiohttp.ClientTimeout(total=None, sock_read=hold + ANSWER_PATIENCE)
        self._headers = {"User-Agent": "awaitd-client-python"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections. A later call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def call(self, what: Call) -> Answer:
        """Try a call until it is answered, refused for good, or patience ends."""
        clock = asyncio.get_running_loop().time
        end = clock() + self._patience
        tries = 0
        while True:
            tries += 1
            pause = random.uniform(0.5, 1.0) * min(PAUSE_MIN * 2 ** min(tries - 1, 16), PAUSE_MAX)
            try:
                return await self._once(what)
            except Problem as refusal:
                halfway = refusal.code == "" and refusal.status in HALFWAY
                if refusal.code not in NOTHING_DONE and not (what.repeatable and halfway):
                    raise
                pause = max(pause, refusal.retry_after)
                if clock() + pause > end:
                    raise
            except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as broken:
                never_sent = isinstance(broken, aiohttp.ClientConnectorError)
                final = isinstance(broken, (aiohttp.ClientConnectorCertificateError, aiohttp.InvalidURL))
                if final or not (never_sent or what.repeatable) or clock() + pause > end:
                    raise UnreachableError(str(broken) or type(broken).__name__) from broken
            await asyncio.sleep(pause)

    async def _once(self, what: Call) -> Answer:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                headers=self._headers,
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=0),
                skip_auto_headers=["Content-Type", "Accept-Encoding"],
            )
        url = URL(self._base + what.path, encoded=True).update_query(dict(what.query))
        async with self._session.request(
            what.method, url, headers=dict(what.headers), data=what.body, allow_redirects=False
        ) as response:
            body = await response.read()
            if response.status < 300:
                return Answer(response.status, response.headers, body)
            raise _problem(response, body)


def _problem(response: aiohttp.ClientResponse, body: bytes) -> Problem:
    if response.content_type == "application/problem+json":
        try:
            return Problem(json.loads(body), _seconds(response.headers.get("Retry-After", "")))
        except ValueError:
            pass  # it is told as what it is
    first = body[:200].decode("utf-8", "replace").strip().partition("\n")[0]
    status = f"{response.status} {response.reason}"
    detail = f"the answer is no problem of an awaitd server, but {status}: {first!r}"
    return Problem({"status": response.status, "detail": detail}, _seconds(response.headers.get("Retry-After", "")))


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() else 0.0
