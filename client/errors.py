"""Every error that this package raises on purpose, in one tree.

    ChatError                what a caller may catch: something came that is not a whole, good answer
    ├── NotReachedError      no answer at all: refused, unreachable, or closed before a status line
    ├── RefusedError         an answer whose status is not 2xx
    ├── NotAStreamError      2xx, but the body is something else: HTML, JSON, plain text
    ├── MalformedError       the bytes cannot be read: bad UTF-8, bad JSON, a chunk of the wrong shape, a damaged coding
    ├── ReportedError        an error told by the server, inside the stream or as a 2xx body
    ├── TruncatedError       the stream ended before the answer was whole
    ├── StalledError         a time limit passed
    └── TooLargeError        a line, an event or a body grew over its bound

Nothing received is lost: `completion` holds what had come when the error struck, and `attempts` says how many requests were made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from client.completion import Completion

__all__ = [
    "ChatError",
    "MalformedError",
    "NotAStreamError",
    "NotReachedError",
    "RefusedError",
    "ReportedError",
    "StalledError",
    "TooLargeError",
    "TruncatedError",
]

EXCERPT_CHARS = 200
"""How much of what came an error message shows."""


class ChatError(Exception):
    """The root: what was expected, what came instead, and what to do about it where that is known."""

    completion: Completion | None = None
    """What had been received when the error struck; None only where nothing could have been (a bare `client.sse.Parser`)."""

    attempts: int = 1
    """How many requests had been made, the failed one included."""

    def __init__(self, expected: str, got: str, *, remedy: str = "") -> None:
        # Positional arguments go to Exception, so that the error survives pickling.
        super().__init__(expected, got)
        self.expected = expected
        self.got = got
        self.remedy = remedy

    def __str__(self) -> str:
        return f"expected {self.expected}, got {self.got}" + (f"; {self.remedy}" if self.remedy else "")


class NotReachedError(ChatError):
    """No answer came: the name is unknown, the port is closed, or the connection ended before a status line."""


class RefusedError(ChatError):
    """The server answered with a status other than 2xx.

    `status` is the HTTP status, `headers` the answer's headers in lower case, `body` the start of its body as text,
    `error` the error object in it (or an empty mapping), `retry_after_s` the wait in seconds the server asked for, or None.
    """

    status: int = 0
    headers: Mapping[str, str] = {}
    body: str = ""
    error: Mapping[str, Any] = {}
    retry_after_s: float | None = None


class NotAStreamError(ChatError):
    """The answer is 2xx, but not an event stream; `body` is the start of what came, as text."""

    body: str = ""


class MalformedError(ChatError):
    """What came cannot be read as a chat stream; nothing was guessed in its place."""


class ReportedError(ChatError):
    """The server told an error after it had begun with a 2xx; `error` is the error object as it came."""

    error: Mapping[str, Any] = {}


class TruncatedError(ChatError):
    """The stream ended before the answer was whole; `unfinished` is the text of an event or line cut by the end."""

    unfinished: str = ""


class StalledError(ChatError):
    """A time limit passed; `limit` names it (`connect`, `ttft`, `idle`, `total`), `limit_s` is its length in seconds."""

    limit: str = ""
    limit_s: float = 0.0


class TooLargeError(ChatError):
    """Something grew over its bound before it ended; `bound_bytes` is the bound."""

    bound_bytes: int = 0


def excerpt(text: str | bytes) -> str:
    """The start of `text`, quoted, short enough for an error message."""
    shown = text[:EXCERPT_CHARS]
    if isinstance(shown, bytes):
        shown = shown.decode("utf-8", "replace")
    return repr(shown) + (f" … ({len(text)} in all)" if len(text) > EXCERPT_CHARS else "")
