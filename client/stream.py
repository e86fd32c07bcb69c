"""Chat completions over HTTP: `stream_chat` and `astream_chat`. The only module of this package that sends, reads and waits.

    with stream_chat({"model": "gpt-4o-mini", "messages": […]}) as stream:
        for delta in stream:
            print(delta.content, end="")
    print(stream.completion.finish_reason)

Nothing is sent before the iteration begins. It ends when the reply is whole and raises a `ChatError` when it is not.
Leaving early, in whatever way (break, `close`, the end of the `with`, an exception, cancellation), closes the connection at once.
The rules stand in `client.exchange` and below it; here its steps are carried out, once blocking and once not.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import anyio
import httpx2

from client.call import FAULTS, Call, as_fault
from client.completion import Completion, Delta
from client.limits import Limits
from client.retry import Retries
from client.steps import Drain, Fault, Head, Read, Release, Send, Step
from client.transport import DeadlineTransport, QuickAsyncTransport, Until

__all__ = ["AsyncChatStream", "ChatStream", "astream_chat", "open_http", "open_http_async", "stream_chat"]

CAUGHT: tuple[type[Exception], ...] = (*FAULTS, httpx2.InvalidURL)


class DeadlineClient(httpx2.Client):
    """An httpx2 client whose waits keep the deadlines of the stream it serves."""


def open_http() -> httpx2.Client:
    """A client whose connections are kept from call to call; pass it as `http`, and close it when done."""
    return DeadlineClient(transport=DeadlineTransport())


def open_http_async() -> httpx2.AsyncClient:
    """The same for `astream_chat`."""
    return httpx2.AsyncClient(transport=QuickAsyncTransport())


def stream_chat(
    request: Mapping[str, Any],
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    retries: Retries | int = 2,
    http: httpx2.Client | None = None,
) -> ChatStream:
    """Ask for a chat completion and iterate its deltas.

    `request` is the body of the request, as OpenAI documents it; `stream` is true unless it says otherwise (then the whole
    reply comes as one delta per choice). `base_url` ends in `/v1`; it and `api_key` default to the environment's
    OPENAI_BASE_URL and OPENAI_API_KEY. `http` keeps connections from call to call (`open_http`); without it each call has its
    own. Any `httpx2.Client` will do, but only those of `open_http` keep time limits to the point and reuse a connection after
    `[DONE]`.
    """
    return ChatStream(request, base_url, api_key, headers, limits, retries, http)


def astream_chat(
    request: Mapping[str, Any],
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    retries: Retries | int = 2,
    http: httpx2.AsyncClient | None = None,
) -> AsyncChatStream:
    """`stream_chat` for async code: `async for delta in astream_chat(…)`. Any `httpx2.AsyncClient` serves as well as another."""
    return AsyncChatStream(request, base_url, api_key, headers, limits, retries, http)


class ChatStream(Call):
    """One call, blocking. Iterated once; all that has come is in `completion`. Made by `stream_chat`."""

    def __init__(
        self,
        request: Mapping[str, Any],
        base_url: str | None,
        api_key: str | None,
        headers: Mapping[str, str] | None,
        limits: Limits | None,
        retries: Retries | int,
        http: httpx2.Client | None,
    ) -> None:
        super().__init__(request, base_url, api_key, headers, limits, retries)
        self._http = http
        self._own_http: httpx2.Client | None = None
        self._response: httpx2.Response | None = None
        self._body: Iterator[bytes] = iter(())

    def __iter__(self) -> Iterator[Delta]:
        talk = self._begin()
        result: object = None
        try:
            while not self._left:
                step = talk.send(result)
                if isinstance(step, Delta):
                    result = None
                    yield step
                else:
                    result = self._carry_out(step)
        except StopIteration:
            return
        finally:
            self.close()

    def read(self) -> Completion:
        """Read to the end and return the completion."""
        for _ in self:
            pass
        return self.completion

    def close(self) -> None:
        """Leave; the connection is closed unless its answer was read to the end. May be called at any time."""
        self._left = True
        self._release()
        if self._own_http is not None:
            self._own_http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _carry_out(self, step: Step) -> Head | bytes | Fault | None:
        try:
            match step:
                case Send():
                    return self._send(step)
                case Read() | Drain():
                    return self._read(step)
                case Release():
                    self._release()
                case _:
                    time.sleep(step.wait_s)
        except CAUGHT as error:
            return as_fault(error)
        return None

    def _send(self, step: Send) -> Head:
        http = self._http or self._own_http
        if http is None:
            http = self._own_http = open_http()
        # A client of its own limits single reads only; better too late than too early.
        longest_s = max(self._limits.ttft_timeout_s or math.inf, self._limits.idle_timeout_s or math.inf)
        read_timeout_s = None if isinstance(http, DeadlineClient) or longest_s == math.inf else longest_s
        request = self._build(http, read_timeout_s)
        with Until(step.deadline_s):
            self._response = http.send(request, stream=True, follow_redirects=False)
        self._body = self._response.iter_bytes()
        return Head(self._response.status_code, dict(self._response.headers))

    def _read(self, step: Read | Drain) -> bytes | Fault:
        if isinstance(step, Drain) and not isinstance(self._http or self._own_http, DeadlineClient):
            return Fault("timeout", "a wait without a deadline")
        with Until(step.deadline_s):
            return next(self._body, b"")

    def _release(self) -> None:
        response, self._response, self._body = self._response, None, iter(())
        if response is not None:
            response.close()


class AsyncChatStream(Call):
    """One call, not blocking. Iterated once; all that has come is in `completion`. Made by `astream_chat`."""

    def __init__(
        self,
        request: Mapping[str, Any],
        base_url: str | None,
        api_key: str | None,
        headers: Mapping[str, str] | None,
        limits: Limits | None,
        retries: Retries | int,
        http: httpx2.AsyncClient | None,
    ) -> None:
        super().__init__(request, base_url, api_key, headers, limits, retries)
        self._http = http
        self._own_http: httpx2.AsyncClient | None = None
        self._response: httpx2.Response | None = None
        self._body: AsyncGenerator[bytes, None] | None = None

    async def __aiter__(self) -> AsyncIterator[Delta]:
        talk = self._begin()
        result: object = None
        try:
            while not self._left:
                step = talk.send(result)
                if isinstance(step, Delta):
                    result = None
                    yield step
                else:
                    result = await self._carry_out(step)
        except StopIteration:
            return
        finally:
            await self.close()

    async def read(self) -> Completion:
        """Read to the end and return the completion."""
        async for _ in self:
            pass
        return self.completion

    async def close(self) -> None:
        """Leave; the connection is closed unless its answer was read to the end. May be called at any time."""
        self._left = True
        with anyio.CancelScope(shield=True):
            await self._release()
            if self._own_http is not None:
                await self._own_http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _carry_out(self, step: Step) -> Head | bytes | Fault | None:
        try:
            match step:
                case Send():
                    return await self._send(step)
                case Read() | Drain():
                    with anyio.fail_after(step.deadline_s - time.monotonic()):
                        return await anext(self._body, b"") if self._body is not None else b""
                case Release():
                    await self._release()
                case _:
                    await anyio.sleep(step.wait_s)
        except CAUGHT as error:
            return as_fault(error)
        return None

    async def _send(self, step: Send) -> Head:
        http = self._http or self._own_http
        if http is None:
            http = self._own_http = open_http_async()
        request = self._build(http)
        with anyio.fail_after(step.deadline_s - time.monotonic()):
            self._response = await http.send(request, stream=True, follow_redirects=False)
        self._body = self._response.aiter_bytes()
        return Head(self._response.status_code, dict(self._response.headers))

    async def _release(self) -> None:
        response, body = self._response, self._body
        self._response = self._body = None
        if body is not None:
            with contextlib.suppress(RuntimeError):  # a read of another task is under way; closing the response ends it
                await body.aclose()
        if response is not None:
            await response.aclose()
