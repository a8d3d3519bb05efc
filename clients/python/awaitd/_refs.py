"""What can be waited for, and expressions over it."""

from __future__ import annotations

import datetime
from typing import Any, Protocol, Union

Wire = Union[str, dict[str, Any]]


class Ref(Protocol):
    """A future, an event, an awaitable of this package, or an expression over them."""

    def expr(self) -> Wire:
        """The expression as the API takes it."""
        ...


class Expr:
    """A wait expression, ready for Client.wait."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def expr(self) -> Wire:
        """The expression as the API takes it."""
        return self._wire

    def __repr__(self) -> str:
        return f"Expr({self._wire!r})"


def all_of(*refs: Ref) -> Expr:
    """Satisfied when every ref is, failed as soon as one failed."""
    return Expr({"all": [ref.expr() for ref in refs]})


def any_of(*refs: Ref) -> Expr:
    """Satisfied as soon as one ref is, failed when all failed."""
    return Expr({"any": [ref.expr() for ref in refs]})


def at_least(k: int, *refs: Ref) -> Expr:
    """Satisfied when k refs are, failed when fewer than k can still be."""
    return Expr({"at_least": k, "of": [ref.expr() for ref in refs]})


def settled(ref: Ref) -> Expr:
    """Satisfied when ref is decided, either way."""
    return Expr({"settled": ref.expr()})


def sleep(seconds: float) -> Expr:
    """Satisfied once so many seconds have passed since the wait began."""
    return Expr({"sleep": seconds})


def until(moment: datetime.datetime) -> Expr:
    """Satisfied once the server's clock has reached moment, which must know its zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs a zone, such as datetime.timezone.utc")
    return Expr({"until": moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")})
