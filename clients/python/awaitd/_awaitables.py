"""Objects to await: what asyncio's tutorials build by hand in one process, over a server for many."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterable
from typing import Any

from ._client import Client, Event, EventState, Future
from ._refs import Wire, all_of, at_least


class CustomAwaitable:
    """Awaits one event, whoever sets it, and gives the event."""

    def __init__(self, client: Client, name: str) -> None:
        self.event: Event = client.event(name)

    def expr(self) -> Wire:
        """Makes it a Ref."""
        return self.event.expr()

    def __await__(self) -> Generator[Any, None, EventState]:
        return self.event.wait().__await__()


class MultiEventAwaitable:
    """Awaits several events with one call, all of them or at_least so many, and gives those that were set, in the order
    in which they were named."""

    def __init__(self, client: Client, names: Iterable[str], *, at_least: int | None = None) -> None:
        self._client = client
        self.events: list[Event] = [client.event(name) for name in names]
        self._needed = len(self.events) if at_least is None else at_least

    def expr(self) -> Wire:
        """Makes it a Ref."""
        if self._needed == len(self.events):
            return all_of(*self.events).expr()
        return at_least(self._needed, *self.events).expr()

    def __await__(self) -> Generator[Any, None, list[EventState]]:
        return self._wait().__await__()

    async def _wait(self) -> list[EventState]:
        answer = await self._client.wait(self)
        found = {leaf.event.name: leaf.event for leaf in answer.done if leaf.event is not None}
        return [found[event.name] for event in self.events if event.name in found]


class ExternalAPIAwaitable:
    """Awaits the JSON of an external API, which the server fetches, retries and remembers.

    The request is submitted with the first await, and once: whoever awaits the object again, or at the same time, awaits
    the same fetch. request is that of Client.fetch.
    """

    def __init__(self, client: Client, url: str, **request: Any) -> None:
        self._client = client
        self._url = url
        self._request = request
        self._key: str = request.pop("key", None) or str(uuid.uuid4())
        self.future: Future | None = None
        """The fetch, once it has been submitted."""

    def __await__(self) -> Generator[Any, None, Any]:
        return self._fetch().__await__()

    async def submit(self) -> Future:
        """Submit the request without waiting for its answer. Again, it finds the same fetch."""
        if self.future is None:
            future = await self._client.fetch(self._url, key=self._key, **self._request)
            self.future = self.future or future  # the key makes both the same
        return self.future

    async def _fetch(self) -> Any:
        response = await (await self.submit())
        return response.json()
