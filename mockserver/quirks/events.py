"""Quirks of events and of their framing."""

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from mockserver.quirks.quirk import Quirk
from mockserver.sse import Event, Framing, Lines


def _no_done(events: Iterator[Event]) -> Iterator[Event]:
    return (event for event in events if event.kind != "done")


def _twice(events: Iterator[Event]) -> Iterator[Event]:
    for event in events:
        yield event
        if event.kind == "done":
            yield event


def _add(*lines: Lines) -> Callable[[Framing], Framing]:
    return lambda framing: replace(framing, extra=(*framing.extra, *lines))


def _no_space(framing: Framing) -> Framing:
    return replace(framing, spaces=0)


TABLE = (
    Quirk("done-missing", "no [DONE] at the end", "Gemini's own protocol, many gateways", _no_done, arrow="events"),
    Quirk("done-twice", "[DONE] comes twice", "proxies", _twice, arrow="events"),
    Quirk("comments-first", "comments come before the first event", "OpenRouter, DeepSeek under load",
          _add(Lines((": OPENROUTER PROCESSING", ""), event=0, times=3)), arrow="framing"),
    Quirk("comments-between", "a comment comes before every event", "OpenRouter, LiteLLM, sse-starlette, vLLM",
          _add(Lines((": keep-alive", ""))), arrow="framing"),
    Quirk("event-names", "event: message stands before the data of every event", "Spring, gateways",
          _add(Lines(("event: message",), at="first")), arrow="framing"),
    Quirk("event-ids", "every event has an id", "gateways that number events", _add(Lines(("id: {n}",), at="first")),
          arrow="framing"),
    Quirk("data-no-space", "no space after the colon of data:", "Spring, Kimi Code, some vLLM builds and gateways", _no_space,
          arrow="framing"),
)  # fmt: skip
"""Every quirk of this kind."""
