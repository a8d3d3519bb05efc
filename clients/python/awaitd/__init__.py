"""asyncio's vocabulary across processes: await what an awaitd server keeps for everybody."""

from ._awaitables import CustomAwaitable, ExternalAPIAwaitable, MultiEventAwaitable
from ._client import Client, Event, EventState, Future, FutureState, Group, GroupState, Leaf, Response, WaitAnswer
from ._errors import AwaitdError, FailedError, Problem, UnreachableError
from ._refs import Expr, Ref, all_of, any_of, at_least, settled, sleep, until

__all__ = [
    "AwaitdError",
    "Client",
    "CustomAwaitable",
    "Event",
    "EventState",
    "Expr",
    "ExternalAPIAwaitable",
    "FailedError",
    "Future",
    "FutureState",
    "Group",
    "GroupState",
    "Leaf",
    "MultiEventAwaitable",
    "Problem",
    "Ref",
    "Response",
    "UnreachableError",
    "WaitAnswer",
    "all_of",
    "any_of",
    "at_least",
    "settled",
    "sleep",
    "until",
]
