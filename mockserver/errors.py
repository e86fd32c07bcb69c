"""Every error that this package raises on purpose, in one tree.

    MockServerError                what a caller may catch
    ├── UsageError                 an option, an argument or a call that cannot be carried out as it stands
    │   ├── ScenarioError          a scenario file or object is wrong; carries every `Problem` found
    │   ├── StartError             the server cannot listen where it was told to
    │   └── ConnectionNotLentError the ASGI server under us does not lend its connection (a test client, another server)
    └── RequestError               the client's request is wrong: theirs, not ours; becomes OpenAI's error body

`UsageError`s reach a terminal as one line and exit code 2. A `RequestError` never leaves the server except as a response.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class MockServerError(Exception):
    """The root of all errors raised by this package."""


class UsageError(MockServerError):
    """Something was asked that cannot be done as it stands; the message says what to do instead."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a scenario: where it is, what is wrong, and the remedy.

    `line` counts from 1 and is None where no file is behind the scenario. `place` is a path such as
    `scenarios[2].timing.itl`.
    """

    message: str
    place: str = ""
    file: str | None = None
    line: int | None = None
    remedy: str | None = None

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        parts = [part for part in (where, self.place, self.message) if part]
        return ": ".join(parts) + (f" ({self.remedy})" if self.remedy else "")


class ScenarioError(UsageError):
    """A scenario cannot be used; `problems` holds every mistake found, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - 1
        shows = (
            "`mockserver validate` shows all" if any(problem.file for problem in self.problems) else "see `problems`"
        )
        tail = f" (and {more} more: {shows})" if more > 0 else ""
        super().__init__(f"{self.problems[0]}{tail}" if self.problems else "the scenario is wrong")


class StartError(UsageError):
    """The server could not bind or listen; the message names the address and the system's reason."""


class ConnectionNotLentError(UsageError):
    """A plan was to be played, but no connection was lent: see `mockserver.transport`."""


ERROR_TYPES = {429: "requests", 503: "service_unavailable"}
"""The types of errors that are neither the client's in general nor the server's in general, by status."""


def type_of_error(status: int) -> str:
    """What the real API's error object says as its type under this HTTP status, unless it says something more special.

    A wrong key (401) and a model that a project may not use (403) are `invalid_request_error` too; their `code` tells them.
    """
    return ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")


class RequestError(MockServerError):
    """The client's request is wrong, as the real API would say it.

    `status` is the HTTP status; `type` (by default that of the status), `param` and `code` are the fields of OpenAI's error
    object (https://platform.openai.com/docs/guides/error-codes); `headers` go out with the answer.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str | None = None,
        param: str | None = None,
        code: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type or type_of_error(status)
        self.param = param
        self.code = code
        self.headers = headers
