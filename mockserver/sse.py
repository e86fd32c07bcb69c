"""Event, comment -> bytes: everything that shapes a server-sent event lives here. This module knows no JSON.

The rules are those of the WHATWG HTML standard, section 9.2.5 ("Parsing an event stream"; W5) and 9.2.6 ("Interpreting an
event stream"; W6), seen from the sender's side: a stream is lines, ended by LF, CR or CRLF; a line that starts with a colon
is a comment; a field is `name: value`; a blank line ends the event.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import cycle, pairwise
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

SLICE_BYTES = 65536
"""The largest piece in which anything is rendered, in bytes."""

BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_STRING_OR_COMMA = re.compile(rb'"(?:[^"\\]|\\.)*+"|,', re.DOTALL)
_DATA_LINE = re.compile("data(:|$)")
_EMPTY_DATA_LINE = re.compile("data(: ?)?")
LINE_ENDS = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}
LineEnd = Literal["lf", "crlf", "cr"]


class Event(Struct, frozen=True):
    """One server-sent event on its way: its data (UTF-8), when it is due in seconds, and what it is for.

    `kind` is a `ChunkKind`, or `done` for the `[DONE]` that ends the stream. `name` goes into an `event:` field. `raw` are
    bytes that stand in place of the whole event, its end included.
    """

    data: bytes
    due_s: float
    kind: str
    name: str | None = None
    raw: bytes | None = None


class Slice(Struct, frozen=True):
    """Some bytes of the body, when they are due, and where in the stream they stand.

    `event` is the number of the event they belong to (from 0), or None between events. `starts` and `ends` say whether the
    event begins or ends with this slice. `joins`: leaves in one send call with the slice before it. The marks ride along
    through the codings; a slice may be empty and carry nothing but its marks.
    """

    data: bytes
    due_s: float
    event: int | None = None
    kind: str = ""
    starts: bool = True
    ends: bool = True
    joins: bool = False


class Lines(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Lines to put before, into or after events: comments, blank lines, `event:`, `id:`, `retry:`, unknown fields.

    None of them changes what an event says.
    """

    lines: Annotated[
        tuple[str, ...],
        Meta(
            description='Lines without their ends; "" is a blank line, before or after an event. {n} stands for the number of '
            "the event. Of data only empty lines, in an event; [DONE] gets none of them."
        ),
    ]
    at: Annotated[
        Literal["before", "first", "inside", "last", "after"],
        Meta(
            description="before or after the event; or in it: as its first or last lines, or inside, after its first line."
        ),
    ] = "before"
    event: Annotated[
        int | Literal["each", "role", "delta", "finish", "usage", "done"],
        Meta(description="Which event, from 0; or each of them, or the one of that kind."),
    ] = "each"
    times: Annotated[int, Meta(ge=1, description="How often the lines are repeated.")] = 1

    def __post_init__(self) -> None:
        is_inside = self.at not in ("before", "after")
        for line in self.lines:
            check_line(line, "lines")
            if not line and is_inside:
                # W6: "If the line is empty (a blank line): Dispatch the event" - the rest of it would be another.
                raise ValueError(f"lines: a blank line ends the event: it stands before or after, not {self.at}")
            if _DATA_LINE.match(line):
                _check_data_line(line, is_inside)


def _check_data_line(line: str, is_inside: bool) -> None:
    """Raise `ValueError` for a `data:` line that would change what an event says; LINE FEEDs around JSON say nothing."""
    if not _EMPTY_DATA_LINE.fullmatch(line):
        raise ValueError(
            f"lines: data of its own needs an event of its own, one of the delivery's inserts; got {line!r}"
        )
    if not is_inside:
        raise ValueError(
            f"lines: expected an empty data line in an event: first, inside or last; got {line!r} beside it"
        )


def check_line(text: str, what: str) -> None:
    """Raise `ValueError` for a text that is not one line: by the standard LF and CR both end one."""
    if "\n" in text or "\r" in text:
        raise ValueError(f"{what}: expected one line, without its end; got {text!r}")


class Framing(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How events become lines. The default is OpenAI's: LF, one space after the colon, nothing but `data:`."""

    line_end: Annotated[
        LineEnd | tuple[LineEnd, ...],
        Meta(description="What ends a line: lf, crlf or cr, or several taken in turn, over and over."),
    ] = "lf"
    spaces: Annotated[
        int,
        Meta(
            ge=0, le=64, description="Spaces after the colon of data; the standard drops one. [DONE] has one at most."
        ),
    ] = 1
    bom: Annotated[bool, Meta(description="A byte order mark in front of the stream.")] = False
    data_lines: Annotated[
        int, Meta(ge=1, description="Over how many data: lines each event's JSON is spread, as far as it has commas.")
    ] = 1
    final_blank_line: Annotated[bool, Meta(description="Whether the last event is ended by a blank line.")] = True
    extra: Annotated[tuple[Lines, ...], Meta(description="Lines before, in or after events.")] = ()


PLAIN = Framing()


def encode_events(events: Iterable[Event], framing: Framing = PLAIN) -> Iterator[Slice]:
    """The body bytes of a stream, in slices of at most 64 KiB, with their marks."""
    for block in _plain_blocks(events) if framing == PLAIN else _framed_blocks(events, framing):
        if len(block.data) <= SLICE_BYTES:
            yield block
        else:
            yield from cut_slice(block)


def _plain_blocks(events: Iterable[Event]) -> Iterator[Slice]:
    for number, event in enumerate(events):
        if event.raw is not None or event.name is not None or b"\n" in event.data or b"\r" in event.data:
            data = _frame(event, number, PLAIN, _LineEnds(("lf",)))
        else:
            data = b"data: %b\n\n" % event.data
        yield Slice(data, event.due_s, number, event.kind)


def _framed_blocks(events: Iterable[Event], framing: Framing) -> Iterator[Slice]:
    """Blocks of bytes: what stands before an event, the event, what stands after it."""
    ends = _LineEnds((framing.line_end,) if isinstance(framing.line_end, str) else framing.line_end)
    last: Slice | None = None
    for number, event in enumerate(events):
        if framing.bom and number == 0:
            # W6: the decoder strips "one leading UTF-8 Byte Order Mark (BOM), if any": it is no part of a line.
            yield Slice(BOM, event.due_s, None, "bom")
        if last is not None:
            yield last
            yield from _after(last, framing, ends)
        if before := _extra("before", number, event.kind, framing, ends):
            yield Slice(before, event.due_s, None, "comment")
        last = Slice(_frame(event, number, framing, ends), event.due_s, number, event.kind)
    if last is not None and framing.final_blank_line:
        yield last
        yield from _after(last, framing, ends)
    elif last is not None:
        # Nothing else may end it either.
        yield _without_blank_line(last)
        extra = tuple(replace(lines, lines=tuple(filter(None, lines.lines))) for lines in framing.extra)
        yield from _after(last, replace(framing, extra=extra), ends)


class _LineEnds:
    """Ends lines, with several kinds of end in turn."""

    def __init__(self, names: tuple[LineEnd, ...]) -> None:
        self._ends = cycle([LINE_ENDS[name] for name in names])
        self._last = b""

    def end(self, line: bytes) -> bytes:
        """The line with its end. An empty line after CR never ends in LF: the two would be one CRLF, and no blank line."""
        end = next(self._ends)
        while not line and self._last == b"\r" and end == b"\n":
            end = next(self._ends)
        self._last = end
        return line + end


def _after(block: Slice, framing: Framing, ends: _LineEnds) -> Iterator[Slice]:
    if lines := _extra("after", block.event, block.kind, framing, ends):
        yield Slice(lines, block.due_s, None, "comment")


def _extra(at: str, number: int | None, kind: str, framing: Framing, ends: _LineEnds) -> bytes:
    return b"".join(
        ends.end(line.replace("{n}", str(number)).encode())
        for extra in framing.extra
        if extra.at == at and extra.event in ("each", number, kind)
        for _ in range(extra.times)
        for line in extra.lines
        if kind != "done" or not _DATA_LINE.match(line)
    )


def _frame(event: Event, number: int, framing: Framing, ends: _LineEnds) -> bytes:
    """One event: its fields, the extra lines that belong in it, the blank line that ends it."""
    if event.raw is not None:
        return event.raw
    parts = [_extra("first", number, event.kind, framing, ends)]
    if event.name is not None:
        parts.append(ends.end(b"event: " + event.name.encode()))
    spaces = framing.spaces if event.kind != "done" else min(framing.spaces, 1)
    for k, line in enumerate(_split_data(event.data, framing.data_lines)):
        # W6: "If value starts with a U+0020 SPACE character, remove it from value." - a line's own space needs one before it.
        parts.append(ends.end(b"data:" + b" " * (spaces or line.startswith(b" ")) + line))
        if k == 0:
            parts.append(_extra("inside", number, event.kind, framing, ends))
    parts += (_extra("last", number, event.kind, framing, ends), ends.end(b""))
    return b"".join(parts)


def _split_data(data: bytes, count: int) -> list[bytes]:
    """Data as the values of its `data:` lines.

    W6: "Append the field value to the data buffer, then append a single U+000A LINE FEED (LF) character" - so data that
    holds line feeds needs several lines; a carriage return ends a line too and cannot be told otherwise. To spread data
    that holds none, a line feed must mean nothing in it: in JSON, one after a comma outside of strings.
    """
    lines = _LINE_END.split(data)
    if len(lines) > 1 or count == 1 or not data.startswith((b"{", b"[")):
        return lines
    cuts = list(_insignificant_cuts(data))
    wanted = min(count - 1, len(cuts))
    chosen = [cuts[(k + 1) * len(cuts) // (wanted + 1)] for k in range(wanted)]
    return [data[start:end] for start, end in pairwise([0, *chosen, len(data)])]


def _insignificant_cuts(data: bytes) -> Iterator[int]:
    """The places behind the commas of a JSON text that are in no string."""
    return (found.end() for found in _STRING_OR_COMMA.finditer(data) if found[0] == b",")


def _without_blank_line(last: Slice) -> Slice:
    """The stream's last slice without the line end that ends its event."""
    data = last.data
    for end in (b"\r\n", b"\n", b"\r"):
        if data.endswith(end):
            data = data[: -len(end)]
            break
    return replace(last, data=data)


def split_slice(whole: Slice, at: int) -> tuple[Slice, Slice]:
    """One slice as two; the marks say which of them starts and which ends the event."""
    return replace(whole, data=whole.data[:at], ends=False), replace(
        whole, data=whole.data[at:], starts=False, joins=False
    )


def cut_slice(whole: Slice, size: int = SLICE_BYTES) -> Iterator[Slice]:
    """One slice as several of at most `size` bytes."""
    data = whole.data
    if len(data) <= size:
        yield whole
        return
    for start in range(0, len(data), size):
        end = start + size
        yield replace(
            whole,
            data=data[start:end],
            starts=whole.starts and start == 0,
            ends=whole.ends and end >= len(data),
            joins=whole.joins and start == 0,
        )
