"""The fault that a server tells in the stream: an error under status 200, in every shape that is known."""

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from mockserver.faults.cuts import CUT, cut_at
from mockserver.faults.fault import Around, Fault, FaultArrow, find_event
from mockserver.faults.landmarks import Landmarks
from mockserver.place import EventRef, Place
from mockserver.quirks.quirk import Right
from mockserver.shorthand import default
from mockserver.sse import Event, Slice
from mockserver.steps import Step

MESSAGE = "The server had an error while processing your request"

Shape = Literal[
    "object", "chunk", "flat", "fields", "string", "detail", "array", "named", "named_object", "typed", "unframed", "plain_text",
    "bare_line",
]  # fmt: skip


def _data(make: Callable[[str, str], Any]) -> Callable[[str, str, bytes], Event]:
    return lambda message, code, chunk: Event(msgspec.json.encode(make(message, code)), 0.0, "error")


def _named(make: Callable[[str, str], Any]) -> Callable[[str, str, bytes], Event]:
    return lambda message, code, chunk: Event(msgspec.json.encode(make(message, code)), 0.0, "error", name="error")


def tell_object(message: str, code: str | None) -> dict[str, Any]:
    """OpenAI's error object."""
    return {"error": {"message": message, "type": "server_error", "param": None, "code": code}}


def _in_chunk(message: str, code: str, chunk: bytes) -> Event:
    data: dict[str, Any] = msgspec.json.decode(chunk)
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "native_finish_reason": None}
    data |= {"error": {"code": code, "message": message}, "choices": [choice]}
    return Event(msgspec.json.encode(data), 0.0, "error")


SHAPES: dict[str, tuple[str, Callable[[str, str, bytes], Event]]] = {
    # shape -> who sends it, how it is made of a message, a code and a chunk of the stream
    "object": ("OpenAI, vLLM, SGLang, TGI, gateways", _data(tell_object)),
    "chunk": ("OpenRouter", _in_chunk),
    "flat": ("vLLM", _data(lambda m, c: {"object": "error", "message": m, "type": "InternalServerError",
                                        "param": None, "code": 500})),
    "fields": ("Venice", _data(lambda m, c: {"error_type": c, "error_message": m})),
    "string": ("small servers", _data(lambda m, c: {"error": m})),
    "detail": ("FastAPI servers", _data(lambda m, c: {"detail": m})),
    "array": ("Gemini", _data(lambda m, c: [{"error": {"code": 503, "message": m, "status": c}}])),
    "named": ("Anthropic style, gateways", _named(lambda m, c: {"message": m, "code": c})),
    "named_object": ("gateways", _named(tell_object)),
    "typed": ("Anthropic", _named(lambda m, c: {"type": "error", "error": {"type": c, "message": m}})),
    "unframed": ("lemonade, toolhive, llama-server proxies", lambda m, c, chunk: Event(
        b"", 0.0, "error", raw=msgspec.json.encode(tell_object(m, c)) + b"\n\n")),
    "plain_text": ("mistral.rs", lambda m, c, chunk: Event(m.encode(), 0.0, "error")),
    "bare_line": ("key proxies", lambda m, c, chunk: Event(b"", 0.0, "error", raw=m.encode() + b"\n\n")),
}  # fmt: skip


class ToldError(Fault, frozen=True, tag="error_event"):
    """The server tells an error in the stream, under status 200."""

    arrow: ClassVar[FaultArrow] = "events"
    sent_by: ClassVar[str] = "OpenAI and nearly everybody, each in a shape of their own"
    shape: Annotated[Shape, Meta(description="How it is told: see `mockserver explain error_event`.")] = "object"
    at: Annotated[
        Place,
        Meta(description="Before or after which event; inside one is before it, at the headers before the first."),
    ] = default(Place("after_event", EventRef(1)))
    message: Annotated[str, Meta(description="What the error says.")] = MESSAGE
    code: Annotated[str, Meta(description="The code of the error, in the shapes that have one.")] = "server_error"
    then: Annotated[
        Literal["end", "done", "close", "go_on"],
        Meta(
            description="What follows: the end of the body (end), [DONE] and the end (done), the connection's close without "
            "an end (close), or the rest of the stream (go_on)."
        ),
    ] = "end"

    def right_in(self, stream: Landmarks) -> Right:
        before = stream.events_before(self._place)
        if before is None:
            return "same"
        seen = stream.seen(before)
        if not self.is_framed:  # to a parser of event streams no error at all, and perhaps a cut
            return "error" if seen == "part" and self.then != "go_on" else "either"
        return "either" if seen == "done" else "error"

    @staticmethod
    def explanations() -> Iterator[str]:
        """The shapes, each with who sends it and what it looks like."""
        yield "Shapes:"
        for name, (sent_by, make) in SHAPES.items():
            event = make("text", "code", b"{}")
            looks = event.raw if event.raw is not None else b"data: " + event.data
            front = f"event: {event.name}, " if event.name else ""
            yield f"  {name:<13} {front}{looks.decode().strip()}  ({sent_by})"

    @property
    def is_framed(self) -> bool:
        """Whether it is told as an event; what is not, a parser of event streams drops."""
        return self.shape not in ("unframed", "bare_line")

    @property
    def _place(self) -> Place:
        return self.at if self.at.target is not None else Place("before_event", EventRef(0))

    def on_events(self, events: Iterable[Event], around: Around) -> Iterator[Event]:
        is_before = not self._place.kind.startswith("after")
        for where, event in find_event(self._place.target or EventRef(0), events, around):
            if event.kind == "whole":
                yield self._event(event.due_s, around)
            elif where == "before":
                yield event
            elif where == "here":
                if not is_before:
                    yield event
                yield self._event(event.due_s, around)
                if is_before and self._goes_on(event):
                    yield event
            elif self._goes_on(event):
                yield event

    def _goes_on(self, event: Event) -> bool:
        """Whether an event behind the error still comes."""
        return self.then == "go_on" or (self.then == "done" and event.kind == "done")

    def _event(self, due_s: float, around: Around) -> Event:
        _, make = SHAPES[self.shape]
        return replace(make(self.message, self.code, around.chunk or b"{}"), due_s=due_s)

    def on_wire(self, wire: Iterable[Slice | Step], around: Around) -> Iterable[Slice | Step]:
        if self.then != "close":
            return wire
        return cut_at(Place("after_event", EventRef("error")), wire, around, CUT)


TABLE = (ToldError,)
