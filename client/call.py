"""What a call is made of before anything is sent: address, headers, body, and the rules it will follow. No I/O."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from typing import Any

import httpx2
import msgspec

from client.completion import Completion
from client.exchange import Exchange, Talk
from client.limits import Limits
from client.retry import Retries
from client.steps import Fault

__all__ = ["Call", "as_fault"]

DEFAULT_BASE_URL = "https://api.openai.com/v1"
CALLERS_FAULT = (httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.LocalProtocolError)
"""What only a wrong argument causes; no request was made."""
FAULTS: dict[type[Exception], Fault] = {
    # The first that fits counts, so the special ones stand first.
    httpx2.ConnectTimeout: Fault("connect", "none in time"),
    httpx2.ConnectError: Fault("connect", "a refusal"),
    httpx2.ProxyError: Fault("connect", "a proxy's refusal"),
    httpx2.TimeoutException: Fault("timeout", "nothing in time"),
    TimeoutError: Fault("timeout", "nothing in time"),
    httpx2.DecodingError: Fault("coding", "damaged data"),
    httpx2.TransportError: Fault("closed", "the end of the connection"),
    httpx2.StreamError: Fault("closed", "a closed response"),
}


class Call:
    """One call of `/chat/completions`: what the two surfaces of `client.stream` have in common."""

    def __init__(
        self,
        request: Mapping[str, Any],
        base_url: str | None,
        api_key: str | None,
        headers: Mapping[str, str] | None,
        limits: Limits | None,
        retries: Retries | int,
    ) -> None:
        base_url = base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL
        api_key = api_key or os.environ.get("OPENAI_API_KEY")
        streamed = bool(request.get("stream", True))
        self._limits = limits or Limits()
        self._exchange = Exchange(
            streamed=streamed,
            choices=request.get("n") or 1,
            limits=self._limits,
            retries=Retries(count=retries) if isinstance(retries, int) else retries,
            spread=random.random,
        )
        self._begun = False
        self._left = False
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._content = msgspec.json.encode({"stream": True, **request})
        self._headers = {
            "accept": "text/event-stream" if streamed else "application/json",
            "cache-control": "no-store",
            "content-type": "application/json",
            "user-agent": "openai-mockserver-client",
            **({"authorization": f"Bearer {api_key}"} if api_key else {}),
            **{name.lower(): value for name, value in (headers or {}).items()},
        }

    @property
    def completion(self) -> Completion:
        """What has come so far; the whole reply once the iteration has ended."""
        return self._exchange.completion

    @property
    def chunk_count(self) -> int:
        """How many chunks have come, up to the delta in hand."""
        return self._exchange.chunk_count

    @property
    def attempts(self) -> int:
        """How many requests have been made."""
        return self._exchange.attempts

    def _begin(self) -> Talk:
        """The conversation to carry out; raises RuntimeError the second time."""
        if self._begun:
            raise RuntimeError("a stream is read once; make a new call, or look at `completion` for what has come")
        self._begun = True
        return self._exchange.run()

    def _build(self, http: httpx2.Client | httpx2.AsyncClient, read_timeout_s: float | None = None) -> httpx2.Request:
        """The request; raises ValueError if an argument cannot go into one."""
        timeout = httpx2.Timeout(read_timeout_s, connect=self._limits.connect_timeout_s)
        try:
            return http.build_request("POST", self._url, content=self._content, headers=self._headers, timeout=timeout)
        except CALLERS_FAULT as error:
            raise ValueError(f"{self._url!r} is no URL to send to: {error}") from error


def as_fault(error: Exception) -> Fault:
    """What an exception of httpx2 means for the step that raised it; ValueError if it is an argument's fault."""
    if isinstance(error, CALLERS_FAULT):
        raise ValueError(f"the request cannot be sent: {error}") from error
    fault = next(fault for kind, fault in FAULTS.items() if isinstance(error, kind))
    return Fault(fault.kind, f"{fault.text} ({error})" if str(error) else fault.text, error)
