"""Hypothesis: deliveries, made of small parts. Each part is left as it is by default, so that a failing example shrinks to the
few of them that matter."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from hypothesis import strategies as st
from msgspec.structs import replace

from mockserver.faults import FAULTS, Fault
from mockserver.http import Http, Interim
from mockserver.json_text import JsonStyle
from mockserver.place import EventRef, Place
from mockserver.scenario import Delivery
from mockserver.shorthand import Duration, Size
from mockserver.sse import Framing, Lines
from mockserver.timing import Comments, Pause, PauseAt, Timing
from mockserver.writes import Mode, Writes

_T = TypeVar("_T")


def parts(kind: type[_T], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[_T]:
    """A `kind` of which some fields are drawn and the others as they are by default; it shrinks to the default."""
    return st.fixed_dictionaries({}, optional=fields).map(lambda given: kind(**given))


# Places

EVENT_NAMES = ("role", "finish", "usage", "done")
WITHOUT_EVENT = ("before_reply", "before_headers", "after_headers", "after_finish", "after_done")
WITH_EVENT = ("before_event", "inside_event", "after_event")

event_refs: st.SearchStrategy[EventRef] = (st.integers(0, 12) | st.sampled_from(EVENT_NAMES)).map(EventRef)
places: st.SearchStrategy[Place] = st.sampled_from(WITHOUT_EVENT).map(Place) | st.builds(
    Place, st.sampled_from(WITH_EVENT), event_refs
)


# The parts of a legal delivery

_LINE_ENDS = st.sampled_from(("lf", "crlf", "cr"))
_BETWEEN_EVENTS = st.sampled_from(("", ": keep-alive", ":", "retry: 3000", "id: {n}", "foo: bar", "event: message"))
_IN_EVENTS = st.sampled_from((": in between", "event: message", "id: 7", "foo", "retry: x"))
_WHICH = st.just("each") | st.integers(0, 5) | st.sampled_from(EVENT_NAMES)

lines: st.SearchStrategy[Lines] = st.builds(
    Lines,
    st.lists(_BETWEEN_EVENTS, min_size=1, max_size=3).map(tuple),
    at=st.sampled_from(("before", "after")),
    event=_WHICH,
    times=st.integers(1, 3),
) | st.builds(
    Lines,
    st.lists(_IN_EVENTS, min_size=1, max_size=3).map(tuple),
    at=st.sampled_from(("first", "inside", "last")),
    event=_WHICH,
)
framings: st.SearchStrategy[Framing] = parts(
    Framing,
    line_end=_LINE_ENDS | st.lists(_LINE_ENDS, min_size=1, max_size=4).map(tuple),
    spaces=st.integers(0, 3),
    bom=st.just(True),
    data_lines=st.integers(2, 5),
    final_blank_line=st.just(False),
    extra=st.lists(lines, min_size=1, max_size=2).map(tuple),
)

json_styles: st.SearchStrategy[JsonStyle] = parts(
    JsonStyle,
    ascii=st.just(True),
    spaces=st.just(True),
    indent=st.integers(0, 3),
    key_order=st.sampled_from(("sorted", "reversed")),
)
groups: st.SearchStrategy[Any] = (
    st.integers(1, 4) | st.just("all") | st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
)

_HEADER_VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters=[chr(c) for c in range(0x7F, 0xA0)])
)
_TYPES = st.sampled_from(("text/event-stream", "Text/Event-Stream;charset=UTF-8", "text/event-stream ; charset=utf-8"))
_EXTENSIONS = st.sampled_from((";a", ";sig=1", '; name = "quoted \\" text"', ";a=1;b"))
headers: st.SearchStrategy[dict[str, str | None]] = st.fixed_dictionaries(
    {},
    optional={
        "X-Extra": _HEADER_VALUES,
        "x-request-id": st.none(),
        "content-type": _TYPES,
        "Cache-Control": st.just("no-cache"),
    },
)
https: st.SearchStrategy[Http] = parts(
    Http,
    headers=headers,
    version=st.sampled_from(("1.1", "1.0")),
    connection=st.just("close"),
    transfer=st.sampled_from(("chunked", "length", "close")),
    chunk_size=st.integers(1, 2000).map(Size),
    chunk_extension=_EXTENSIONS,
    trailers=st.just({"X-Checksum": "1"}),
    coding=st.sampled_from(("gzip", "deflate", "br")),
    coding_unasked=st.just(True),
    flush=st.just("end"),
    interim=st.just((Interim(103, {"Link": "</a>"}),)),
)

sizes: st.SearchStrategy[Size] = (st.integers(1, 64) | st.integers(1, 65536)).map(Size)
offset_lists: st.SearchStrategy[tuple[int, ...]] = st.sets(st.integers(1, 6000), min_size=1, max_size=6).map(
    lambda found: tuple(sorted(found))
)
cut_names: st.SearchStrategy[Any] = st.sets(
    st.sampled_from(("utf8", "field", "crlf", "blank_line", "json", "escape")), min_size=1
).map(lambda names: tuple(sorted(names)))
durations: st.SearchStrategy[Duration] = st.integers(0, 40).map(lambda ms: Duration(ms / 1000))


@st.composite
def write_modes(draw: st.DrawFn) -> Writes:
    """Any way of cutting a body into send calls."""
    mode: Mode = draw(st.sampled_from(("due", "event", "size", "random", "offsets", "cuts", "bytes")))
    given: dict[str, Any] = {}
    if mode in ("size", "random"):
        given["size"] = draw(sizes)
    elif mode == "offsets":
        given["offsets"] = draw(offset_lists)
    elif mode == "cuts":
        given["cuts"] = draw(cut_names)
    if mode not in ("due", "event", "cuts"):
        given["of"] = draw(st.sampled_from(("wire", "body", "response")))
    if mode != "due" and draw(st.booleans()):
        given["gap"] = draw(durations)
    return Writes(mode=mode, **given)


writes: st.SearchStrategy[Writes] = st.just(Writes()) | write_modes()

pauses: st.SearchStrategy[Pause] = durations.map(lambda pause: Pause("fixed", (pause,))) | st.builds(
    lambda least, more: Pause("uniform", (least, least + more)), durations, durations
)
timings: st.SearchStrategy[Timing] = parts(
    Timing,
    ttft=pauses,
    itl=pauses,
    headers=durations,
    burst=st.integers(2, 4),
    speed=st.sampled_from((0.5, 2.0)),
    pauses=st.lists(st.builds(PauseAt, places, durations), max_size=3).map(tuple),
    comments=st.builds(
        Comments, st.integers(1, 40).map(lambda ms: Duration(ms / 1000)), st.sampled_from(("", " ping"))
    ),
    seed=st.integers(0, 9),
)


def deliveries(faults: st.SearchStrategy[Fault] | None = None) -> st.SearchStrategy[Delivery]:
    """Legal deliveries; with `faults`, ones that also have one to three of these."""
    fields: dict[str, st.SearchStrategy[Any]] = {
        "group": groups,
        "json": json_styles,
        "framing": framings,
        "http": https,
        "writes": writes,
    }
    legal = parts(Delivery, **fields)
    if faults is None:
        return legal
    several = st.lists(faults, min_size=1, max_size=3).map(tuple)
    return st.builds(lambda delivery, struck: replace(delivery, faults=struck), legal, several)


# Faults: the options of each, by its name

_SMALL = st.integers(1, 3000).map(Size)
_AT = {"at": places}
_EVENT = {"event": event_refs}
FAULT_OPTIONS: Mapping[str, Mapping[str, st.SearchStrategy[Any]]] = {
    "truncate": _AT,
    "close": _AT,
    "reset": {**_AT, "drain": st.booleans()},
    "half_close": _AT,
    "stall": {**_AT, "lasts": durations},
    "bad_json": {**_EVENT, "data": st.sampled_from(("", "{", "NaN,", "{}"))},
    "half_event": _EVENT,
    "bad_utf8": {**_EVENT, "bytes": st.sampled_from(("ff", "c3", "eda080", "fffe"))},
    "duplicate": _EVENT,
    "drop": _EVENT,
    "swap": _EVENT,
    "done_suffix": {**_EVENT, "text": st.sampled_from(("xyz", "\nxyz", " "))},
    "after_done": {"events": st.just(("{}", "[DONE]"))},
    "only": {"what": st.sampled_from(("done", "comments", "nothing"))},
    "error_event": {
        **_AT,
        "shape": st.sampled_from(("object", "chunk", "flat", "named", "typed", "unframed", "plain_text", "bare_line")),
        "then": st.sampled_from(("end", "done", "close", "go_on")),
        "message": st.sampled_from(("Overloaded", "é")),
        "code": st.just("overloaded"),
    },
    "other_body": {
        "what": st.sampled_from(("html", "error", "completion")),
        "text": st.sampled_from(("", "<p>", "[1]", "no")),
        "content_type": st.just("text/event-stream"),
    },
    "damaged_coding": _EVENT,
    "wrong_length": {"by": st.integers(-500, 500)},
    "bad_chunk": _AT,
    "endless": {
        **_AT,
        "what": st.sampled_from(("line", "event", "comments", "blank")),
        "size": _SMALL,
        "every": durations.filter(bool),
    },
    "gzip_bomb": {**_AT, "size": st.integers(1, 200_000).map(Size)},
    "large_event": {**_AT, "size": st.integers(1, 200_000).map(Size)},
    "many_chunks": {**_EVENT, "count": st.integers(1, 300)},
}
_ALWAYS = {"endless": ("size",), "gzip_bomb": ("size",), "large_event": ("size",), "many_chunks": ("count",)}
"""Options without which a fault would be too large for a test that runs a hundred times."""


def fault(name: str) -> st.SearchStrategy[Fault]:
    """A fault of one kind, with any options."""
    options = dict(FAULT_OPTIONS[name])
    always = {option: options.pop(option) for option in _ALWAYS.get(name, ())}
    kind = FAULTS[name]
    return st.fixed_dictionaries(always, optional=options).map(lambda given: kind(**given))


def faults(names: Sequence[str] = tuple(FAULT_OPTIONS)) -> st.SearchStrategy[Fault]:
    """Any fault of these kinds."""
    return st.sampled_from(names).flatmap(fault)


@st.composite
def partitions(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Bytes cut into pieces, of which some may be empty."""
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=8))
    return [data[a:b] for a, b in pairwise([0, *sorted(cuts), len(data)])]
