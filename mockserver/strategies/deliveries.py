"""Hypothesis: deliveries, made of small parts. Each part is left as it is by default, so that a failing example shrinks to the
few of them that matter."""

from collections.abc import Sequence
from typing import Any, get_args

from hypothesis import strategies as st
from msgspec.structs import replace

from mockserver.delivery import Delivery
from mockserver.faults import Fault
from mockserver.http import Coding, Http, Interim, find_missing_extra
from mockserver.json_text import JsonStyle
from mockserver.shorthand import Duration, Size
from mockserver.sse import Framing, Lines
from mockserver.strategies.parts import parts
from mockserver.strategies.places import EVENT_NAMES, durations, places
from mockserver.timing import Comments, Pause, PauseAt, Timing
from mockserver.writes import Mode, Writes

CODINGS: tuple[Coding, ...] = tuple(coding for coding in get_args(Coding) if find_missing_extra(coding) is None)
"""Those that this installation can make: br needs the extra `brotli`."""
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
headers: st.SearchStrategy[dict[str, str | tuple[str, ...] | None]] = st.fixed_dictionaries(
    {},
    optional={
        "X-Extra": _HEADER_VALUES,
        "x-request-id": st.none(),
        "content-type": _TYPES,
        "Cache-Control": st.just("no-cache"),
        "Set-Cookie": st.just(("a=1", "b=2; HttpOnly")),
    },
)


def https(codings: Sequence[Coding] = CODINGS) -> st.SearchStrategy[Http]:
    """Legal ways of writing the HTTP message; `codings` are those that the body may have."""
    coding: dict[str, st.SearchStrategy[Any]] = {"coding": st.sampled_from(codings)} if codings else {}
    return parts(
        Http,
        headers=headers,
        version=st.sampled_from(("1.1", "1.0")),
        connection=st.just("close"),
        transfer=st.sampled_from(("chunked", "length", "close")),
        chunk_size=st.integers(1, 2000).map(Size),
        chunk_extension=_EXTENSIONS,
        trailers=st.just({"X-Checksum": "1"}),
        coding_unasked=st.just(True),
        flush=st.just("end"),
        interim=st.just((Interim(103, {"Link": "</a>"}),)),
        **coding,
    )


sizes: st.SearchStrategy[Size] = (st.integers(1, 64) | st.integers(1, 65536)).map(Size)
offset_lists: st.SearchStrategy[tuple[int, ...]] = st.sets(st.integers(1, 6000), min_size=1, max_size=6).map(
    lambda found: tuple(sorted(found))
)
cut_names: st.SearchStrategy[Any] = st.sets(
    st.sampled_from(("utf8", "field", "crlf", "blank_line", "json", "escape")), min_size=1
).map(lambda names: tuple(sorted(names)))


@st.composite
def write_modes(draw: st.DrawFn, gaps: st.SearchStrategy[Duration] = durations) -> Writes:
    """Any way of cutting a body into send calls; `gaps` are the pauses there may be between them."""
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
        given["gap"] = draw(gaps)
    return Writes(mode=mode, **given)


writes: st.SearchStrategy[Writes] = st.just(Writes()) | write_modes()

_NO_GAP = Duration(0)
quick_writes: st.SearchStrategy[Writes] = writes.map(
    lambda how: how if how.mode == "due" else replace(how, gap=_NO_GAP)
)
"""Each write a send call of its own, but without a pause: thousands of them take no time."""

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

_SHORT = st.integers(0, 20).map(lambda tenths: Duration(tenths / 10_000))
quick_timings: st.SearchStrategy[Timing] = parts(
    Timing,
    ttft=_SHORT.map(lambda pause: Pause("fixed", (pause,))),
    itl=st.integers(0, 2).map(lambda tenths: Pause("fixed", (tenths / 10_000,))),
    headers=_SHORT,
    pauses=st.lists(st.builds(PauseAt, places, _SHORT), max_size=2).map(tuple),
    comments=st.just(Comments(Duration(0.001), " ping")),
)
"""Times of a few milliseconds in all."""


def deliveries(
    faults: st.SearchStrategy[Fault] | None = None,
    *,
    dialects: Sequence[str] = (),
    codings: Sequence[Coding] = CODINGS,
    paced: bool = True,
    max_faults: int = 3,
) -> st.SearchStrategy[Delivery]:
    """Legal deliveries; with `faults`, ones that also have one to `max_faults` of these.

    `dialects` are the names of those that a delivery may speak in place of OpenAI's own (see `mockserver list`), `codings`
    those that a body may have. Without `paced` there is no pause between two writes.
    """
    fields: dict[str, st.SearchStrategy[Any]] = {
        "group": groups,
        "json": json_styles,
        "framing": framings,
        "http": https(codings),
        "writes": writes if paced else quick_writes,
    }
    if dialects:
        fields["dialect"] = st.sampled_from(dialects)
    legal = parts(Delivery, **fields)
    if faults is None:
        return legal
    several = st.lists(faults, min_size=1, max_size=max_faults).map(tuple)
    return st.builds(lambda delivery, struck: replace(delivery, faults=struck), legal, several)
