"""What can go wrong."""

from __future__ import annotations

from typing import Any


class AwaitdError(Exception):
    """Any error of this package."""


class UnreachableError(AwaitdError):
    """The server could not be reached, or what answered was no awaitd server."""


class Problem(AwaitdError):
    """The server refused a call; code says which of the documented problems it is.

    code is empty when the answer came from something between client and server.
    """

    def __init__(self, body: dict[str, Any], retry_after: float = 0.0) -> None:
        self.code: str = body.get("code", "")
        self.status: int = body.get("status", 0)
        self.detail: str = body.get("detail", "")
        self.errors: list[dict[str, str]] = body.get("errors", [])
        self.future: dict[str, Any] | None = body.get("future")
        self.retry_after = retry_after
        """Seconds after which coming back makes sense; 0 when the server does not say."""
        super().__init__(f"{self.code}: {self.detail}" if self.code else self.detail)


class FailedError(AwaitdError):
    """What was awaited is decided and failed.

    One of future, group and answer (of a wait) is what failed, as the wire shows it.
    """

    def __init__(
        self,
        message: str,
        future: dict[str, Any] | None = None,
        group: dict[str, Any] | None = None,
        answer: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.future = future
        self.group = group
        self.answer = answer

    @property
    def type(self) -> str:
        """The type of the future's or group's error, such as "timeout" or "rejected"; empty if there is none."""
        return error_of(self.future or self.group or {}).get("type", "")


def error_of(failed: dict[str, Any]) -> dict[str, str]:
    """The error of a future or group, empty if it has none."""
    return failed.get("error") or {}


def future_failed(future: dict[str, Any]) -> FailedError:
    """The error of a future that failed or was cancelled."""
    why = error_of(future)
    return FailedError(f"{future['id']} {future['state']}: {why.get('type')}: {why.get('message')}", future=future)


def group_failed(group: dict[str, Any]) -> FailedError:
    """The error of a group that was closed too early, or that has members that did not succeed."""
    why = error_of(group)
    members = group["members"]
    counts = f"{members['failed']} of its members failed, {members['cancelled']} were cancelled"
    said = f"it was closed: {why['type']}: {why['message']}" if why else counts
    return FailedError(f"{group['id']}: {said}", group=group)


def wait_failed(answer: dict[str, Any]) -> FailedError:
    """The error of a wait that failed, which names what failed in it."""
    failed = [leaf["ref"] for leaf in answer["done"] if leaf["outcome"] == "failed"]
    return FailedError("the wait failed: " + ", ".join(failed), answer=answer)
